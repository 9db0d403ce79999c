package report

import (
	"encoding/csv"
	"encoding/json"
	"io"
	"strconv"
	"strings"
	"time"

	"hmaproxy/internal/printable"
)

// WriteJSON writes the report as JSON.
func WriteJSON(w io.Writer, r *Report) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

var csvHead = []string{
	"kind", "client", "user_agent", "form", "name", "requests", "served", "challenged", "audited", "left", "refused", "failed",
	"bytes_in", "bytes_out", "median_ms", "p95_ms", "max_ms", "first", "last", "last_fault", "graph",
}

// WriteCSV writes the report as one table, for spreadsheets. The kind of a row
// is total, client, client-operation, operation, mailbox, client-mailbox,
// reason, audit or fault. No cell begins like a formula.
func WriteCSV(w io.Writer, r *Report) error {
	c := csv.NewWriter(w)
	_ = c.Write(csvHead) // Error below returns the errors of Write
	total := r.Total
	writeRow(c, "total", &total)
	for i := range r.Clients {
		client := &r.Clients[i]
		writeRow(c, "client", client)
		for j := range client.Operations {
			o := client.Operations[j]
			o.Client, o.Product = client.Client, client.Product
			writeRow(c, "client-operation", &o)
		}
	}
	for i := range r.Operations {
		writeRow(c, "operation", &r.Operations[i])
	}
	for i := range r.Mailboxes {
		writeRow(c, "mailbox", &r.Mailboxes[i])
	}
	for i := range r.ByClient {
		writeRow(c, "client-mailbox", &r.ByClient[i])
	}
	for _, p := range r.Problems {
		cells := make([]string, len(csvHead))
		cells[0], cells[1], cells[4] = p.Kind, printable.Cell(p.Client), printable.Cell(p.Word)
		cells[5], cells[18] = strconv.FormatInt(p.Count, 10), stamp(p.Last)
		_ = c.Write(cells)
	}
	c.Flush()
	return c.Error()
}

func writeRow(c *csv.Writer, kind string, row *Row) {
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	milliseconds := func(f float64) string {
		if f == 0 {
			return ""
		}
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	var apis []string
	for _, api := range row.Graph {
		apis = append(apis, api.Title)
	}
	_ = c.Write([]string{
		kind, printable.Cell(row.Client), printable.Cell(row.Product), row.Form, printable.Cell(row.Name),
		number(row.Requests), number(row.Served), number(row.Challenged), number(row.Audited), number(row.Left), number(row.Refused), number(row.Failed),
		number(row.BytesIn), number(row.BytesOut), milliseconds(row.MedianMS), milliseconds(row.P95MS), milliseconds(row.MaxMS),
		stamp(row.First), stamp(row.Last), printable.Cell(row.Fault), printable.Cell(strings.Join(apis, "; ")),
	})
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

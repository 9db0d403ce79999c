package report

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"hmaproxy/internal/printable"
)

// maxCell is the maximum length, in characters, of a name in a table of the text.
const maxCell = 60

// maxPauses is the maximum number of gaps that the text lists. It is also the
// maximum number of periods without a running hmaproxy that the text lists.
const maxPauses = 10

// A textWriter collects the text of the report.
type textWriter struct {
	b bytes.Buffer
	r *Report
}

// WriteText writes the report as text.
func WriteText(w io.Writer, r *Report) error {
	t := &textWriter{r: r}
	t.head()
	t.notes()
	t.clients()
	t.operations()
	t.mailboxes()
	t.problems()
	if r.Graph != nil {
		t.graph()
	}
	_, err := w.Write(t.b.Bytes())
	return err
}

// instant formats a time in the time zone of the report. It returns a dash for
// the zero time.
func (r *Report) instant(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.In(r.location).Format("2006-01-02 15:04 MST")
}

func (r *Report) day(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.In(r.location).Format("2006-01-02")
}

// spanText describes the period that the log covers and the number of gaps.
func (r *Report) spanText() string {
	if r.Span.First.IsZero() {
		return "no request"
	}
	return fmt.Sprintf("%s to %s: %s, %s", r.instant(r.Span.First), r.instant(r.Span.Last),
		printable.Span(time.Duration(r.Span.Seconds)*time.Second), printable.Count(int64(len(r.Span.Gaps)), "gap", "gaps"))
}

// pauses returns a line for each gap, a line for each period in which hmaproxy
// did not run, and one line about its starts. One line replaces the gaps beyond
// maxPauses, and one the periods beyond maxPauses.
func (r *Report) pauses() []string {
	var lines []string
	add := func(list []Pause, what string) {
		for i, p := range list {
			if i == maxPauses {
				lines = append(lines, fmt.Sprintf("and %s more", printable.Number(int64(len(list)-i))))
				return
			}
			lines = append(lines, fmt.Sprintf("%s from %s to %s (%s)", what, r.instant(p.From), r.instant(p.To), printable.Span(p.length())))
		}
	}
	add(r.Span.Gaps, "no request")
	add(r.Span.Stopped, "hmaproxy did not run")
	if n := len(r.Span.Starts); n > 0 {
		line := fmt.Sprintf("hmaproxy was started %s, last at %s", printable.Count(int64(n), "time", "times"), r.instant(r.Span.Starts[n-1]))
		if r.Span.Abrupt > 0 {
			line += fmt.Sprintf("; before %s of the starts the log has no end: it was killed, or several instances wrote the log", printable.Number(int64(r.Span.Abrupt)))
		}
		lines = append(lines, line)
	}
	return lines
}

// outcomesText describes the outcomes of a row. It leaves out outcomes without a
// request.
func outcomesText(row *Row) string {
	var parts []string
	for _, o := range row.outcomes() {
		if o.n > 0 {
			parts = append(parts, printable.Number(o.n)+" "+o.name)
		}
	}
	return strings.Join(parts, ", ")
}

type namedCount struct {
	name string
	n    int64
}

// outcomes returns the outcomes in the order in which charts stack them.
func (row *Row) outcomes() []namedCount {
	return []namedCount{
		{"served", row.Served}, {"challenged", row.Challenged}, {"audited", row.Audited},
		{"left", row.Left}, {"refused", row.Refused}, {"failed", row.Failed},
	}
}

func (t *textWriter) printf(format string, args ...any) { fmt.Fprintf(&t.b, format, args...) }

func (t *textWriter) head() {
	r := t.r
	t.printf("hmaproxy report of %s\n\n", strings.Join(r.Files, ", "))
	t.printf("span       %s\n", r.spanText())
	for _, line := range r.pauses() {
		t.printf("           %s\n", line)
	}
	t.printf("requests   %s", printable.Number(r.Total.Requests))
	if text := outcomesText(&r.Total); text != "" {
		t.printf(": %s", text)
	}
	t.printf("\n")
	t.printf("bytes      %s from clients, %s to them\n", printable.Bytes(r.Total.BytesIn), printable.Bytes(r.Total.BytesOut))
	t.printf("took       median %s, 95th percentile %s, longest %s\n", ms(r.Total.MedianMS), ms(r.Total.P95MS), ms(r.Total.MaxMS))
	t.printf("lines      %s: %s, %s\n", printable.Number(r.Log.Lines), printable.Count(r.Log.Requests, "request", "requests"), printable.Count(r.Log.Other, "other line of hmaproxy", "other lines of hmaproxy"))
	if len(r.Log.Versions) > 0 {
		t.printf("versions   %s\n", strings.Join(r.Log.Versions, ", "))
	}
}

func ms(f float64) string { return printable.Took(time.Duration(f * float64(time.Millisecond))) }

func (t *textWriter) notes() {
	if len(t.r.Notes) == 0 {
		return
	}
	t.printf("\nnotes\n")
	for _, note := range t.r.Notes {
		t.printf("  ! %s\n", note)
	}
}

// table writes a title and rows. cells returns the cells of a row. A column
// whose title begins with ">" is right-aligned.
func (t *textWriter) table(title string, n int, heads []string, cells func(i int) []string) {
	t.printf("\n%s (%s)\n", title, printable.Number(int64(n)))
	if n == 0 {
		t.printf("  none\n")
		return
	}
	shown := n
	if t.r.top > 0 {
		shown = min(n, t.r.top)
	}
	rows := make([][]string, shown)
	widths := make([]int, len(heads))
	for i := range rows {
		rows[i] = cells(i)
		for j, c := range rows[i] {
			widths[j] = max(widths[j], len([]rune(c)))
		}
	}
	table := tabwriter.NewWriter(&t.b, 0, 0, 2, ' ', 0)
	line := func(cells []string) {
		for j, c := range cells {
			name, right := strings.CutPrefix(heads[j], ">")
			if right {
				c = strings.Repeat(" ", max(0, max(widths[j], len(name))-len([]rune(c)))) + c
			}
			cells[j] = c
		}
		fmt.Fprintf(table, "  %s\n", strings.TrimRight(strings.Join(cells, "\t"), " \t"))
	}
	names := make([]string, len(heads))
	for j, h := range heads {
		names[j] = strings.TrimPrefix(h, ">")
	}
	line(names)
	for _, row := range rows {
		line(row)
	}
	table.Flush()
	if shown < n {
		t.printf("  and %s more; -top 0, -json and -csv list all\n", printable.Number(int64(n-shown)))
	}
}

func short(s string) string { return printable.Short(s, maxCell) }

func (t *textWriter) clients() {
	t.table("clients", len(t.r.Clients), []string{"user", "program", ">requests", ">user's mailboxes", ">operations", ">in", ">out", "other outcomes"}, func(i int) []string {
		c := &t.r.Clients[i]
		return []string{
			cmp.Or(short(c.Client), "–"), cmp.Or(short(c.Product), "–"), printable.Number(c.Requests), printable.Number(int64(c.Mailboxes)),
			printable.Number(int64(len(c.Operations))), printable.Bytes(c.BytesIn), printable.Bytes(c.BytesOut), otherOutcomes(c),
		}
	})
}

// otherOutcomes describes the outcomes of requests that were not served, "" for
// none.
func otherOutcomes(row *Row) string {
	without := *row
	without.Served = 0
	return outcomesText(&without)
}

// operationTitle returns the name of an operation, shortened, or "(no SOAP
// request)" if the name is "".
func operationTitle(name string) string { return cmp.Or(short(name), "(no SOAP request)") }

func (t *textWriter) operations() {
	t.table("operations", len(t.r.Operations), []string{"operation", ">requests", ">share", ">median", ">95 %", ">in", ">out", "other outcomes"}, func(i int) []string {
		o := &t.r.Operations[i]
		return []string{
			operationTitle(o.Name), printable.Number(o.Requests), printable.Share(o.Requests, t.r.Total.Requests), ms(o.MedianMS), ms(o.P95MS),
			printable.Bytes(o.BytesIn), printable.Bytes(o.BytesOut), otherOutcomes(o),
		}
	})
}

// mailboxTitle returns a mailbox in the form of an allow-list entry.
func mailboxTitle(row *Row) string {
	if row.Form == "" {
		return short(row.Name)
	}
	return short(row.Form + ":" + row.Name)
}

// state returns what is known about a mailbox in addition to the numbers.
func state(row *Row) string {
	switch {
	case row.Gone:
		return "not in Exchange any longer"
	case row.Fault != "":
		return row.Fault
	}
	return ""
}

func (t *textWriter) mailboxes() {
	t.table("mailboxes", len(t.r.Mailboxes), []string{"mailbox", ">requests", "first", "last", ">out", "other outcomes", "last fault"}, func(i int) []string {
		m := &t.r.Mailboxes[i]
		return []string{
			mailboxTitle(m), printable.Number(m.Requests), t.r.day(m.First), t.r.day(m.Last), printable.Bytes(m.BytesOut), otherOutcomes(m), state(m),
		}
	})
}

func (t *textWriter) problems() {
	t.table("refusals, failures and faults", len(t.r.Problems), []string{"kind", "what", "user", ">requests", "last", "last mailbox"}, func(i int) []string {
		p := &t.r.Problems[i]
		user := cmp.Or(short(p.Client), "–")
		if p.LeftOut {
			user = "(left out of the log)"
		}
		return []string{p.Kind, short(p.Word), user, printable.Number(p.Count), t.r.instant(p.Last), short(p.Mailbox)}
	})
}

func (t *textWriter) graph() {
	g := t.r.Graph
	all := g.Listed + g.Conditional + g.Unlisted
	t.printf("\nMicrosoft Graph\n")
	t.printf("  %s of the EWS requests have a counterpart, %s under a condition, %s have none that Microsoft lists.\n",
		printable.Share(g.Listed, all), printable.Share(g.Conditional, all), printable.Share(g.Unlisted, all))
	for _, caveat := range g.Caveats {
		t.printf("  ! %s\n", caveat)
	}
	t.printf("  source: %s, %s, read on %s\n", g.Source, g.URL, g.Read)
	var rows [][]string
	for i := range t.r.Operations {
		rows = append(rows, graphRows(&t.r.Operations[i])...)
	}
	top := t.r.top
	t.r.top = 0 // all rows, because a part of the assessment would be useless
	t.table("operations and their counterparts", len(rows), []string{"operation", ">requests", "counterpart", "reference", "condition"}, func(i int) []string { return rows[i] })
	t.table("clients and what they use without a counterpart", len(g.Clients), []string{"user", "program", ">with", ">conditional", ">without", "operations without"}, func(i int) []string {
		c := &g.Clients[i]
		return []string{
			cmp.Or(short(c.Client), "–"), cmp.Or(short(c.Product), "–"), printable.Number(c.Listed), printable.Number(c.Conditional),
			printable.Number(c.Unlisted), cmp.Or(printable.Short(strings.Join(c.Missing, " "), 200), "none"),
		}
	})
	t.r.top = top
}

// graphRows returns a row for each API that corresponds to an operation. If there
// is no such API, it returns one row that says so. If the operation has no name,
// it returns nil.
func graphRows(o *Row) [][]string {
	if o.Name == "" {
		return nil
	}
	if len(o.Graph) == 0 {
		return [][]string{{operationTitle(o.Name), printable.Number(o.Requests), "none listed by Microsoft", "", ""}}
	}
	var rows [][]string
	for i, api := range o.Graph {
		name, n := operationTitle(o.Name), printable.Number(o.Requests)
		if i > 0 {
			name, n = "", ""
		}
		rows = append(rows, []string{name, n, api.Title, strings.TrimPrefix(api.Page, "https://learn.microsoft.com"), api.Condition})
	}
	return rows
}

// WriteSuggestion writes the suggested allow-list. The report must have one.
func WriteSuggestion(w io.Writer, r *Report) error {
	source := []string{
		"Suggested by hmaproxy report -suggest from " + printable.Count(r.Total.Requests, "request", "requests") + ",",
		r.spanText() + ".",
	}
	for _, line := range r.pauses() {
		source = append(source, "  "+line)
	}
	for _, note := range r.Notes {
		source = append(source, "  "+note)
	}
	return r.list.WriteTo(w, source...)
}

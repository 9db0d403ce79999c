package policycheck

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"hmaproxy/internal/printable"
	"hmaproxy/internal/requestlog"
)

// WriteText writes the result of a Replay as text. top is the largest number of
// rows in each table; 0 means all rows. WriteText returns the error of w.
func (p *Replay) WriteText(w io.Writer, f *requestlog.Facts, top int) error {
	var b strings.Builder
	t := p.totals
	tested := t.Allowed + t.Refused + t.Undecided
	fmt.Fprintf(&b, "%s tested, of %s to %s\n", printable.Count(tested, "request", "requests"), instant(f.First), instant(f.Last))
	fmt.Fprintf(&b, "  would be refused   %s (%s)\n", printable.Number(t.Refused), printable.Share(t.Refused, tested))
	fmt.Fprintf(&b, "  cannot be decided  %s\n", printable.Number(t.Undecided))
	fmt.Fprintf(&b, "  would be allowed   %s\n", printable.Number(t.Allowed))
	if t.Outside > 0 {
		fmt.Fprintf(&b, "  not tested         %s, about which the policy does not decide (no EWS operation, no credentials)\n", printable.Number(t.Outside))
	}
	for _, s := range []struct {
		n    int64
		text string
	}{
		{f.LeftOutTotal(), "refused requests that the log counts and leaves out"}, {f.Cut, "lines that are not complete"},
		{f.Foreign, "lines that are not of hmaproxy"}, {f.Text, "lines in the form for terminals (set HMA_LOG_FORMAT=json)"},
		{f.Unknown, "lines that this version does not know"}, {f.Duplicates, "requests that are in the files more than once"},
	} {
		if s.n > 0 {
			fmt.Fprintf(&b, "  not tested         %s %s\n", printable.Number(s.n), s.text)
		}
	}
	p.writeRows(&b, "would be refused", false, top)
	p.writeRows(&b, "cannot be decided", true, top)
	fmt.Fprintf(&b, "\nwhat this test does not show\n")
	for _, limit := range p.Limits() {
		fmt.Fprintf(&b, "  ! %s\n", limit)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (p *Replay) writeRows(b *strings.Builder, title string, undecided bool, top int) {
	var rows []Row
	for _, row := range p.Rows() {
		if row.Undecided == undecided {
			rows = append(rows, row)
		}
	}
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s, by client user, mailbox and operation (%s)\n", title, printable.Number(int64(len(rows))))
	shown := len(rows)
	if top > 0 {
		shown = min(shown, top)
	}
	table := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "  user\tmailbox\toperation\trequests\tsucceeded\tlast\twhy\n")
	for _, row := range rows[:shown] {
		fmt.Fprintf(table, "  %s\t%s\t%s\t%s\t%s\t%s\t%s\n", name(row.Client), name(row.Mailbox), name(row.Operation),
			printable.Number(row.Requests), printable.Number(row.Succeeded), row.Last.UTC().Format("2006-01-02"), row.Why)
	}
	table.Flush()
	if shown < len(rows) {
		fmt.Fprintf(b, "  and %s more; -top 0 and -json list all\n", printable.Number(int64(len(rows)-shown)))
	}
}

// name returns a name from a log in a printable form.
func name(s string) string { return cmp.Or(printable.Short(s, 60), "–") }

func instant(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.UTC().Format("2006-01-02 15:04 MST")
}

// WriteJSON writes the result of a Replay as JSON. Its texts are printable.
func (p *Replay) WriteJSON(w io.Writer, f *requestlog.Facts) error {
	rows := p.Rows()
	for i := range rows {
		row := &rows[i]
		row.Client, row.Mailbox, row.Operation = printable.Text(row.Client), printable.Text(row.Mailbox), printable.Text(row.Operation)
		row.First, row.Last = row.First.UTC(), row.Last.UTC()
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(struct {
		First      time.Time `json:"first,omitzero"`
		Last       time.Time `json:"last,omitzero"`
		Totals     Totals    `json:"totals"`
		LeftOut    int64     `json:"left_out"`
		Cut        int64     `json:"cut"`
		Foreign    int64     `json:"foreign"`
		Unknown    int64     `json:"unknown"`
		Duplicates int64     `json:"duplicates"`
		Rows       []Row     `json:"rows"`
		Limits     []string  `json:"limits"`
	}{f.First.UTC(), f.Last.UTC(), p.totals, f.LeftOutTotal(), f.Cut, f.Foreign, f.Unknown, f.Duplicates, rows, p.Limits()})
}

// WriteText writes the result as text: a line with the mailbox and the decision,
// and an indented line for each rule. It returns the error of w.
func (r Result) WriteText(w io.Writer) error {
	decision := "allowed"
	switch {
	case !r.Allowed && r.Audit:
		decision = "refused: " + r.Reason + " (audit mode forwards it and logs this)"
	case !r.Allowed:
		decision = "refused: " + r.Reason
	}
	_, err := fmt.Fprintf(w, "%s  %s\n", printable.Text(r.Mailbox), decision)
	for _, rule := range r.Rules {
		if err == nil {
			_, err = fmt.Fprintf(w, "    %s\n", printable.Text(rule))
		}
	}
	return err
}

package suggest

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"hmaproxy/internal/config"
	"hmaproxy/internal/printable"
)

// WriteTo writes the list as a file for HMA_ALLOWED_MAILBOXES_FILE. Every line
// without an entry is a comment. source describes the origin of the list in a few
// lines. hmaproxy refuses a file without entries, so an empty suggestion cannot
// be used by mistake.
func (l *List) WriteTo(w io.Writer, source ...string) error {
	var b strings.Builder
	for _, line := range source {
		comment(&b, line)
	}
	comment(&b, "It holds what was used in that time and succeeded. Rarer jobs are missing, and unwanted",
		"use is included: read each entry before you use it.")
	for _, note := range l.Notes {
		comment(&b, "", note)
	}
	l.writeEntries(&b)
	l.writeLeftOut(&b)
	l.writeOperations(&b)
	l.writeClients(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

// comment writes lines of a comment. Line breaks and other control characters
// in them become visible escapes, so that no text can end the comment.
func comment(b *strings.Builder, lines ...string) {
	for _, line := range lines {
		b.WriteString(strings.TrimRight("# "+printable.Text(line), " ") + "\n")
	}
}

func (l *List) writeEntries(b *strings.Builder) {
	b.WriteString("\n")
	width, domain := 0, ""
	for _, e := range l.Entries {
		width = min(max(width, utf8.RuneCountInString(e.Text)), 40)
	}
	for i, e := range l.Entries {
		if _, of, _ := strings.Cut(e.Text, "@"); of != domain || i == 0 {
			if domain = of; i > 0 {
				b.WriteString("\n")
			}
		}
		added := ""
		if e.Injected > 0 {
			added = fmt.Sprintf(", of which hmaproxy added the name to %s", printable.Number(e.Injected))
		}
		fmt.Fprintf(b, "%-*s  # %s, %s to %s%s\n", width, e.Text, requests(e.Requests()),
			e.First.UTC().Format("2006-01-02"), e.Last.UTC().Format("2006-01-02"), added)
	}
	if len(l.Entries) == 0 {
		comment(b, "No mailbox was opened. This is not a valid list yet.")
	}
}

func (l *List) writeLeftOut(b *strings.Builder) {
	if len(l.LeftOut) == 0 {
		return
	}
	b.WriteString("\n")
	comment(b, "Asked for and left out:")
	for _, m := range l.LeftOut {
		comment(b, fmt.Sprintf("  %s: %s, %s", m.Entry(), requests(m.Requests()), m.Why))
	}
}

func (l *List) writeOperations(b *strings.Builder) {
	if len(l.Operations) == 0 && len(l.Refused) == 0 {
		return
	}
	b.WriteString("\n")
	comment(b, "The operations that were used, for the file of settings:")
	if line := l.OperationsSetting(); line != "" {
		comment(b, line)
	}
	if len(l.Refused) > 0 {
		comment(b, "Used and not in that line; read docs/threat-model.md before you add one:")
	}
	for _, o := range l.Refused {
		comment(b, fmt.Sprintf("  %s: %s, %s", o.Name, requests(o.Requests), o.Why))
	}
}

// OperationsSetting returns the line that sets HMA_ALLOWED_OPERATIONS to the
// proposed operations, "" if the list has no operations.
func (l *List) OperationsSetting() string {
	if len(l.Operations) == 0 {
		return ""
	}
	names := make([]string, len(l.Operations))
	for i, o := range l.Operations {
		names[i] = o.Name
	}
	return "HMA_ALLOWED_OPERATIONS=" + strings.Join(names, ",")
}

func (l *List) writeClients(b *strings.Builder) {
	if len(l.Clients) == 0 {
		return
	}
	b.WriteString("\n")
	comment(b, "Patterns of client users, to follow the hash in their lines of HMA_CLIENT_USERS_FILE:")
	for _, c := range l.Clients {
		name := c.Name
		if !config.IsUserName(name) {
			name = printable.Quote(name)
		}
		comment(b, fmt.Sprintf("  %s: %s", name, strings.Join(c.Entries, " ")))
	}
}

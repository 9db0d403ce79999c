package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// A Text writes Results for people, one line each and what belongs to it
// indented below.
type Text struct {
	w     io.Writer
	color bool
}

// NewText returns a Text that writes to w, with colour when color is set.
func NewText(w io.Writer, color bool) *Text { return &Text{w, color} }

// marks and colors of the three statuses.
var (
	marks  = map[Status]string{OK: "✓", Failed: "✗", Skipped: "–"}
	colors = map[Status]string{OK: "\x1b[32m", Failed: "\x1b[31m", Skipped: "\x1b[2m"}
)

// Report writes one Result.
func (t *Text) Report(r Result) {
	mark := marks[r.Status]
	if t.color {
		mark = colors[r.Status] + mark + "\x1b[0m"
	}
	detail := r.Detail
	if r.Status == Skipped {
		detail = "not run: " + detail
	}
	fmt.Fprintf(t.w, "%s %s: %s\n", mark, r.Title, detail)
	t.lines("cause:  ", []string{r.Cause})
	t.lines("repair: ", r.Repair)
	t.lines("note:   ", r.Notes)
}

func (t *Text) lines(label string, list []string) {
	for _, s := range list {
		if s != "" {
			fmt.Fprintf(t.w, "    %s%s\n", label, s)
			label = strings.Repeat(" ", len(label))
		}
	}
}

// Summary writes the last line.
func (t *Text) Summary(all []Result) {
	var broken []string
	for _, r := range all {
		if r.Status == Failed {
			broken = append(broken, r.Title)
		}
	}
	switch len(broken) {
	case 0:
		if ExitCode(all) != exitOK {
			fmt.Fprintln(t.w, "\nNot everything could be checked.")
			return
		}
		fmt.Fprintln(t.w, "\nNothing wrong was found.")
	case 1:
		fmt.Fprintf(t.w, "\nOne check failed: %s.\n", broken[0])
	default:
		fmt.Fprintf(t.w, "\n%d checks failed. Begin with the first: %s.\n", len(broken), broken[0])
	}
}

// WriteJSON writes all Results as one JSON object: {"ok": …, "checks": […]}.
func WriteJSON(w io.Writer, all []Result) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(struct {
		OK     bool     `json:"ok"`
		Checks []Result `json:"checks"`
	}{ExitCode(all) == exitOK, all})
}

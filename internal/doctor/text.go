package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"hmaproxy/internal/lazyregexp"
	"hmaproxy/internal/textwrap"
)

// A Text writes Results as text. A Result begins on a new line with its mark and
// title. Lines with its cause, repairs, warnings and notes follow. Long lines are
// wrapped, except lines with commands.
type Text struct {
	w io.Writer
	o TextOptions
}

// TextOptions are the options of a Text. The zero value is brief and without
// colour.
type TextOptions struct {
	Verbose bool // also print what each check observed, and its notes
	Color   bool // use escape sequences for colours
}

// NewText returns a Text that writes to w.
func NewText(w io.Writer, o TextOptions) *Text { return &Text{w, o} }

// The variable marks holds the mark of each Status. The variable colors holds the
// escape sequence of its colour.
var (
	marks  = map[Status]string{OK: "✓", Warning: "!", Failed: "✗", Skipped: "–"}
	colors = map[Status]string{OK: "\x1b[32m", Warning: "\x1b[33m", Failed: "\x1b[31m", Skipped: "\x1b[2m"}
)

// Report writes one Result.
func (t *Text) Report(r Result) {
	mark, line := marks[r.Status], r.Title
	switch {
	case r.Status == Skipped:
		line += ": not run: " + r.Detail
	case r.Status != OK || t.o.Verbose:
		line += ": " + r.Detail
	}
	line = textwrap.Fill(line, mark+" ", "  ")
	if t.o.Color {
		line = strings.Replace(line, mark, colors[r.Status]+mark+"\x1b[0m", 1)
	}
	io.WriteString(t.w, line)
	t.lines("cause:  ", []string{r.Cause})
	t.lines("repair: ", r.Repair)
	t.lines("warning: ", r.Warnings)
	if r.Status == Failed || t.o.Verbose {
		t.lines("note:   ", r.Notes)
	}
}

// hasCommand matches texts that contain a flag, and therefore probably a command.
// Such a text is not broken into lines, because a command in two lines would not
// work when it is copied.
var hasCommand = lazyregexp.New(`(?:^|[\s(])--?[A-Za-z]`)

// lines writes each text that is not empty, on a new line. It wraps long texts
// that contain no command. The label precedes the first text.
func (t *Text) lines(label string, list []string) {
	prefix := "    " + label
	indent := strings.Repeat(" ", len(prefix))
	for _, s := range list {
		switch {
		case s == "":
			continue
		case hasCommand().MatchString(s):
			io.WriteString(t.w, prefix+s+"\n")
		default:
			io.WriteString(t.w, textwrap.Fill(s, prefix, indent+"  "))
		}
		prefix = indent
	}
}

// Summary writes an empty line and then a summary of all Results.
func (t *Text) Summary(all []Result) {
	line := summary(all)
	if !t.o.Verbose {
		line += " -v shows what each check observed."
	}
	io.WriteString(t.w, "\n"+textwrap.Fill(line, "", ""))
}

// summary returns a summary of all Results.
func summary(all []Result) string {
	var failed, warned []Result
	for _, r := range all {
		switch r.Status {
		case Failed:
			failed = append(failed, r)
		case Warning:
			warned = append(warned, r)
		}
	}
	switch {
	case len(failed) == 1:
		return fmt.Sprintf("One check failed: %s.", failed[0].Title)
	case len(failed) > 1:
		return fmt.Sprintf("%d checks failed. Begin with the first: %s.", len(failed), failed[0].Title)
	case len(warned) > 0:
		return "No check failed, with a warning: " + warned[0].Cause + "."
	case ExitCode(all) != exitOK:
		return "Not everything could be checked."
	}
	return "Nothing wrong was found."
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

package report

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"flag"
	"html"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"hmaproxy/internal/outcome"
	"hmaproxy/internal/requestlog"
	"hmaproxy/internal/textcheck"
	"hmaproxy/internal/traffic"
	"hmaproxy/proxy"
)

var update = flag.Bool("update", false, "rewrite the reports in testdata")

// newReport reads testdata/traffic.log, which has a line of every kind and
// harmful names that clients chose.
func newReport(t *testing.T, o Options) *Report {
	t.Helper()
	counted := traffic.New(traffic.LogLimits())
	reader, err := requestlog.NewReader(func(r *proxy.Record) { counted.Done(r, outcome.Of(r)) })
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Open("testdata/traffic.log")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := reader.Read("traffic.log", file); err != nil {
		t.Fatal(err)
	}
	o.Version, o.Files, o.Location = "v1.2.3", []string{"traffic.log"}, time.FixedZone("CET", 3600)
	r, err := New(reader.Facts(), counted.Summary(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func write(t *testing.T, r *Report, format func(io.Writer, *Report) error) string {
	t.Helper()
	var b bytes.Buffer
	if err := format(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestOutputFormats compares each format with a file that was reviewed by hand.
func TestOutputFormats(t *testing.T) {
	full := newReport(t, Options{Suggest: true, Graph: true})
	for name, got := range map[string]string{
		"report.txt":       write(t, newReport(t, Options{Top: 5}), WriteText),
		"report-graph.txt": write(t, newReport(t, Options{Top: 3, Graph: true}), WriteText),
		"report.json":      write(t, full, WriteJSON),
		"report.csv":       write(t, full, WriteCSV),
		"report.html":      withoutStyle(t, write(t, full, WriteHTML)),
		"suggestion.txt":   write(t, full, WriteSuggestion),
	} {
		textcheck.File(t, filepath.Join("testdata", name), got, *update)
	}
}

// withoutStyle removes the page's style sheet, which is also that of the status
// page. It checks that the page's policy allows that style sheet and nothing
// else.
func withoutStyle(t *testing.T, page string) string {
	t.Helper()
	before, rest, _ := strings.Cut(page, "<style>")
	css, after, found := strings.Cut(rest, "</style>")
	sum := sha256.Sum256([]byte(css))
	policy := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'"
	before, ok := strings.CutSuffix(before, `<meta http-equiv="Content-Security-Policy" content="`+html.EscapeString(policy)+"\">\n<title>hmaproxy report</title>\n")
	if !found || !ok || strings.Contains(after, "<style") {
		t.Errorf("the page does not have one style sheet and the policy %s", policy)
	}
	return before + after
}

// TestNumbersAreThoseOfTheLog counts the lines of the log with a few lines of
// independent code, and compares these numbers with the report's.
func TestNumbersAreThoseOfTheLog(t *testing.T) {
	data, err := os.ReadFile("testdata/traffic.log")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(data), `\"`, `"`)
	mailboxes := func(name string) int64 {
		return int64(strings.Count(strings.ToLower(text), `"mailbox":"`+strings.ToLower(name)+`"`))
	}
	r := newReport(t, Options{})
	n := 0
	for _, m := range r.Mailboxes {
		want := mailboxes(m.Name)
		switch {
		case strings.Contains(m.Name, `\x`) || strings.Contains(m.Name, `"`):
			continue // escaped differently in the log and in the report
		case m.Name == "alice@contoso.com":
			want-- // one line has an unknown reason
		case m.Name == "-minus@contoso.com":
			want-- // one line is in the log twice
		}
		n++
		if m.Requests != want {
			t.Errorf("%s: %d requests, want %d", m.Name, m.Requests, want)
		}
	}
	if n < 15 {
		t.Errorf("only %d mailboxes compared", n)
	}
	if r.Total.Requests != r.Log.Requests+1900 || r.Total.Refused != 1902 {
		t.Errorf("total %+v", r.Total)
	}
	sum := r.Log.Requests + r.Log.Other + r.Log.Duplicates + r.Log.Cut + r.Log.Foreign + r.Log.Text + r.Log.Unknown
	if lines := int64(strings.Count(string(data), "\n")); r.Log.Lines != lines || sum != lines {
		t.Errorf("%d lines, of which %d are accounted for; the file has %d", r.Log.Lines, sum, lines)
	}
}

// TestHarmfulNamesAreHarmless checks that every format escapes names that contain
// control characters, markup or formulas.
func TestHarmfulNamesAreHarmless(t *testing.T) {
	r := newReport(t, Options{Suggest: true, Graph: true})
	for name, text := range map[string]string{
		"text": write(t, r, WriteText), "json": write(t, r, WriteJSON), "csv": write(t, r, WriteCSV), "html": write(t, r, WriteHTML), "suggestion": write(t, r, WriteSuggestion),
	} {
		for _, c := range text {
			if c != '\n' && !unicode.IsPrint(c) {
				t.Errorf("%s: holds %q", name, c)
				break
			}
		}
		if !strings.Contains(strings.ToLower(text), "moc.osotnoc@ecila") {
			t.Errorf("%s: the name is missing", name)
		}
	}
	rows, err := csv.NewReader(strings.NewReader(write(t, r, WriteCSV))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	formulas := 0
	for _, row := range rows {
		if len(row) != len(csvHead) {
			t.Errorf("%d cells in %q", len(row), row)
		}
		for _, cell := range row {
			if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r") {
				t.Errorf("a formula: %q", cell)
			}
			if strings.HasPrefix(cell, "'=hyperlink") || strings.HasPrefix(cell, "'-minus") {
				formulas++
			}
		}
	}
	if formulas < 2 {
		t.Errorf("%d formulas were neutralised", formulas)
	}
	page := write(t, r, WriteHTML)
	for _, harm := range []string{"<script", "javascript:", " onload", "src=", "@import", "url("} {
		if strings.Contains(page, harm) {
			t.Errorf("html: holds %q", harm)
		}
	}
}

func TestJSONIsComplete(t *testing.T) {
	var got struct {
		Total      struct{ Requests, Refused int64 }
		Mailboxes  []struct{ Name string }
		Suggestion struct {
			Entries    []string
			Operations string
		}
		Graph struct {
			Listed int64 `json:"requests_with_counterpart"`
		}
	}
	if err := json.Unmarshal([]byte(write(t, newReport(t, Options{Suggest: true, Graph: true, Top: 1}), WriteJSON)), &got); err != nil {
		t.Fatal(err)
	}
	if got.Total.Requests != 2092 || len(got.Mailboxes) != 20 || len(got.Suggestion.Entries) != 13 || !strings.HasPrefix(got.Suggestion.Operations, "CreateItem,") || got.Graph.Listed == 0 {
		t.Errorf("%+v", got)
	}
}

// TestAnEmptyLog checks that every format reports that there are no requests, and
// that none fails.
func TestAnEmptyLog(t *testing.T) {
	reader, err := requestlog.NewReader(func(*proxy.Record) {})
	if err != nil {
		t.Fatal(err)
	}
	r, err := New(reader.Facts(), traffic.New(traffic.LogLimits()).Summary(), Options{Suggest: true, Graph: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []func(io.Writer, *Report) error{WriteText, WriteJSON, WriteHTML, WriteSuggestion} {
		if text := write(t, r, f); !strings.Contains(text, "The files hold no request of hmaproxy.") {
			t.Errorf("%s", text)
		}
	}
}

// TestStartsAndEnds checks that the report says when hmaproxy did not run, and
// when the end of a run is missing.
func TestStartsAndEnds(t *testing.T) {
	at := time.Date(2026, 11, 2, 8, 0, 0, 0, time.UTC)
	start := func(h int) requestlog.Event {
		return requestlog.Event{At: at.Add(time.Duration(h) * time.Hour), Start: true}
	}
	end := func(h int) requestlog.Event { return requestlog.Event{At: at.Add(time.Duration(h) * time.Hour)} }
	for name, test := range map[string]struct {
		events          []requestlog.Event
		starts, stopped int
		abrupt          int
	}{
		"none":                 {nil, 0, 0, 0},
		"one start":            {[]requestlog.Event{start(0)}, 1, 0, 0},
		"stopped and started":  {[]requestlog.Event{start(0), end(1), start(2)}, 2, 1, 0},
		"in another order":     {[]requestlog.Event{start(2), end(1), start(0)}, 2, 1, 0},
		"killed and started":   {[]requestlog.Event{start(0), start(2)}, 2, 0, 1},
		"the log begins later": {[]requestlog.Event{end(1), start(2)}, 1, 1, 0},
	} {
		span := spanOf(&requestlog.Facts{Events: test.events}, &traffic.Summary{})
		if len(span.Starts) != test.starts || len(span.Stopped) != test.stopped || span.Abrupt != test.abrupt {
			t.Errorf("%s: %+v", name, span)
		}
		for _, p := range span.Stopped {
			if p.Seconds != 3600 || !p.From.Equal(at.Add(time.Hour)) {
				t.Errorf("%s: %+v", name, p)
			}
		}
	}
}

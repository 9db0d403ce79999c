package statuspage

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"

	"hmaproxy/internal/webpage"
)

const (
	pageReload = "5" // in seconds
	stillPage  = "/?still"

	// mailboxPage is the beginning of the URL that the form for checking a mailbox
	// requests.
	mailboxPage = "/?mailbox="
)

// A page serves the status as HTML.
type page struct {
	policy string // Content-Security-Policy: allows only the style sheet (by its hash), images in data URLs, and forms to this server
}

func newPage() *page {
	sum := sha256.Sum256([]byte(webpage.CSS()))
	return &page{"default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"}
}

// A view contains the data of the page.
type view struct {
	*status
	Still   bool // the page does not reload itself
	Latency latencyChart
	Hour    hourChart
}

func newView(s *status, still bool) *view {
	return &view{s, still, newLatencyChart(s.Requests), newHourChart(s.Minutes)}
}

// serve writes the page. The page reloads itself unless still is true.
func (p *page) serve(w http.ResponseWriter, s *status, still bool) {
	var html webpage.Writer
	writePage(&html, newView(s, still))
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", p.policy)
	if !still {
		h.Set("Refresh", pageReload)
	}
	_, _ = w.Write(html.Bytes())
}

// clock formats a time of day.
func clock(t time.Time) string { return t.Local().Format(time.TimeOnly) }

// instant formats date, time and zone.
func instant(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05 MST") }

// took formats a duration below a minute as one number with a unit, and a longer
// duration in whole seconds, such as "1m30s".
func took(s seconds) string {
	d := time.Duration(s)
	switch {
	case d < time.Millisecond:
		return strconv.Itoa(int(d/time.Microsecond)) + " µs"
	case d < 10*time.Millisecond:
		return webpage.Decimal(float64(d)/1e6) + " ms"
	case d < time.Second:
		return strconv.Itoa(int(d/time.Millisecond)) + " ms"
	case d < time.Minute:
		return webpage.Decimal(d.Seconds()) + " s"
	}
	return d.Round(time.Second).String()
}

// sentence capitalises the first letter of a text.
func sentence(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[n:]
}

// groups splits a thumbprint into groups of eight digits, which are easy to
// compare.
func groups(s string) []string {
	var parts []string
	for ; len(s) > 8; s = s[8:] {
		parts = append(parts, s[:8])
	}
	return append(parts, s)
}

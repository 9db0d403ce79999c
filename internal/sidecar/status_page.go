package sidecar

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the page and its style
	"encoding/base64"
	"html/template"
	"net/http"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"

	"hmaproxy/internal/reltime"
)

//go:embed status.html
var statusHTML string

//go:embed status.css
var statusCSS string

const (
	pageReload = "5" // seconds
	stillPage  = "/?still"
)

// statusPage draws the status for people.
type statusPage struct {
	page   *template.Template
	policy string // Content-Security-Policy: the one style sheet, by its hash, and nothing else
}

// addEyes makes what people and Prometheus look at.
func (a *app) addEyes() (err error) {
	if err := a.metrics.registry.Register(newState(a)); err != nil {
		return err
	}
	a.page, err = newStatusPage()
	return err
}

func newStatusPage() (*statusPage, error) {
	page, err := template.New("status").Funcs(template.FuncMap{
		"about": reltime.About, "until": reltime.Until, "clock": clock, "took": took, "hex": groups, "svg": decimal, "sentence": sentence,
	}).Parse(statusHTML)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(statusCSS))
	return &statusPage{page, "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"}, nil
}

// view is what the template works on.
type view struct {
	*status
	CSS     template.CSS
	Still   bool
	Latency latencyChart
	Hour    hourChart
}

// serve answers a person; still leaves out the reload, to read in peace.
func (p *statusPage) serve(w http.ResponseWriter, s *status, still bool) {
	v := view{s, template.CSS(statusCSS), still, newLatencyChart(s.Requests), newHourChart(s.Minutes)}
	var page bytes.Buffer // whole or not at all
	if err := p.page.Execute(&page, v); err != nil {
		http.Error(w, "hmaproxy: the status page cannot be drawn", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", p.policy)
	if !still {
		h.Set("Refresh", pageReload)
	}
	_, _ = w.Write(page.Bytes())
}

// serveStatus answers "/" and "/status.json": a loopback peer under a loopback
// name only, because they name mailboxes, and no other site's page.
func (a *app) serveStatus(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	switch {
	case !fromLoopback(r):
		http.Error(w, "hmaproxy: only from this machine, and under a loopback name; /startup, /ready, /live and /metrics answer others", http.StatusForbidden)
	case fromOtherSite(r):
		http.Error(w, "hmaproxy: not from another site's page; type the address", http.StatusForbidden)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "hmaproxy: the status is read by GET", http.StatusMethodNotAllowed)
	case r.RequestURI == "/status.json":
		a.serveStatusJSON(w)
	default:
		a.page.serve(w, a.status(), r.RequestURI == stillPage)
	}
}

// fromOtherSite reports whether a browser made the request for anything but a
// person who typed the address, or this page itself. Another port of this
// machine is another site here: it may be anybody's.
func fromOtherSite(r *http.Request) bool {
	if r.Header["Origin"] != nil {
		return true
	}
	for _, site := range r.Header["Sec-Fetch-Site"] {
		if site != "none" && site != "same-origin" {
			return true
		}
	}
	for _, dest := range r.Header["Sec-Fetch-Dest"] {
		if dest != "document" && dest != "empty" {
			return true
		}
	}
	return false
}

// clock shows a time of day.
func clock(t time.Time) string { return t.Local().Format(time.TimeOnly) }

// took shows a duration with three digits at most.
func took(s seconds) string {
	d := time.Duration(s)
	switch {
	case d < time.Millisecond:
		return strconv.Itoa(int(d/time.Microsecond)) + " µs"
	case d < 10*time.Millisecond:
		return decimal(float64(d)/1e6) + " ms"
	case d < time.Second:
		return strconv.Itoa(int(d/time.Millisecond)) + " ms"
	case d < time.Minute:
		return decimal(d.Seconds()) + " s"
	}
	return d.Round(time.Second).String()
}

// decimal shows one digit after the point.
func decimal(f float64) string { return strconv.FormatFloat(f, 'f', 1, 64) }

// sentence begins a text with a capital letter.
func sentence(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[n:]
}

// groups splits a thumbprint so that people can compare it.
func groups(s string) []string {
	var parts []string
	for ; len(s) > 8; s = s[8:] {
		parts = append(parts, s[:8])
	}
	return append(parts, s)
}

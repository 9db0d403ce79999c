package statuspage

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"hmaproxy/internal/health"
	"hmaproxy/internal/outcome"
	"hmaproxy/internal/textcheck"
	"hmaproxy/internal/webpage"
	"hmaproxy/proxy"
)

// TestWhoMayReadTheStatus checks that no other machine and no web page can read
// the status, because it contains mailboxes.
func TestWhoMayReadTheStatus(t *testing.T) {
	cases := []struct {
		name   string
		header []string
		want   int
	}{
		{"a program", nil, 200},
		{"HEAD", []string{"method", "HEAD"}, 200},
		{"localhost by name", []string{"Host", "localhost:8081"}, 200},
		{"IPv6", []string{"Host", "[::1]:8081", "peer", "[::1]:50000"}, 200},
		{"a forwarded port", []string{"Host", "localhost:9999"}, 200},
		{"an address typed into a browser", []string{"Sec-Fetch-Site", "none", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-User", "?1"}, 200},
		{"the page reloads itself", []string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, 200},
		{"another machine", []string{"peer", "10.1.2.3:50000"}, 403},
		{"another machine that claims to be this one", []string{"peer", "10.1.2.3:50000", "Host", "127.0.0.1:8081", "X-Forwarded-For", "127.0.0.1"}, 403},
		{"a service mesh, which delivers with a loopback source", []string{"local", "10.1.2.3:8081"}, 403},
		{"an unknown local address", []string{"local", ""}, 403},
		{"a rebound name", []string{"Host", "evil.example:8081"}, 403},
		{"a name that begins well", []string{"Host", "localhost.evil.example"}, 403},
		{"no Host", []string{"Host", ""}, 403},
		{"a link on another site", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, 403},
		{"a page on another port of this machine", []string{"Sec-Fetch-Site", "same-site", "Sec-Fetch-Dest", "document"}, 403},
		{"a frame", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Dest", "iframe"}, 403},
		{"a frame of its own site", []string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Dest", "iframe"}, 403},
		{"a script tag", []string{"Sec-Fetch-Site", "none", "Sec-Fetch-Dest", "script"}, 403},
		{"a script of an old browser", []string{"Origin", "https://evil.example"}, 403},
		{"a sandboxed page", []string{"Origin", "null"}, 403},
		{"an unknown site", []string{"Sec-Fetch-Site", ""}, 403},
		{"two sites", []string{"Sec-Fetch-Site", "none", "Sec-Fetch-Site", "cross-site"}, 403},
		{"POST", []string{"method", "POST"}, 405},
	}
	a := newTestAdmin(t)
	done(a, newTestRecord(nil))
	for _, test := range cases {
		for _, uri := range []string{"/", "/?still", "/status.json"} {
			t.Run(test.name+" "+uri, func(t *testing.T) {
				w := ask(a, uri, test.header...)
				if w.Code != test.want {
					t.Errorf("responds %d, want %d", w.Code, test.want)
				}
				if named := strings.Contains(w.Body.String(), "alice@contoso.com"); named != (test.want == 200) {
					t.Errorf("names a mailbox: %v", named)
				}
				if w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Access-Control-Allow-Origin") != "" {
					t.Errorf("header %v", w.Header())
				}
			})
		}
	}
}

// TestPageNeedsNothingElse checks that the page has no script and loads nothing,
// and that the Content-Security-Policy contains the hash of its only style sheet.
func TestPageNeedsNothingElse(t *testing.T) {
	a := newTestAdmin(t)
	for i := range 120 {
		done(a, newTestRecord(func(r *proxy.Record) { r.Duration = time.Duration(i*i) * time.Millisecond }))
	}
	w := ask(a, "/")
	page := w.Body.String()
	csp := w.Header().Get("Content-Security-Policy")
	textcheck.Contains(t, csp, "default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'")
	textcheck.Lacks(t, csp, "unsafe", "*", "http")

	sheets := regexp.MustCompile(`(?s)<style>(.*?)</style>`).FindAllStringSubmatch(page, -1)
	if len(sheets) != 1 {
		t.Fatalf("%d style sheets", len(sheets))
	}
	sum := sha256.Sum256([]byte(sheets[0][1]))
	textcheck.Contains(t, csp, "style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
	textcheck.Lacks(t, page, "<script", " style=", " onload", "javascript:", "ZgotmplZ", "src=", "@import", "url(")
	for _, link := range regexp.MustCompile(`href="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if !strings.HasPrefix(link[1], "/") && !strings.HasPrefix(link[1], "data:image/svg+xml,") {
			t.Errorf("leads elsewhere: %s", link[1])
		}
	}
	if w.Header().Get("Refresh") != "5" || ask(a, "/?still").Header().Get("Refresh") != "" {
		t.Error("reloads when it should not, or the reverse")
	}
}

// TestPageEscapes checks that the page escapes mailboxes, operations and names,
// because they come from clients.
func TestPageEscapes(t *testing.T) {
	a := newTestAdmin(t)
	const evil = `"><script>alert(1)</script>'`
	done(a, newTestRecord(func(r *proxy.Record) {
		r.Mailbox, r.Operation, r.Client, r.Remote, r.Method, r.FrontEnd = evil, evil, evil, evil, evil, evil
	}))
	page := ask(a, "/").Body.String()
	textcheck.Lacks(t, page, "<script")
	textcheck.Contains(t, page, "&lt;script&gt;")
	var document any
	if err := json.Unmarshal(ask(a, "/status.json").Body.Bytes(), &document); err != nil {
		t.Error(err)
	}
}

// TestChartsAreWellFormed checks that an XML parser can read every chart.
func TestChartsAreWellFormed(t *testing.T) {
	a := newTestAdmin(t)
	for i := range 150 {
		done(a, newTestRecord(func(r *proxy.Record) {
			r.Duration = time.Duration(i) * time.Duration(i) * 7 * time.Millisecond
			r.Start = time.Now().Add(-time.Duration(i%59) * time.Minute)
			r.Reason = []proxy.Reason{proxy.ReasonNone, proxy.ReasonHost, proxy.ReasonNoToken, proxy.ReasonNTLM, proxy.ReasonClientLeft}[i%5]
		}))
	}
	drawings := regexp.MustCompile(`(?s)<svg.*?</svg>`).FindAllString(ask(a, "/").Body.String(), -1)
	if len(drawings) < 2 {
		t.Fatalf("%d drawings", len(drawings))
	}
	bars := 0
	for _, d := range drawings {
		for decoder := xml.NewDecoder(strings.NewReader(d)); ; {
			tok, err := decoder.Token()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if e, ok := tok.(xml.StartElement); ok && e.Name.Local == "rect" && len(e.Attr) == 5 {
				bars++
				checkInside(t, e)
			}
		}
	}
	if bars < historySize+50 {
		t.Errorf("%d bars", bars)
	}
}

func checkInside(t *testing.T, e xml.StartElement) {
	t.Helper()
	at := map[string]float64{}
	for _, attr := range e.Attr {
		var f float64
		_, _ = fmt.Sscan(attr.Value, &f)
		at[attr.Name.Local] = f
	}
	if at["x"] < 0 || at["x"]+at["width"] > 600.1 || at["y"] < -.1 || at["y"]+at["height"] > 103.1 || at["height"] <= 0 {
		t.Errorf("drawn outside: %v", at)
	}
}

func TestStatusOfRequests(t *testing.T) {
	a := newTestAdmin(t)
	for i := range 130 {
		done(a, newTestRecord(func(r *proxy.Record) { r.ID = fmt.Sprint("request ", i) }))
	}
	done(a, newTestRecord(func(r *proxy.Record) {
		r.ID, r.Reason, r.Status, r.Upstream, r.Mailbox = "last", proxy.ReasonMailboxNotAllowed, 500, 0, strings.Repeat("x", 5000)
	}))
	var s struct {
		Ready    bool
		NotReady string `json:"not_ready"`
		Requests []struct {
			ID, Outcome, Reason, Mailbox string
			Status                       int
			Duration                     float64 `json:"duration_seconds"`
		}
		Minutes []struct{ Counts map[string]int }
	}
	if err := json.Unmarshal(ask(a, "/status.json").Body.Bytes(), &s); err != nil {
		t.Fatal(err)
	}
	if len(s.Requests) != 100 || s.Requests[1].ID != "request 129" || s.Requests[99].ID != "request 31" {
		t.Fatalf("%d requests, the second %q", len(s.Requests), s.Requests[1].ID)
	}
	last := s.Requests[0]
	if last.ID != "last" || last.Outcome != "refused" || last.Reason != "mailbox-not-allowed" || last.Status != 500 || last.Duration != 0.02 {
		t.Errorf("the last one is %+v", last)
	}
	if len(last.Mailbox) > 300 {
		t.Errorf("keeps %d bytes of a mailbox", len(last.Mailbox))
	}
	if s.Ready || s.NotReady == "" || len(s.Minutes) != 60 {
		t.Errorf("ready %v %q, %d minutes", s.Ready, s.NotReady, len(s.Minutes))
	}
	served, refused := 0, 0
	for _, m := range s.Minutes { // the requests may fall into two different minutes
		served, refused = served+m.Counts["served"], refused+m.Counts["refused"]
	}
	if served != 130 || refused != 1 {
		t.Errorf("served %d, refused %d", served, refused)
	}
}

// TestMinutesAreForgotten checks that counts disappear after an hour.
func TestMinutesAreForgotten(t *testing.T) {
	var h history
	now := time.Date(2026, 11, 23, 12, 0, 30, 0, time.UTC)
	h.add(newTestRecord(func(r *proxy.Record) { r.Start = now }), outcome.Served)
	count := func(at time.Time) (n int) {
		for _, m := range h.hour(at) {
			n += m.byOutcome()[outcome.Served]
		}
		return n
	}
	for after, want := range map[time.Duration]int{0: 1, 59 * time.Minute: 1, 60 * time.Minute: 0, 119 * time.Minute: 0, 24 * time.Hour: 0} {
		if n := count(now.Add(after)); n != want {
			t.Errorf("after %v: %d", after, n)
		}
	}
}

func TestPageShowsCauseAndAlarms(t *testing.T) {
	a := newTestAdmin(t)
	failed := errors.New("line 1, entry 1: an address needs an @")
	a.config.Health = func() health.State {
		return health.State{
			NotReady: &health.NotReady{Cause: health.NoTokenYet},
			Alarms:   []health.Alarm{{Kind: health.FileNotReloaded, Subject: "HMA_ALLOWED_MAILBOXES_FILE", Err: failed}},
		}
	}
	a.config.AllowList = func() AllowList {
		return AllowList{Mode: "enforce", Scope: "impersonated", Entries: 1, File: "/etc/hmaproxy/list", Err: failed}
	}
	textcheck.Contains(t, ask(a, "/").Body.String(), "not ready", "No access token yet", "line 1, entry 1: an address needs an @",
		"HMA_ALLOWED_MAILBOXES_FILE", "/etc/hmaproxy/list", "an older list is in force")
	for _, uri := range []string{"/ready", "/live"} {
		textcheck.Contains(t, ask(a, uri).Body.String(), "alarm: HMA_ALLOWED_MAILBOXES_FILE was not reloaded")
	}
	textcheck.Contains(t, ask(a, "/ready").Body.String(), "not ready: no access token yet\n")
	textcheck.Contains(t, ask(a, "/live").Body.String(), "ok\n")
}

func TestDurationsAsText(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 µs", 40 * time.Microsecond: "40 µs", 1500 * time.Microsecond: "1.5 ms", 42 * time.Millisecond: "42 ms",
		2340 * time.Millisecond: "2.3 s", 30*time.Minute + 400*time.Millisecond: "30m0s",
	} {
		if got := took(seconds(d)); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

func TestRoundUp(t *testing.T) {
	for n, want := range map[int]int{0: 10, 10: 10, 11: 20, 21: 50, 51: 100, 5001: 10000, 1 << 40: 2e12} {
		if got := roundUp(n); got != want {
			t.Errorf("%d: %d, want %d", n, got, want)
		}
	}
}

func TestUnknownPathsOfTheAdminListener(t *testing.T) {
	a := newTestAdmin(t)
	for _, uri := range []string{"/index.html", "/?x", "/metrics/", "/status", "//", "/debug/pprof/", "/debug/vars", "/?still=1"} {
		if w := ask(a, uri); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", uri, w.Code)
		}
	}
}

// TestProblemsOutliveGoodRequests checks that requests that need attention are
// still listed after many requests that were served.
func TestProblemsOutliveGoodRequests(t *testing.T) {
	a := newTestAdmin(t)
	for id, edit := range map[string]func(*proxy.Record){
		"refused": func(r *proxy.Record) { r.Reason = proxy.ReasonMailboxNotAllowed },
		"gone":    func(r *proxy.Record) { r.Fault, r.Status, r.Upstream = "ErrorNonExistentMailbox", 500, 500 },
		"no such": func(r *proxy.Record) { r.Fault, r.Status, r.Upstream = "ErrorItemNotFound", 500, 500 },
		"left":    func(r *proxy.Record) { r.Reason = proxy.ReasonClientLeft },
	} {
		done(a, newTestRecord(func(r *proxy.Record) { r.ID = id; edit(r) }))
	}
	for range 2 * historySize {
		done(a, newTestRecord(nil))
	}
	var s struct {
		Problems []struct{ ID, Fault, Remedy string }
	}
	if err := json.Unmarshal(ask(a, "/status.json").Body.Bytes(), &s); err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, p := range s.Problems {
		found[p.ID] = p.Remedy
	}
	if _, refused := found["refused"]; len(s.Problems) != 2 || !refused || !strings.Contains(found["gone"], "Get-Recipient alice@contoso.com") {
		t.Errorf("problems %+v", s.Problems)
	}
	textcheck.Contains(t, ask(a, "/").Body.String(), "Last requests that were refused or failed", "mailbox-not-allowed", "ErrorNonExistentMailbox")
}

// TestPageShowsDetailsAsText checks that the text of the page contains identifiers
// that occur in other logs. In attributes alone they could not be searched and
// copied.
func TestPageShowsDetailsAsText(t *testing.T) {
	a := newTestAdmin(t)
	done(a, newTestRecord(func(r *proxy.Record) {
		r.ID, r.Client, r.Remote, r.FrontEnd, r.RequestID = "id-of-ours", "erp", "127.0.0.1:40007", "EX07", "id-at-exchange"
		r.Fault, r.BackOff, r.Status, r.Upstream = "ErrorServerBusy", 30*time.Second, 500, 500
		r.Product, r.Asked = "exchangelib/5.4.0", proxy.ServiceAutodiscover
		r.Err = errors.New(`upstream: TLS handshake mail.contoso.com:443: the issuer is "CN=Contoso Root": add its certificate to HMA_CA_FILE`)
	}))
	text := regexp.MustCompile(`<[^>]*>`).ReplaceAllString(ask(a, "/").Body.String(), " ")
	textcheck.Contains(t, text, "id-of-ours", "client erp", "127.0.0.1:40007", "EX07", "id-at-exchange", "exchangelib/5.4.0", "autodiscover", "ErrorServerBusy", "30.0 s",
		"CN=Contoso Root", "HMA_CA_FILE", "Get-ThrottlingPolicy", time.Now().Format(" MST"))
}

func TestRequestsInFlight(t *testing.T) {
	a := newTestAdmin(t)
	a.ServesClientsAt([]string{"http://127.0.0.1:8080/EWS/Exchange.asmx"})
	r, _ := http.NewRequest(http.MethodPost, "/EWS/Exchange.asmx", nil)
	r.RemoteAddr = "127.0.0.1:40009"
	r.Header.Set("SOAPAction", "http://schemas.microsoft.com/exchange/services/2006/messages/GetStreamingEvents")
	a.Track(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		textcheck.Contains(t, ask(a, "/").Body.String(), "1 in flight", "127.0.0.1:40009", "GetStreamingEvents", "http://127.0.0.1:8080/EWS/Exchange.asmx")
		textcheck.Contains(t, ask(a, "/status.json").Body.String(), `"in_flight": 1`)
	})).ServeHTTP(nil, r)
	textcheck.Contains(t, ask(a, "/status.json").Body.String(), `"in_flight": 0`)
}

func TestIsThisMailboxAllowed(t *testing.T) {
	a := newTestAdmin(t)
	textcheck.Contains(t, ask(a, "/?mailbox=alice%40contoso.com").Body.String(), "alice@contoso.com is allowed")
	textcheck.Contains(t, ask(a, "/?mailbox=+alice%40contoso.com").Body.String(), "alice@contoso.com is allowed")
	textcheck.Contains(t, ask(a, "/?mailbox=ceo%40contoso.com").Body.String(), "ceo@contoso.com is not allowed")
	textcheck.Lacks(t, ask(a, "/?mailbox=%3Cscript%3E").Body.String(), "<script")
	if w := ask(a, "/?mailbox=alice%40contoso.com", "peer", "10.1.2.3:50000"); w.Code != http.StatusForbidden {
		t.Errorf("another machine: %d", w.Code)
	}
}

// TestBarsContrast checks that the contrast between each bar and its background is
// at least 3:1, as WCAG 2.1 requires for graphics.
func TestBarsContrast(t *testing.T) {
	variable := regexp.MustCompile(`--([a-z-]+): #([0-9a-f]{6})`)
	for i, theme := range strings.SplitN(string(webpage.CSS()), "@media", 2) {
		colours := map[string]float64{}
		for _, m := range variable.FindAllStringSubmatch(theme, -1) {
			if _, known := colours[m[1]]; !known {
				colours[m[1]] = luminance(m[2])
			}
		}
		for _, o := range outcome.All() {
			bar, card := colours[string(o)], colours["card"]
			if contrast := (max(bar, card) + .05) / (min(bar, card) + .05); contrast < 3 {
				t.Errorf("theme %d: %s has a contrast of %.2f", i, o, contrast)
			}
		}
	}
}

func luminance(hex string) float64 {
	sum := 0.0
	for i, weight := range [...]float64{.2126, .7152, .0722} {
		n, _ := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
		c := float64(n) / 255
		if c <= .03928 {
			c /= 12.92
		} else {
			c = math.Pow((c+.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}

// TestTableStaysATable checks that no style sets the display property of a
// table's elements, which would remove the semantics of the table.
func TestTableStaysATable(t *testing.T) {
	for _, rule := range regexp.MustCompile(`([^{}]+)\{([^{}]*)\}`).FindAllStringSubmatch(string(webpage.CSS()), -1) {
		if regexp.MustCompile(`\b(table|thead|tbody|tr|th|td)\b`).MatchString(rule[1]) && strings.Contains(rule[2], "display:") {
			t.Errorf("%s has %s", rule[1], rule[2])
		}
	}
}

package statuspage

import (
	"bytes"
	_ "embed" // for statusTemplate
	"fmt"
	"html/template"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"hmaproxy/internal/health"
	"hmaproxy/internal/outcome"
	"hmaproxy/internal/printable"
	"hmaproxy/internal/reltime"
	"hmaproxy/internal/webpage"
	"hmaproxy/proxy"
	"hmaproxy/token"
)

// statusTemplate is the page as an html/template, which escapes each value as
// the value's place in the page requires.
//
//go:embed testdata/status.html
var statusTemplate string

// renderTemplate returns the page that html/template renders.
func renderTemplate(t *testing.T, v *view) string {
	t.Helper()
	type requestList struct {
		Label    string
		Requests []request
	}
	type usedList struct {
		Title string
		List  []usedStatus
	}
	page, err := template.New("status").Funcs(template.FuncMap{
		"about": reltime.About, "until": reltime.Until, "clock": clock, "instant": instant, "took": took,
		"hex": groups, "svg": webpage.Decimal, "sentence": sentence,
		"count": printable.Number,
		"uses":  func(title string, list []usedStatus) usedList { return usedList{title, list} },
		"list":  func(label string, requests []request) requestList { return requestList{label, requests} },
	}).Parse(statusTemplate)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := page.Execute(&b, struct {
		*view
		CSS template.CSS
	}{v, template.CSS(webpage.CSS())}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// nodes lists the nodes that an HTML parser finds in a page. Each run of white
// space is one space.
func nodes(t *testing.T, page string) []string {
	t.Helper()
	document, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	var walk func(n *html.Node, depth int)
	walk = func(n *html.Node, depth int) {
		data := n.Data
		if n.Type == html.TextNode {
			data = collapseSpace(data)
		}
		list = append(list, fmt.Sprintf("%*s%d %q %q", depth, "", n.Type, data, n.Attr))
		for child := range n.ChildNodes() {
			walk(child, depth+1)
		}
	}
	walk(document, 0)
	return list
}

// collapseSpace replaces each run of white space by one space.
func collapseSpace(s string) string {
	var b strings.Builder
	for i, field := range strings.FieldsFunc(s, isSpace) {
		if i > 0 || isSpace(rune(s[0])) {
			b.WriteByte(' ')
		}
		b.WriteString(field)
	}
	if s != "" && isSpace(rune(s[len(s)-1])) {
		b.WriteByte(' ')
	}
	return b.String()
}

func isSpace(r rune) bool { return strings.ContainsRune(" \t\r\n", r) }

const hostileText = "<script>alert(1)</script>\"'&amp;<!-- </style></title> x=y` +é\u2028" + `\ {{.}} javascript:1 onload=x`

// fillHostile sets the values below v. It sets each string to hostileText, each
// list to two elements, each pointer to a new value, each number to n, and each
// bool to the argument yes.
func fillHostile(v reflect.Value, n int64, yes bool) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(hostileText)
	case reflect.Bool:
		v.SetBool(yes)
	case reflect.Int, reflect.Int64:
		v.SetInt(n)
	case reflect.Float64:
		v.SetFloat(float64(n))
	case reflect.Uint8:
		v.SetUint(uint64(n))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fillHostile(v.Elem(), n, yes)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			fillHostile(v.Index(i), n, yes)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Date(2026, 11, 27, 12, int(n), 0, 0, time.FixedZone("", 3600))))
			return
		}
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				fillHostile(v.Field(i), n, yes)
			}
		}
	}
}

// newHostileView returns a view in which every string is hostileText, every
// number is n, and every bool has the value of yes.
func newHostileView(n int64, yes bool) *view {
	v := &view{status: &status{}}
	fillHostile(reflect.ValueOf(v.status).Elem(), n, yes)
	fillHostile(reflect.ValueOf(&v.Latency).Elem(), n, yes)
	fillHostile(reflect.ValueOf(&v.Hour).Elem(), n, yes)
	v.Still = yes
	return v
}

// newFullStatus returns a status in which every part of the page has content.
func newFullStatus() *status {
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.FixedZone("", 3600))
	earlier, later := now.Add(-50*time.Minute), now.Add(70*time.Minute)
	served := request{
		ID: "1", Time: earlier, Duration: seconds(20 * time.Millisecond), Remote: "127.0.0.1:40000", Client: "erp", Method: "POST", Operation: "GetFolder",
		Mailbox: "alice+sales@contoso.com", Outcome: outcome.Served, Status: 200, Upstream: 200, FrontEnd: "EX07", RequestID: "at exchange",
	}
	refused, fault, audited := served, served, served
	refused.Outcome, refused.Reason, refused.Status, refused.Upstream = outcome.Refused, proxy.ReasonMailboxNotAllowed, 500, 0
	refused.Detail, refused.Remedy, refused.Injected, refused.Operation = "a detail", "add it", true, ""
	fault.Fault, fault.BackOff, fault.Replayed, fault.Aborted, fault.Error = "ErrorServerBusy", seconds(30*time.Second), true, true, "an error"
	audited.Outcome, audited.Audit, audited.Mailbox, audited.Product, audited.Asked = outcome.Audited, proxy.ReasonMailboxNotAllowed, "", "exchangelib/5.4.0", proxy.ServiceAutodiscover
	s := &status{
		Time: now, Version: "v1.2.3", Begun: earlier, Exchange: "https://mail.contoso.com/EWS/Exchange.asmx",
		Listen: []string{"http://127.0.0.1:8080/EWS/Exchange.asmx", "http://[::1]:8080/EWS/Exchange.asmx"},
		Ready:  true, Alarms: []string{"one alarm", "another alarm"},
		Responses: responsesStatus{
			LastGood: earlier, Failures: 2, Last: now,
			First: &failureStatus{Time: earlier, Reason: proxy.ReasonNoToken, Cause: "no token", Remedy: "see above"},
		},
		Token: tokenStatus{
			Usable: true, Expires: later, Refresh: later, Audience: "https://outlook.office365.com", Tenant: "tenant", App: "app",
			Roles: []string{"full_access_as_app", "Mail.Read"}, FullAccess: true, Failures: 3, Error: &errorStatus{Class: token.Transient, AADSTS: 700027},
		},
		Certificates: []certificateStatus{
			{Slot: health.Active, Subject: "CN=hmaproxy", SHA1: strings.Repeat("0123456789", 4), SHA256: strings.Repeat("89abcdef", 8), NotAfter: later},
			{Slot: health.Candidate, Subject: "CN=next", SHA1: "01", SHA256: "", NotAfter: earlier, Refused: "AADSTS700027"},
		},
		Source: sourceStatus{From: "key vault", Name: "HMA-Cert", KeyMode: "vault", LastSuccess: earlier, Error: "403"},
		AllowList: allowListStatus{
			Mode: "enforce", Scope: "targets", Entries: 7, File: "/etc/hmaproxy/list", Modified: earlier, Alarm: "line 1",
			Groups: &groupsStatus{Names: []string{"one", "two"}, Members: 40, Expanded: earlier, Error: "429"},
		},
		Traffic: trafficStatus{
			Requests:  1234567,
			Mailboxes: []usedStatus{{"alice@contoso.com", 1234000, 0}, {"upn:dora@contoso.com", 567, 7}}, Operations: []usedStatus{{"GetItem", 1234567, 7}},
			Clients: []usedStatus{{"erp exchangelib/5.4.0", 1234566, 7}, {"", 1, 0}}, Needed: "# Suggested\n\nalice@contoso.com  # often\n",
		},
		Requests: []request{served, refused, fault, audited}, Problems: []request{refused, fault},
		InFlight: 60, Running: []runningRequest{{Started: earlier, Remote: "127.0.0.1:1", Method: "POST", Action: "GetStreamingEvents"}, {Started: now, Method: "GET"}},
	}
	for i := range historyMinutes {
		m := minute{at: now.Unix()/60 - int64(i)}
		for o := range m.counts {
			m.counts[o] = i * o
		}
		s.Minutes = append(s.Minutes, minuteStatus{time.Unix(m.at*60, 0), m.byOutcome(), m})
	}
	return s
}

// TestPageIsThatOfTheTemplate compares the page with the page that html/template
// renders from statusTemplate.
func TestPageIsThatOfTheTemplate(t *testing.T) {
	edited := func(edit func(s *status)) *view {
		s := newFullStatus()
		edit(s)
		return newView(s, false)
	}
	cases := map[string]*view{
		"empty":                    newView(&status{}, false),
		"empty and ready":          newView(&status{Ready: true}, true),
		"full":                     newView(newFullStatus(), false),
		"full and still":           newView(newFullStatus(), true),
		"hostile":                  newHostileView(1, true),
		"hostile, all false":       newHostileView(1, false),
		"hostile, all false and 0": newHostileView(0, false),
		"hostile, numbers 0":       newHostileView(0, true),
		"ready, no alarms":         edited(func(s *status) { s.Alarms = nil }),
		"one alarm":                edited(func(s *status) { s.Alarms = s.Alarms[:1] }),
		"one of each": edited(func(s *status) {
			s.Token.Failures, s.Problems, s.Running, s.Requests = 1, s.Problems[:1], s.Running[:1], s.Requests[:1]
		}),
		"not ready":                 edited(func(s *status) { s.Ready, s.Cause, s.Alarms = false, "no access token yet", nil }),
		"not ready, and alarms":     edited(func(s *status) { s.Ready, s.Cause = false, "no access token yet" }),
		"not yet":                   edited(func(s *status) { s.Ready, s.Cause, s.Listen = false, "Élan", s.Listen[:1] }),
		"one URL, no requests":      edited(func(s *status) { s.Listen, s.Requests, s.Problems = s.Listen[:1], nil, nil }),
		"two URLs, no requests":     edited(func(s *status) { s.Requests = nil }),
		"no URL, no requests":       edited(func(s *status) { s.Listen, s.Requests, s.Running = nil, nil, nil }),
		"Exchange responds":         edited(func(s *status) { s.Responses.Failures, s.Responses.First = 0, nil }),
		"one failure":               edited(func(s *status) { s.Responses.Failures = 1 }),
		"never a good response":     edited(func(s *status) { s.Responses.LastGood = time.Time{} }),
		"a failure without reason":  edited(func(s *status) { s.Responses.First.Reason, s.Responses.First.Remedy = proxy.ReasonNone, "" }),
		"a good token":              edited(func(s *status) { s.Token.Error, s.Token.Failures = nil, 0 }),
		"a token without access":    edited(func(s *status) { s.Token.Error, s.Token.FullAccess, s.Token.Roles = nil, false, nil }),
		"an error without a number": edited(func(s *status) { s.Token.Error.AADSTS = 0 }),
		"no usable token":           edited(func(s *status) { s.Token.Usable = false }),
		"only a candidate":          edited(func(s *status) { s.Certificates = s.Certificates[1:]; s.Certificates[0].Refused = "" }),
		"a key in memory":           edited(func(s *status) { s.Source = sourceStatus{From: "file", Name: "cert.pem", KeyMode: "memory"} }),
		"no list":                   edited(func(s *status) { s.AllowList = allowListStatus{Mode: "none"} }),
		"every mailbox":             edited(func(s *status) { s.AllowList = allowListStatus{Mode: "every"} }),
		"no traffic":                edited(func(s *status) { s.Traffic = trafficStatus{} }),
		"no list to suggest":        edited(func(s *status) { s.Traffic.Needed = "" }),
		"audit":                     edited(func(s *status) { s.AllowList = allowListStatus{Mode: "audit", Scope: "impersonated", Entries: 1} }),
		"groups not expanded":       edited(func(s *status) { s.AllowList.Groups = &groupsStatus{Names: []string{"one"}} }),
		"an allowed mailbox":        edited(func(s *status) { s.Asked = &mailboxStatus{"alice@contoso.com", true} }),
		"another mailbox":           edited(func(s *status) { s.Asked = &mailboxStatus{hostileText, false} }),
		"no mailbox":                edited(func(s *status) { s.Asked = &mailboxStatus{"", false} }),
	}
	for name, v := range cases {
		t.Run(name, func(t *testing.T) {
			var w webpage.Writer
			writePage(&w, v)
			got, want := nodes(t, string(w.Bytes())), nodes(t, renderTemplate(t, v))
			if len(want) < 100 {
				t.Fatalf("the template renders %d nodes", len(want))
			}
			for i := range min(len(got), len(want)) {
				if got[i] != want[i] {
					t.Fatalf("after %s\ngot  %s\nwant %s", got[max(i-1, 0)], got[i], want[i])
				}
			}
			if len(got) != len(want) {
				t.Errorf("%d nodes, want %d", len(got), len(want))
			}
		})
	}
}

// TestHostileTextIsOnThePage checks that fillHostile has filled in the view.
// Otherwise TestPageIsThatOfTheTemplate would prove nothing.
func TestHostileTextIsOnThePage(t *testing.T) {
	var w webpage.Writer
	writePage(&w, newHostileView(1, true))
	found := nodes(t, string(w.Bytes()))
	if slices.ContainsFunc(found, func(n string) bool { return strings.HasSuffix(n, `"script" []`) }) {
		t.Error("the page contains a script")
	}
	texts := strings.Count(strings.Join(found, "\n"), "alert(1)")
	if texts < 80 {
		t.Errorf("the text is on the page %d times", texts)
	}
}

package traffic

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"hmaproxy/internal/outcome"
	"hmaproxy/proxy"
	"hmaproxy/proxy/ews"
)

var monday = time.Date(2026, 11, 2, 8, 0, 0, 0, time.UTC)

// newRecord returns the record of a request that was served, changed by edit.
func newRecord(edit func(*proxy.Record)) *proxy.Record {
	r := &proxy.Record{
		Start: monday, Client: "crm", Product: "exchangelib/5.4.0", Operation: "GetItem", Known: "GetItem", Mailbox: "alice@contoso.com",
		Named: ews.SmtpAddress, Status: 200, Upstream: 200, BytesIn: 10, BytesOut: 100, Duration: 40 * time.Millisecond,
	}
	if edit != nil {
		edit(r)
	}
	return r
}

func count(t *Traffic, edits ...func(*proxy.Record)) *Summary {
	for _, edit := range edits {
		r := newRecord(edit)
		t.Done(r, outcome.Of(r))
	}
	return t.Summary()
}

func TestRequestsAreCountedByEachName(t *testing.T) {
	s := count(New(LogLimits()), nil,
		func(r *proxy.Record) { r.Mailbox = "ALICE@contoso.com"; r.Start = monday.Add(time.Hour) },
		func(r *proxy.Record) { r.Client, r.Known, r.Operation = "sync", "Subscribe:Push", "Subscribe" },
		func(r *proxy.Record) { r.Named = ews.PrincipalName },
		func(r *proxy.Record) { r.Audit = proxy.ReasonMailboxNotAllowed; r.Product = "curl/8" },
		func(r *proxy.Record) {
			r.Reason, r.Upstream, r.Known, r.Operation = proxy.ReasonNoToken, 0, "other", "Frobnicate"
		},
		func(r *proxy.Record) { r.Mailbox, r.Named = "", ews.NoIdentity },
		func(r *proxy.Record) { r.Mailbox, r.Named, r.Operation, r.Known = "unreadable", ews.NoIdentity, "", "" },
		func(r *proxy.Record) { r.Fault, r.Upstream, r.Status = "ErrorServerBusy", 500, 500 },
		func(r *proxy.Record) {
			r.Mailbox, r.Upstream, r.Operation, r.Known = "asked@contoso.com", 0, "Autodiscover:POX", "Autodiscover:POX"
		},
	)
	if s.Requests() != 10 || s.Of(outcome.Failed) != 1 || s.Of(outcome.Audited) != 1 || s.Of(outcome.Served) != 8 || s.BytesIn != 100 || s.BytesOut != 1000 {
		t.Errorf("total %+v", s.Counts)
	}
	if s.Unnamed != 1 || s.Unreadable != 1 || s.Span() != time.Hour {
		t.Errorf("unnamed %d, unreadable %d, span %v", s.Unnamed, s.Unreadable, s.Span())
	}
	var mailboxes, byClient, operations, clients, problems []string
	for _, m := range s.Mailboxes {
		mailboxes = append(mailboxes, fmt.Sprint(m.Entry(), " ", m.Requests(), " opened ", m.Opened))
	}
	for _, m := range s.ByClient {
		byClient = append(byClient, fmt.Sprint(m.Client, " ", m.Entry(), " ", m.Requests()))
	}
	for _, o := range s.Operations {
		operations = append(operations, fmt.Sprint(o.Name, " ", o.Requests()))
	}
	for _, c := range s.Clients {
		clients = append(clients, fmt.Sprint(c.Name, " ", c.Product, " ", c.Requests(), " ", len(c.Operations)))
	}
	for _, p := range s.Problems {
		problems = append(problems, fmt.Sprint(p.Kind, " ", p.Word, " ", p.Client, " ", p.Count))
	}
	for name, test := range map[string]struct{ got, want []string }{
		"mailboxes":  {mailboxes, []string{"alice@contoso.com 6 opened 4", "upn:alice@contoso.com 1 opened 1"}},
		"by client":  {byClient, []string{"crm alice@contoso.com 5", "sync alice@contoso.com 1", "crm upn:alice@contoso.com 1"}},
		"operations": {operations, []string{"GetItem 6", " 1", "Autodiscover:POX 1", "Frobnicate 1", "Subscribe:Push 1"}},
		"clients":    {clients, []string{"crm exchangelib/5.4.0 8 4", "crm curl/8 1 1", "sync exchangelib/5.4.0 1 1"}},
		"problems":   {problems, []string{"reason no-token crm 1", "audit mailbox-not-allowed crm 1", "fault ErrorServerBusy crm 1"}},
	} {
		if !slices.Equal(test.got, test.want) {
			t.Errorf("%s: %q, want %q", name, test.got, test.want)
		}
	}
}

// TestFailureThatLooksLikeSuccess tests which requests count as having opened
// the mailbox. Some responses look like success although the request failed.
func TestFailureThatLooksLikeSuccess(t *testing.T) {
	for name, test := range map[string]struct {
		edit func(*proxy.Record)
		want int64
	}{
		"200":                     {nil, 1},
		"200, the client left":    {func(r *proxy.Record) { r.Reason = proxy.ReasonClientLeft }, 1},
		"200, audited":            {func(r *proxy.Record) { r.Audit = proxy.ReasonMailboxNotAllowed }, 1},
		"a sign-in page with 200": {func(r *proxy.Record) { r.Reason = proxy.ReasonUpstreamNotEWS }, 0},
		"a response that was cut": {func(r *proxy.Record) { r.Reason = proxy.ReasonUpstreamCut }, 0},
		"500":                     {func(r *proxy.Record) { r.Upstream = 500 }, 0},
		"no response":             {func(r *proxy.Record) { r.Upstream = 0 }, 0},
		"a fault with 200":        {func(r *proxy.Record) { r.Fault = "ErrorServerBusy" }, 0},
		"refused":                 {func(r *proxy.Record) { r.Reason, r.Upstream = proxy.ReasonMailboxNotAllowed, 0 }, 0},
	} {
		if got := count(New(LogLimits()), test.edit).Mailboxes[0].Opened; got != test.want {
			t.Errorf("%s: opened %d, want %d", name, got, test.want)
		}
	}
}

func TestMailboxesThatDoNotExist(t *testing.T) {
	gone := func(after time.Duration) func(*proxy.Record) {
		return func(r *proxy.Record) {
			r.Start, r.Status, r.Upstream, r.Fault = monday.Add(after), 500, 500, "ErrorNonExistentMailbox"
		}
	}
	for name, test := range map[string]struct {
		edits []func(*proxy.Record)
		want  bool
	}{
		"never opened":               {[]func(*proxy.Record){gone(0)}, true},
		"opened before":              {[]func(*proxy.Record){nil, gone(time.Hour)}, true},
		"opened after, read in turn": {[]func(*proxy.Record){gone(-time.Hour), nil}, false},
		"opened after, read before":  {[]func(*proxy.Record){nil, gone(-time.Hour)}, false},
		"another fault":              {[]func(*proxy.Record){func(r *proxy.Record) { r.Upstream, r.Fault = 500, "ErrorItemNotFound" }}, false},
		"by another client": {[]func(*proxy.Record){nil, func(r *proxy.Record) {
			gone(time.Hour)(r)
			r.Client = "sync"
		}}, true},
	} {
		if got := count(New(LogLimits()), test.edits...).Mailboxes[0].Gone; got != test.want {
			t.Errorf("%s: gone %v", name, got)
		}
	}
}

// TestLatestFault checks that a mailbox has the response code of its latest fault,
// whichever client user sent that request, and in whichever order a log is read.
func TestLatestFault(t *testing.T) {
	fault := func(client string, after time.Duration, code ews.ResponseCode) func(*proxy.Record) {
		return func(r *proxy.Record) {
			r.Client, r.Start, r.Status, r.Upstream, r.Fault = client, monday.Add(after), 500, 500, code
		}
	}
	const busy, denied = "ErrorServerBusy", "ErrorImpersonateUserDenied"
	for name, test := range map[string]struct {
		edits []func(*proxy.Record)
		want  string
	}{
		"one client":                       {[]func(*proxy.Record){fault("a", 0, busy), fault("a", time.Hour, denied)}, denied},
		"one client, read in turn":         {[]func(*proxy.Record){fault("a", time.Hour, denied), fault("a", 0, busy)}, denied},
		"the latest of the first client":   {[]func(*proxy.Record){fault("a", time.Hour, denied), fault("b", 0, busy)}, denied},
		"the latest of the second client":  {[]func(*proxy.Record){fault("a", 0, busy), fault("b", time.Hour, denied)}, denied},
		"two clients at the same time":     {[]func(*proxy.Record){fault("a", 0, busy), fault("b", 0, denied)}, busy},
		"one client, two at the same time": {[]func(*proxy.Record){fault("a", 0, denied), fault("a", 0, busy)}, busy},
		"the same, read in turn":           {[]func(*proxy.Record){fault("a", 0, busy), fault("a", 0, denied)}, busy},
		"another client without a fault":   {[]func(*proxy.Record){fault("a", 0, denied), func(r *proxy.Record) { r.Client = "b" }}, denied},
		"a later request without a fault":  {[]func(*proxy.Record){fault("a", 0, denied), func(r *proxy.Record) { r.Client, r.Start = "a", monday.Add(time.Hour) }}, denied},
		"no request that ended in a fault": {[]func(*proxy.Record){nil}, ""},
	} {
		if got := count(New(LogLimits()), test.edits...).Mailboxes[0].Fault; got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

// TestLimits checks that clients cannot make a Traffic exceed its limits, and
// that the totals stay complete.
func TestLimits(t *testing.T) {
	c := New(Limits{Mailboxes: 3, Operations: 2, Problems: 1, Moments: 5})
	for i := range 10 {
		r := newRecord(func(r *proxy.Record) {
			r.Mailbox = fmt.Sprintf("user%d@contoso.com", i)
			r.Known, r.Operation = "other", fmt.Sprint("Op", i)
			r.Fault = ews.ResponseCode(fmt.Sprint("Error", i))
			r.Start = monday.Add(time.Duration(i) * time.Hour)
		})
		c.Done(r, outcome.Of(r))
		c.Done(r, outcome.Of(r))
	}
	s := c.Summary()
	if s.Requests() != 20 || len(s.Mailboxes) != 3 || len(s.Operations) != 2 || len(s.Problems) != 1 || len(s.Timeline) > 5 {
		t.Errorf("%d requests, %d mailboxes, %d operations, %d problems, %d moments", s.Requests(), len(s.Mailboxes), len(s.Operations), len(s.Problems), len(s.Timeline))
	}
	if s.Beyond != (Beyond{Mailboxes: 14, Operations: 16, Problems: 18}) {
		t.Errorf("beyond %+v", s.Beyond)
	}
	all := uint32(0)
	for _, m := range s.Timeline {
		all += m.Counts[0]
	}
	if all != 20 {
		t.Errorf("%d requests in the timeline", all)
	}
	long := count(New(LogLimits()), func(r *proxy.Record) { r.Mailbox = string(make([]byte, 1<<20)) }).Mailboxes[0].Name
	if len(long) > maxName+len("…") {
		t.Errorf("a name of %d bytes", len(long))
	}
	head := strings.Repeat("a", maxName-1)
	if cut := count(New(LogLimits()), func(r *proxy.Record) { r.Mailbox = head + "é" }).Mailboxes[0].Name; cut != head+"…" {
		t.Errorf("the name %q, want only whole characters", cut)
	}
}

// requestsAt returns the Summary of requests that end at the given times. The
// times are durations since the variable monday.
func requestsAt(list ...time.Duration) *Summary {
	c := New(LogLimits())
	for _, after := range list {
		r := newRecord(func(r *proxy.Record) { r.Start, r.Duration = monday.Add(after), 0 })
		c.Done(r, outcome.Of(r))
	}
	return c.Summary()
}

func TestGaps(t *testing.T) {
	const h, m = time.Hour, time.Minute
	// On each of the days there are ten requests, an hour apart, so a night lasts 15
	// hours.
	workdays := func(days ...int) (list []time.Duration) {
		for _, day := range days {
			for i := range 10 {
				list = append(list, time.Duration(day)*24*h+time.Duration(i)*h)
			}
		}
		return list
	}
	for name, test := range map[string]struct {
		at   []time.Duration
		want []Gap
	}{
		"one request":                       {[]time.Duration{0}, nil},
		"a short log, an hour less a bit":   {[]time.Duration{0, h - m}, nil},
		"a short log, an hour":              {[]time.Duration{0, h}, []Gap{{monday, monday.Add(h)}}},
		"read in another order":             {[]time.Duration{h, 0}, []Gap{{monday, monday.Add(h)}}},
		"nights are usual":                  {workdays(0, 1, 2, 3, 4), nil},
		"a day is missing":                  {workdays(0, 1, 3, 4), nil}, // 39 hours are no gap: a gap is longer than three times the usual pause, here a night
		"a weekend is missing":              {workdays(0, 1, 2, 3, 4, 7, 8, 9, 10, 11), []Gap{{monday.Add(4*24*h + 9*h), monday.Add(7 * 24 * h)}}},
		"requests of several hours in turn": {append(workdays(0), workdays(1, 2)...), nil},
	} {
		t.Run(name, func(t *testing.T) {
			got := requestsAt(test.at...).Gaps
			if !slices.EqualFunc(got, test.want, func(a, b Gap) bool { return a.From.Equal(b.From) && a.To.Equal(b.To) }) {
				t.Errorf("%v, want %v", got, test.want)
			}
		})
	}
}

// TestQuantiles compares the results of quantile with quantiles from the sorted
// list of all durations.
func TestQuantiles(t *testing.T) {
	var d durations
	var exact []time.Duration
	for i := range 5000 {
		took := time.Duration(i*i) * time.Microsecond
		d.add(took)
		exact = append(exact, took)
	}
	for _, share := range []float64{0, .1, .5, .95, 1} {
		want := exact[int(share*float64(len(exact)-1))]
		if got := d.quantile(share); got < want || float64(got) > float64(want)*1.25+1000 {
			t.Errorf("%v: %v, want %v", share, got, want)
		}
	}
	if d.most != exact[len(exact)-1] {
		t.Errorf("longest %v", d.most)
	}
	var none durations
	if got := none.quantile(.5); got != 0 {
		t.Errorf("of none: %v", got)
	}
	none.add(-time.Second)
	none.add(200 * time.Hour)
	if got := none.quantile(1); got != 200*time.Hour {
		t.Errorf("beyond the histogram: %v", got)
	}
}

func TestEveryPartHasItsBound(t *testing.T) {
	for part := range maxPart {
		if got := partOf(upperBound(part)); got != part {
			t.Errorf("%v is in part %d, not %d", upperBound(part), got, part)
		}
		if got := partOf(upperBound(part) + time.Microsecond); got != part+1 {
			t.Errorf("%v is in part %d, not %d", upperBound(part)+time.Microsecond, got, part+1)
		}
	}
}

// TestCountingDoesNotAllocate checks that counting does not allocate, because a
// running hmaproxy counts every request.
func TestCountingDoesNotAllocate(t *testing.T) {
	c, r := New(LiveLimits()), newRecord(nil)
	if n := testing.AllocsPerRun(1000, func() { c.Done(r, outcome.Served) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

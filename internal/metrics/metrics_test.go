package metrics

import (
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"hmaproxy/internal/outcome"
	"hmaproxy/internal/textcheck"
	"hmaproxy/proxy"
	"hmaproxy/token"
)

func TestMetricsOfRequests(t *testing.T) {
	cases := []struct {
		name string
		edit func(*proxy.Record)
		want []string // lines of /metrics
	}{
		{"served", nil, []string{
			`hmaproxy_requests_total{operation="GetFolder",status="200"} 1`,
			`hmaproxy_upstream_responses_total{status="200"} 1`,
			`hmaproxy_request_duration_seconds_bucket{outcome="served",le="0.01"} 0`,
			`hmaproxy_request_duration_seconds_bucket{outcome="served",le="0.025"} 1`,
			`hmaproxy_received_bytes_total 100`, `hmaproxy_sent_bytes_total 1000`,
			`hmaproxy_replays_total 0`,
		}},
		{"refused mailbox", func(r *proxy.Record) { r.Status, r.Upstream, r.Reason = 500, 0, proxy.ReasonMailboxNotAllowed }, []string{
			`hmaproxy_requests_total{operation="GetFolder",status="500"} 1`,
			`hmaproxy_denials_total{reason="mailbox-not-allowed"} 1`,
			`hmaproxy_denials_total{reason="operation-not-allowed"} 0`,
			`hmaproxy_failures_total{reason="no-token"} 0`,
			`hmaproxy_request_duration_seconds_count{outcome="refused"} 1`,
		}},
		{"refused by the guard", func(r *proxy.Record) {
			*r = proxy.Record{Method: "GET", Status: 421, Reason: proxy.ReasonHost}
		}, []string{
			`hmaproxy_requests_total{operation="none",status="421"} 1`, `hmaproxy_denials_total{reason="host"} 1`,
		}},
		{"audited", func(r *proxy.Record) { r.Audit = proxy.ReasonOperationNotAllowed }, []string{
			`hmaproxy_audit_refusals_total{reason="operation-not-allowed"} 1`,
			`hmaproxy_denials_total{reason="operation-not-allowed"} 0`,
			`hmaproxy_request_duration_seconds_count{outcome="audited"} 1`,
		}},
		{"no token", func(r *proxy.Record) { r.Status, r.Upstream, r.Reason = 500, 0, proxy.ReasonNoToken }, []string{
			`hmaproxy_failures_total{reason="no-token"} 1`, `hmaproxy_request_duration_seconds_count{outcome="failed"} 1`,
		}},
		{"Exchange refused the token twice", func(r *proxy.Record) {
			r.Status, r.Upstream, r.Reason, r.Replayed = 500, 401, proxy.ReasonUpstream401, true
		}, []string{
			`hmaproxy_failures_total{reason="upstream-401"} 1`, `hmaproxy_upstream_responses_total{status="401"} 1`, `hmaproxy_replays_total 1`,
		}},
		{"a handshake is not a refusal", func(r *proxy.Record) {
			*r = proxy.Record{Method: "POST", Status: 401, Reason: proxy.ReasonNTLM}
		}, []string{
			`hmaproxy_requests_total{operation="none",status="401"} 1`, `hmaproxy_request_duration_seconds_count{outcome="challenged"} 1`,
		}},
		{"the client left", func(r *proxy.Record) { r.Status, r.Reason = 0, proxy.ReasonClientLeft }, []string{
			`hmaproxy_requests_total{operation="GetFolder",status="0"} 1`, `hmaproxy_failures_total{reason="client-left"} 1`,
		}},
		{"a fault of Exchange", func(r *proxy.Record) { r.Status, r.Upstream, r.Fault = 500, 500, "ErrorNonExistentMailbox" }, []string{
			`hmaproxy_exchange_faults_total{code="ErrorNonExistentMailbox"} 1`, `hmaproxy_exchange_faults_total{code="ErrorServerBusy"} 0`,
		}},
		{"a fault of the client's own", func(r *proxy.Record) { r.Status, r.Upstream, r.Fault = 500, 500, "ErrorItemNotFound" }, []string{
			`hmaproxy_exchange_faults_total{code="other"} 1`,
		}},
		{"unknown operation", func(r *proxy.Record) { r.Operation, r.Known = "ReadEverything", "other" }, []string{
			`hmaproxy_requests_total{operation="other",status="200"} 1`,
		}},
		{"status that does not exist", func(r *proxy.Record) { r.Status, r.Upstream = 299, 799 }, []string{
			`hmaproxy_requests_total{operation="GetFolder",status="other"} 1`, `hmaproxy_upstream_responses_total{status="other"} 1`,
		}},
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			text := scrape(counted(test.edit))
			for _, line := range test.want {
				if !strings.Contains(text, "\n"+line+"\n") {
					t.Errorf("missing: %s", line)
				}
			}
			textcheck.Lacks(t, text, "ReadEverything", "alice@contoso.com")
		})
	}
}

func TestStreamsAreLeftOutOfLatency(t *testing.T) {
	text := scrape(counted(func(r *proxy.Record) {
		r.Operation, r.Known, r.Duration = "GetStreamingEvents", "GetStreamingEvents", 30*time.Minute
	}))
	textcheck.Contains(t, text, `hmaproxy_requests_total{operation="GetStreamingEvents",status="200"} 1`)
	textcheck.Lacks(t, text, "hmaproxy_request_duration_seconds_count{")
}

func TestMetricsOfTokens(t *testing.T) {
	m := New("v1.2.3")
	m.TokenRequested(token.Attempt{Reason: token.Scheduled, Duration: 300 * time.Millisecond})
	m.TokenRequested(token.Attempt{Reason: token.Probe, Duration: time.Second, Err: &token.Error{Class: token.Certificate, AADSTS: 700027}})
	textcheck.Contains(t, scrape(m),
		`hmaproxy_token_requests_total{reason="scheduled"} 1`,
		`hmaproxy_token_requests_total{reason="probe"} 1`,
		`hmaproxy_token_failures_total{aadsts="700027",class="certificate"} 1`,
		`hmaproxy_token_request_duration_seconds_count 2`,
		`hmaproxy_build_info{version="v1.2.3"} 1`,
	)
}

func TestMetricsOfState(t *testing.T) {
	m := New("")
	state := State{AllowList: AllowList{Entries: 2, Mode: "audit", Scope: "impersonated"}, Files: []File{{Variable: "HMA_ALLOWED_MAILBOXES_FILE"}}}
	if err := m.Observe(func() State { return state }); err != nil {
		t.Fatal(err)
	}
	textcheck.Contains(t, scrape(m),
		"hmaproxy_token_usable 0\n", "hmaproxy_token_expiry_timestamp_seconds 0\n", "hmaproxy_ready 0\n",
		"hmaproxy_log_dropped_lines_total 0\n", "hmaproxy_log_alarm 0\n",
		"hmaproxy_allow_list_entries 2\n", "hmaproxy_allow_list_alarm 0\n",
		`hmaproxy_allow_list_info{mode="audit",scope="impersonated"} 1`,
		`hmaproxy_file_alarm{variable="HMA_ALLOWED_MAILBOXES_FILE"} 0`,
	)
	if text := scrape(m); strings.Contains(text, "hmaproxy_tls_certificate_expiry_timestamp_seconds") {
		t.Error("an end of the listeners' certificates, and there are none")
	}
	state.Listener = []*x509.Certificate{{NotAfter: time.Unix(1900000000, 0)}, {NotAfter: time.Unix(1850000000, 0)}, {NotAfter: time.Unix(1950000000, 0)}}
	state.Log = Log{Dropped: 7, Alarm: true}
	state.Ready, state.AllowList.Failed, state.Files[0].Failed = true, true, true
	state.Token = token.Status{
		Usable: true, Expires: time.Unix(1800000000, 0), Failures: 3, ClockSkew: -90 * time.Second,
		Active: &token.Leaf{NotAfter: time.Unix(1900000000, 0)}, Candidate: &token.Leaf{NotAfter: time.Unix(1950000000, 0)}, CandidateErr: &token.Error{},
	}
	textcheck.Contains(t, scrape(m),
		"hmaproxy_token_usable 1\n", "hmaproxy_token_expiry_timestamp_seconds 1.8e+09\n", "hmaproxy_ready 1\n",
		"hmaproxy_log_dropped_lines_total 7\n", "hmaproxy_log_alarm 1\n",
		"hmaproxy_token_consecutive_failures 3\n", "hmaproxy_clock_skew_seconds -90\n",
		"hmaproxy_tls_certificate_expiry_timestamp_seconds 1.85e+09\n",
		"hmaproxy_allow_list_alarm 1\n", `hmaproxy_file_alarm{variable="HMA_ALLOWED_MAILBOXES_FILE"} 1`,
		`hmaproxy_certificate_expiry_timestamp_seconds{slot="active"} 1.9e+09`,
		`hmaproxy_certificate_expiry_timestamp_seconds{slot="candidate"} 1.95e+09`, "hmaproxy_certificate_candidate_refused 1\n",
	)
}

func TestMetricsStaySmall(t *testing.T) {
	m := New("")
	for i := range 20_000 {
		done(m, func(r *proxy.Record) {
			r.Known, r.Reason, r.Audit = fmt.Sprint("Operation", i), proxy.Reason(i), proxy.Reason(i)
			r.Status, r.Upstream = i%1000, i%1000
		})
		m.TokenRequested(token.Attempt{Reason: token.Reason(fmt.Sprint(i)), Err: &token.Error{Class: "transient", AADSTS: i}})
	}
	text := scrape(m)
	if n := strings.Count(text, "\n"); n > 5000 {
		t.Errorf("/metrics has grown to %d lines", n)
	}
	textcheck.Contains(t, text, `aadsts="-1"`)
}

func TestRequestsInFlight(t *testing.T) {
	m := New("")
	var during string
	h := m.InFlight(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		during = scrape(m)
		panic(http.ErrAbortHandler) // the way in which the proxy aborts a response
	}))
	func() {
		defer func() { _ = recover() }()
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/", nil))
	}()
	textcheck.Contains(t, during, "hmaproxy_requests_in_flight 1\n")
	textcheck.Contains(t, scrape(m), "hmaproxy_requests_in_flight 0\n")
}

func scrape(m *Metrics) string {
	w := httptest.NewRecorder()
	m.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}

// TestReasonsAreCounted checks that the counter of every reason exists from the
// start, with the value 0, in the family of the reason's class. A counter that
// appears with the value 1 would not raise an alert.
func TestReasonsAreCounted(t *testing.T) {
	text := scrape(New(""))
	for _, reason := range proxy.Reasons() {
		counter := map[proxy.ReasonClass]string{
			proxy.ClassRefused: "hmaproxy_denials_total",
			proxy.ClassFailed:  "hmaproxy_failures_total", proxy.ClassClientLeft: "hmaproxy_failures_total",
		}[reason.Class()]
		if counter == "" {
			continue // a challenge is neither a refusal nor a failure
		}
		textcheck.Contains(t, text, fmt.Sprintf("%s{reason=%q} 0\n", counter, reason))
	}
}

func BenchmarkDone(b *testing.B) {
	m, r := New(""), newTestRecord(nil)
	b.ReportAllocs()
	for b.Loop() {
		m.Done(r, outcome.Of(r))
	}
}

func TestCountingDoesNotAllocate(t *testing.T) {
	m, r := New(""), newTestRecord(nil)
	if n := testing.AllocsPerRun(1000, func() { m.Done(r, outcome.Of(r)) }); n != 0 {
		t.Errorf("%v allocations per request", n)
	}
}

// newTestRecord returns the record of a served GetFolder, changed by edit.
func newTestRecord(edit func(*proxy.Record)) *proxy.Record {
	r := &proxy.Record{
		Duration: 20 * time.Millisecond, Method: "POST", Operation: "GetFolder", Known: "GetFolder", Mailbox: "alice@contoso.com",
		Status: 200, Upstream: 200, BytesIn: 100, BytesOut: 1000,
	}
	if edit != nil {
		edit(r)
	}
	return r
}

func done(m *Metrics, edit func(*proxy.Record)) {
	r := newTestRecord(edit)
	m.Done(r, outcome.Of(r))
}

// counted returns metrics after one request.
func counted(edit func(*proxy.Record)) *Metrics {
	m := New("")
	done(m, edit)
	return m
}

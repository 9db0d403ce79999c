package sidecar

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"hmaproxy/proxy"
	entra "hmaproxy/token"
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
		{"a handshake is no refusal", func(r *proxy.Record) {
			*r = proxy.Record{Method: "POST", Status: 401, Reason: proxy.ReasonNTLM}
		}, []string{
			`hmaproxy_requests_total{operation="none",status="401"} 1`, `hmaproxy_request_duration_seconds_count{outcome="challenged"} 1`,
		}},
		{"the client left", func(r *proxy.Record) { r.Status, r.Reason = 0, proxy.ReasonClientLeft }, []string{
			`hmaproxy_requests_total{operation="GetFolder",status="0"} 1`, `hmaproxy_failures_total{reason="client-left"} 1`,
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
			a := idle(t, nil, "HMA_ALLOWED_MAILBOXES=alice@contoso.com")
			a.done(record(test.edit))
			text := a.ask("/metrics").Body.String()
			for _, line := range test.want {
				if !strings.Contains(text, "\n"+line+"\n") {
					t.Errorf("missing: %s", line)
				}
			}
			lacks(t, text, "ReadEverything", "alice@contoso.com")
		})
	}
}

func TestStreamsAreLeftOutOfLatency(t *testing.T) {
	a := idle(t, nil)
	a.done(record(func(r *proxy.Record) {
		r.Operation, r.Known, r.Duration = "GetStreamingEvents", "GetStreamingEvents", 30*time.Minute
	}))
	text := a.ask("/metrics").Body.String()
	contains(t, text, `hmaproxy_requests_total{operation="GetStreamingEvents",status="200"} 1`)
	lacks(t, text, "hmaproxy_request_duration_seconds_count{")
}

func TestMetricsOfTokens(t *testing.T) {
	a := idle(t, nil, "HMA_ALLOWED_MAILBOXES=alice@contoso.com,bob@contoso.com", "HMA_ALLOW_LIST_MODE=audit")
	a.metrics.attempted(entra.Attempt{Reason: entra.Scheduled, Duration: 300 * time.Millisecond})
	a.metrics.attempted(entra.Attempt{Reason: entra.Probe, Duration: time.Second, Err: &entra.Error{Class: entra.Certificate, AADSTS: 700027}})
	contains(t, a.ask("/metrics").Body.String(),
		`hmaproxy_token_requests_total{reason="scheduled"} 1`,
		`hmaproxy_token_requests_total{reason="probe"} 1`,
		`hmaproxy_token_failures_total{aadsts="700027",class="certificate"} 1`,
		`hmaproxy_token_request_duration_seconds_count 2`,
		"hmaproxy_token_usable 0\n", "hmaproxy_token_expiry_timestamp_seconds 0\n", "hmaproxy_ready 0\n",
		"hmaproxy_allow_list_entries 2\n", "hmaproxy_allow_list_alarm 0\n",
		`hmaproxy_allow_list_info{mode="audit",scope="impersonated"} 1`,
		`hmaproxy_build_info{version="v1.2.3"} 1`,
	)
}

func TestMetricsShowAFailedReload(t *testing.T) {
	file := write(t, "alice@contoso.com")
	a := idle(t, nil, "HMA_ALLOWED_MAILBOXES_FILE="+file)
	spoilFile(t, a, file)
	contains(t, a.ask("/metrics").Body.String(), `hmaproxy_file_alarm{variable="HMA_ALLOWED_MAILBOXES_FILE"} 1`, "hmaproxy_allow_list_alarm 1\n", "hmaproxy_allow_list_entries 1\n")
	contains(t, a.ask("/ready").Body.String(), "an address needs an @")
}

// TestMetricsAnswerAnyone: Prometheus comes from elsewhere and under any name.
func TestMetricsAnswerAnyone(t *testing.T) {
	a := idle(t, nil)
	w := a.ask("/metrics", "peer", "10.1.2.3:4000", "Host", "hmaproxy.mail.svc")
	if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
		t.Errorf("answered %d %s", w.Code, w.Header().Get("Content-Type"))
	}
}

func TestMetricsStaySmall(t *testing.T) {
	a := idle(t, nil)
	for i := range 20_000 {
		a.done(record(func(r *proxy.Record) {
			r.Known, r.Reason, r.Audit = fmt.Sprint("Operation", i), proxy.Reason(i), proxy.Reason(i)
			r.Status, r.Upstream = i%1000, i%1000
		}))
		a.metrics.attempted(entra.Attempt{Reason: entra.Reason(fmt.Sprint(i)), Err: &entra.Error{Class: "transient", AADSTS: i}})
	}
	text := a.ask("/metrics").Body.String()
	if n := strings.Count(text, "\n"); n > 5000 {
		t.Errorf("/metrics has grown to %d lines", n)
	}
	contains(t, text, `aadsts="-1"`)
}

func TestRequestsInFlight(t *testing.T) {
	m := newMetrics("")
	var during string
	h := m.watch(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		during = scrape(m)
		panic(http.ErrAbortHandler) // what the proxy does in mid-answer
	}))
	func() {
		defer func() { _ = recover() }()
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/", nil))
	}()
	contains(t, during, "hmaproxy_requests_in_flight 1\n")
	contains(t, scrape(m), "hmaproxy_requests_in_flight 0\n")
}

func scrape(m *metrics) string {
	w := httptest.NewRecorder()
	m.handler.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}

// TestReasonsAreCounted checks that every reason begins at 0 in the counter that
// its class belongs to: one that begins at 1 would raise no alert at first.
func TestReasonsAreCounted(t *testing.T) {
	text := scrape(newMetrics(""))
	for _, reason := range proxy.Reasons() {
		counter := map[proxy.ReasonClass]string{
			proxy.ClassRefused: "hmaproxy_denials_total",
			proxy.ClassFailed:  "hmaproxy_failures_total", proxy.ClassClientLeft: "hmaproxy_failures_total",
		}[reason.Class()]
		if counter == "" {
			continue // a handshake is neither
		}
		contains(t, text, fmt.Sprintf("%s{reason=%q} 0\n", counter, reason))
	}
}

// BenchmarkDone measures what a request costs beyond its log line: metrics and
// the look back.
func BenchmarkDone(b *testing.B) {
	a := idle(b, nil)
	r := record(nil)
	b.ReportAllocs()
	for b.Loop() {
		how := outcomeOf(r)
		a.metrics.done(r, how)
		a.recent.done(r, how)
	}
}

func TestCountingDoesNotAllocate(t *testing.T) {
	a := idle(t, nil)
	r := record(nil)
	how := outcomeOf(r)
	if n := testing.AllocsPerRun(1000, func() { a.metrics.done(r, how); a.recent.done(r, how) }); n != 0 {
		t.Errorf("%v allocations per request", n)
	}
}

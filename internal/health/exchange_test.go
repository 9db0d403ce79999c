package health_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"hmaproxy/internal/health"
	"hmaproxy/internal/outcome"
	"hmaproxy/proxy"
)

func TestExchangeState(t *testing.T) {
	refused := errors.New("dial tcp 10.0.0.5:443: connection refused")
	good := proxy.Record{Upstream: 200}
	for _, tc := range []struct {
		name     string
		records  []proxy.Record
		failures int
		cause    string // text of the first failure
	}{
		{"no request yet", nil, 0, ""},
		{"a good response", []proxy.Record{good}, 0, ""},
		{"Exchange's own fault", []proxy.Record{{Upstream: 500}}, 0, ""},
		{"a fault about one mailbox", []proxy.Record{{Upstream: 500, Fault: "ErrorNonExistentMailbox", Mailbox: "Alice"}}, 0, ""},
		{"a fault about all requests", []proxy.Record{{Upstream: 500, Fault: "ErrorServerBusy", Mailbox: "Alice"}}, 1, "ErrorServerBusy"},
		{"an error of Exchange's own", []proxy.Record{{Upstream: 500, Fault: "ErrorInternalServerError", Mailbox: "Alice"}}, 1, "ErrorInternalServerError"},
		{"two failures", []proxy.Record{good, {Reason: proxy.ReasonUpstreamUnreachable, Err: refused}, {Reason: proxy.ReasonUpstream504, Upstream: 504}}, 2, "connection refused"},
		{"no EWS", []proxy.Record{{Reason: proxy.ReasonUpstreamNotEWS, Upstream: 503, Detail: `title "Alice"`}}, 1, "status 503"},
		{"a failure that has ended", []proxy.Record{{Reason: proxy.ReasonUpstream502, Upstream: 502}, good}, 0, ""},
		{"no token", []proxy.Record{{Reason: proxy.ReasonNoToken}}, 0, ""},
		{"passwords that could not be checked", []proxy.Record{{Reason: proxy.ReasonCredentialsUnchecked}}, 0, ""},
		{"no memory for the body", []proxy.Record{{Reason: proxy.ReasonProxyBusy}}, 0, ""},
		{"a refusal in a run of failures", []proxy.Record{{Reason: proxy.ReasonUpstream502, Upstream: 502}, {Reason: proxy.ReasonHost}}, 1, "502"},
		{"a message that is too large", []proxy.Record{{Reason: proxy.ReasonUpstreamNotEWS, Upstream: 413}}, 0, ""},
		{"no response for 10 s", []proxy.Record{{Reason: proxy.ReasonClientLeft, Duration: 10 * time.Second}}, 1, "timeout of 10s"},
		{"a client that left earlier", []proxy.Record{{Reason: proxy.ReasonClientLeft, Duration: 10*time.Second - 1}}, 0, ""},
		{"a client that left a stream", []proxy.Record{{Reason: proxy.ReasonClientLeft, Upstream: 200, Duration: time.Minute}}, 0, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var e health.Exchange
			for i, r := range tc.records {
				r.Start = now.Add(time.Duration(i) * time.Minute)
				e.Done(&r, outcome.Of(&r))
			}
			s := e.State()
			alarms := health.AlarmsForExchange(s)
			if s.Failures != tc.failures || len(alarms) != min(tc.failures, 1) {
				t.Fatalf("%d failures, alarms %v; want %d", s.Failures, alarms, tc.failures)
			}
			if tc.failures == 0 {
				return
			}
			text := alarms[0].Text(now.Add(time.Hour))
			if !strings.Contains(s.First.Cause, tc.cause) || !strings.Contains(text, s.First.Cause) || s.First.Remedy == "" || !strings.Contains(text, s.First.Remedy) || strings.Contains(text, "Alice") {
				t.Errorf("first %+v, alarm %q; want cause %q", s.First, text, tc.cause)
			}
		})
	}
}

// TestExchangeAlarmKeepsTheLastGoodResponse checks that consecutive failures do
// not change the times of the last good response and of the first failure.
func TestExchangeAlarmKeepsTheLastGoodResponse(t *testing.T) {
	var e health.Exchange
	for _, r := range []proxy.Record{
		{Start: now, Upstream: 200},
		{Start: now.Add(10 * time.Minute), Upstream: 502, Reason: proxy.ReasonUpstream502},
		{Start: now.Add(20 * time.Minute), Upstream: 502, Reason: proxy.ReasonUpstream502},
	} {
		e.Done(&r, outcome.Of(&r))
	}
	s := e.State()
	if !s.LastGood.Equal(now) || !s.First.At.Equal(now.Add(10*time.Minute)) || !s.Last.Equal(now.Add(20*time.Minute)) {
		t.Errorf("state %+v", s)
	}
	text := health.AlarmsForExchange(s)[0].Text(now.Add(30 * time.Minute))
	if !strings.Contains(text, "the first one 20 min ago and the last good response 30 min ago: ") {
		t.Errorf("alarm %q", text)
	}
}

package accesslog

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"testing"
	"time"

	"hmaproxy/internal/config"
	"hmaproxy/internal/logging"
	"hmaproxy/internal/outcome"
	"hmaproxy/proxy"
	"hmaproxy/proxy/ews"
)

func TestLevelOfRequests(t *testing.T) {
	cases := []struct {
		name string
		edit func(*proxy.Record)
		want string
	}{
		{"served", nil, "INFO"},
		{"Exchange's own error", func(r *proxy.Record) { r.Status, r.Upstream = 500, 500 }, "INFO"},
		{"a handshake", func(r *proxy.Record) { r.Reason = proxy.ReasonNTLM }, "INFO"},
		{"asked for a login", func(r *proxy.Record) { r.Reason = proxy.ReasonLoginRequired }, "INFO"},
		{"left in mid-stream", func(r *proxy.Record) { r.Reason = proxy.ReasonClientLeft }, "INFO"},
		{"left without a response after 10 s", func(r *proxy.Record) {
			r.Reason, r.Upstream, r.Duration = proxy.ReasonClientLeft, 0, 10*time.Second
		}, "WARN"},
		{"left without a response before", func(r *proxy.Record) {
			r.Reason, r.Upstream, r.Duration = proxy.ReasonClientLeft, 0, 10*time.Second-1
		}, "INFO"},
		{"refused", func(r *proxy.Record) { r.Reason = proxy.ReasonMailboxNotAllowed }, "WARN"},
		{"audited", func(r *proxy.Record) { r.Audit = proxy.ReasonMailboxNotAllowed }, "WARN"},
		{"no token", func(r *proxy.Record) { r.Reason = proxy.ReasonNoToken }, "WARN"},
		{"replayed with success", func(r *proxy.Record) { r.Diagnosis = &proxy.Diagnosis{Code: 2000002} }, "WARN"},
		{"a fault with a remedy", func(r *proxy.Record) { r.Status, r.Fault = 500, "ErrorNonExistentMailbox" }, "WARN"},
		{"a fault of the client's own", func(r *proxy.Record) { r.Status, r.Fault = 500, "ErrorItemNotFound" }, "INFO"},
		{"an error on the way", func(r *proxy.Record) { r.Err = errors.New("reset") }, "WARN"},
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			r := &proxy.Record{ID: "7f3c", Method: "POST", Operation: "GetFolder", Mailbox: "alice@contoso.com", Status: 200, Upstream: 200}
			if test.edit != nil {
				test.edit(r)
			}
			New(slog.New(slog.NewJSONHandler(&out, nil))).Done(r, outcome.Of(r))
			var line struct{ Level, Msg, ID, Operation, Mailbox string }
			if err := json.Unmarshal(out.Bytes(), &line); err != nil {
				t.Fatal(err)
			}
			if line.Level != test.want || line.Msg != "request" || line.ID != "7f3c" || line.Operation != "GetFolder" || line.Mailbox != "alice@contoso.com" {
				t.Errorf("%+v", line)
			}
		})
	}
}

func TestFaultsAreLogged(t *testing.T) {
	var out bytes.Buffer
	r := &proxy.Record{Method: "POST", Status: 500, Upstream: 500, Fault: "ErrorServerBusy", BackOff: 38526 * time.Millisecond}
	New(slog.New(slog.NewJSONHandler(&out, nil))).Done(r, outcome.Of(r))
	var line struct {
		Fault   string
		BackOff int `json:"backoff_ms"`
	}
	if err := json.Unmarshal(out.Bytes(), &line); err != nil || line.Fault != "ErrorServerBusy" || line.BackOff != 38526 {
		t.Errorf("%s (%v)", out.Bytes(), err)
	}
}

// TestFormsAndPushAreLogged checks the attributes mailbox_form and push of log
// lines, because the suggested allow-list depends on them.
func TestFormsAndPushAreLogged(t *testing.T) {
	for _, test := range []struct {
		name   string
		record proxy.Record
		want   map[string]any
	}{
		{"an address", proxy.Record{Mailbox: "alice@contoso.com", Named: ews.SmtpAddress}, nil},
		{"a primary address", proxy.Record{Mailbox: "alice@contoso.com", Named: ews.PrimarySmtpAddress}, nil},
		{"a principal name", proxy.Record{Named: ews.PrincipalName}, map[string]any{"mailbox_form": "upn"}},
		{"a SID", proxy.Record{Named: ews.SID}, map[string]any{"mailbox_form": "sid"}},
		{"a push subscription", proxy.Record{Operation: "Subscribe", Known: "Subscribe:Push"}, map[string]any{"push": true}},
		{"another subscription", proxy.Record{Operation: "Subscribe", Known: "Subscribe"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			New(slog.New(slog.NewJSONHandler(&out, nil))).Done(&test.record, outcome.Of(&test.record))
			var line map[string]any
			if err := json.Unmarshal(out.Bytes(), &line); err != nil {
				t.Fatal(err)
			}
			for _, key := range []string{"mailbox_form", "push"} {
				if line[key] != test.want[key] {
					t.Errorf("%s is %v, want %v", key, line[key], test.want[key])
				}
			}
		})
	}
}

func BenchmarkDone(b *testing.B) {
	output, err := logging.Open(&config.Config{LogFormat: config.LogJSON}, io.Discard)
	if err != nil {
		b.Fatal(err)
	}
	defer output.Close()
	l := New(output.Logger())
	r := &proxy.Record{
		ID: "7f3c8a1e-0b52-4c1d-9a60-2f1f6f0f3b9d", Remote: "127.0.0.1:50312", Method: "POST", Operation: "GetFolder", Mailbox: "alice@contoso.com",
		Product: "ExchangeServicesClient/15.00.0913.015", Status: 200, Upstream: 200, BytesIn: 1712, BytesOut: 3304, Duration: 20 * time.Millisecond,
	}
	b.ReportAllocs()
	for b.Loop() {
		l.Done(r, outcome.Served)
	}
}

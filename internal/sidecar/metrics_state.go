package sidecar

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"hmaproxy/internal/health"
	"hmaproxy/token"
)

// state is read when Prometheus asks: nothing has to be kept in step with it.
type state struct {
	app  *app
	list []gauge
}

// A gauge is one metric of the state, with a value for each set of labels.
type gauge struct {
	desc  *prometheus.Desc
	value func(s token.Status, emit func(value float64, labels ...string))
}

func newState(a *app) *state {
	return &state{app: a, list: append(append(tokenGauges(), certificateGauges()...), a.ownGauges()...)}
}

// number makes a gauge with one value and no label.
func number(name, help string, value func(token.Status) float64) gauge {
	return gauge{prometheus.NewDesc(name, help, nil, nil), func(s token.Status, emit func(float64, ...string)) { emit(value(s)) }}
}

func tokenGauges() []gauge {
	return []gauge{
		number("hmaproxy_token_usable", "1 while there is an access token that may be used.",
			func(s token.Status) float64 { return truth(s.Usable) }),
		number("hmaproxy_token_expiry_timestamp_seconds", "When the access token ends; 0 while there is none.",
			func(s token.Status) float64 { return timestamp(s.Expires) }),
		number("hmaproxy_token_last_success_timestamp_seconds", "When Entra ID last gave a token; 0 if never.",
			func(s token.Status) float64 { return timestamp(s.LastToken) }),
		number("hmaproxy_token_next_refresh_timestamp_seconds", "When the next token request is planned; 0 while that is unknown.",
			func(s token.Status) float64 { return timestamp(s.NextRefresh) }),
		number("hmaproxy_token_consecutive_failures", "Refreshes that failed since the last success.",
			func(s token.Status) float64 { return float64(s.Failures) }),
		number("hmaproxy_token_full_access", "1 if the token carries the role full_access_as_app; 0 also while there is no token.",
			func(s token.Status) float64 { return truth(s.Claims.FullAccess()) }),
		number("hmaproxy_clock_skew_seconds", "This machine's clock minus Entra ID's, at its last answer.",
			func(s token.Status) float64 { return s.ClockSkew.Seconds() }),
	}
}

func certificateGauges() []gauge {
	expiry := prometheus.NewDesc("hmaproxy_certificate_expiry_timestamp_seconds",
		"When a certificate ends: the active one, the candidate that waits to be accepted, the fallback.", []string{"slot"}, nil)
	return []gauge{
		{expiry, func(s token.Status, emit func(float64, ...string)) {
			for _, c := range health.Certificates(s) {
				emit(timestamp(c.Leaf.NotAfter), string(c.Slot))
			}
		}},
		number("hmaproxy_certificate_candidate_refused", "1 while Entra ID refuses the newest certificate: it is not registered.",
			func(s token.Status) float64 { return truth(s.CandidateErr != nil) }),
		number("hmaproxy_certificate_lookup_last_success_timestamp_seconds", "When the certificate was last read from Key Vault or its file; 0 if never.",
			func(s token.Status) float64 { return timestamp(s.LastCertificate) }),
		number("hmaproxy_certificate_lookup_failed", "1 while reading the certificate from Key Vault or its file fails.",
			func(s token.Status) float64 { return truth(s.CertificatesErr != nil) }),
	}
}

// ownGauges are about this process rather than about the token.
func (a *app) ownGauges() []gauge {
	file := prometheus.NewDesc("hmaproxy_file_alarm", "1 while the changed file of a variable cannot be taken up and what was read before is in force.", []string{"variable"}, nil)
	mode := prometheus.NewDesc("hmaproxy_allow_list_info", "Always 1; the labels say what the allow-list does: mode none lets clients open every mailbox.", []string{"mode", "scope"}, nil)
	return []gauge{
		number("hmaproxy_ready", "1 while requests can be served.",
			func(token.Status) float64 { return truth(a.health().Ready()) }),
		number("hmaproxy_allow_list_entries", "Entries of the allow-list in force; 0: there is none.",
			func(token.Status) float64 { return float64(a.policy().Size()) }),
		number("hmaproxy_allow_list_alarm", "1 while the allow-list's file cannot be taken up and an older list is in force.",
			func(token.Status) float64 { return truth(a.fileErr("HMA_ALLOWED_MAILBOXES_FILE") != nil) }),
		{file, func(_ token.Status, emit func(float64, ...string)) {
			for _, f := range a.files {
				emit(truth(f.Err() != nil), f.Variable())
			}
		}},
		{mode, func(_ token.Status, emit func(float64, ...string)) {
			list := a.allowList()
			emit(1, list.Mode, list.Scope)
		}},
	}
}

// Describe implements prometheus.Collector.
func (s *state) Describe(out chan<- *prometheus.Desc) {
	for _, g := range s.list {
		out <- g.desc
	}
}

// Collect implements prometheus.Collector.
func (s *state) Collect(out chan<- prometheus.Metric) {
	now := s.app.keeper.Status()
	for _, g := range s.list {
		g.value(now, func(value float64, labels ...string) {
			out <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, value, labels...)
		})
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// timestamp is 0 for the zero time.
func timestamp(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

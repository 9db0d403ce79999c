package metrics

import (
	"crypto/x509"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"hmaproxy/internal/health"
	"hmaproxy/token"
)

// A State holds the values of the gauges.
type State struct {
	Token     token.Status
	Ready     bool
	Exchange  health.ExchangeState
	AllowList AllowList
	Files     []File // reloaded files
	Log       Log
	Listener  []*x509.Certificate // certificates of the listeners for clients
}

// AllowList describes the current allow-list.
type AllowList struct {
	Entries int
	Mode    string // "none" (no allow-list), "every" (the list is *), "enforce" or "audit"
	Scope   string
	Failed  bool // the file of the list could not be reloaded, or the latest expansion of its groups is not in force
}

// Log describes the log.
type Log struct {
	Dropped uint64 // number of lines dropped since the start
	Alarm   bool   // whether lines are being dropped, or the log's file cannot be written
}

// A File is a reloaded file, identified by its setting. The groups on the
// allow-list are reported as a File too.
type File struct {
	Variable string
	Failed   bool // the file could not be reloaded, or the groups could not be expanded
}

// Observe adds the gauges of a state. state is called at each scrape. Call
// Observe once.
func (m *Metrics) Observe(state func() State) error {
	return m.registry.Register(&collector{state, append(append(tokenGauges(), certificateGauges()...), processGauges()...)})
}

// A collector is a prometheus.Collector of gauges.
type collector struct {
	state  func() State
	gauges []gauge
}

// A gauge is one metric of the state, with a value for each set of labels.
type gauge struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(s State, emit func(value float64, labels ...string))
}

// number makes a gauge with one value and no label.
func number(name, help string, value func(State) float64) gauge {
	return gauge{prometheus.NewDesc(name, help, nil, nil), prometheus.GaugeValue, func(s State, emit func(float64, ...string)) { emit(value(s)) }}
}

func tokenGauges() []gauge {
	return []gauge{
		number("hmaproxy_token_usable", "1 while there is an access token that may be used.",
			func(s State) float64 { return truth(s.Token.Usable) }),
		number("hmaproxy_token_expiry_timestamp_seconds", "When the access token ends; 0 while there is none.",
			func(s State) float64 { return timestamp(s.Token.Expires) }),
		number("hmaproxy_token_last_success_timestamp_seconds", "When Entra ID last issued a token; 0 if never.",
			func(s State) float64 { return timestamp(s.Token.LastToken) }),
		number("hmaproxy_token_next_refresh_timestamp_seconds", "When the next token request is planned; 0 while that is unknown.",
			func(s State) float64 { return timestamp(s.Token.NextRefresh) }),
		number("hmaproxy_token_consecutive_failures", "Refreshes that failed since the last success.",
			func(s State) float64 { return float64(s.Token.Failures) }),
		number("hmaproxy_token_full_access", "1 if the token carries the role full_access_as_app; 0 also while there is no token.",
			func(s State) float64 { return truth(s.Token.Claims.FullAccess()) }),
		number("hmaproxy_clock_skew_seconds", "This machine's clock minus Entra ID's, at its last response.",
			func(s State) float64 { return s.Token.ClockSkew.Seconds() }),
	}
}

func certificateGauges() []gauge {
	expiry := prometheus.NewDesc("hmaproxy_certificate_expiry_timestamp_seconds",
		"When a certificate ends: the active one, the candidate that waits to be accepted, the fallback.", []string{"slot"}, nil)
	listener := prometheus.NewDesc("hmaproxy_tls_certificate_expiry_timestamp_seconds",
		"When the first of the certificates in HMA_TLS_CERT_FILE ends; absent without TLS.", nil, nil)
	return []gauge{
		{listener, prometheus.GaugeValue, func(s State, emit func(float64, ...string)) {
			if len(s.Listener) > 0 {
				emit(timestamp(slices.MinFunc(s.Listener, func(a, b *x509.Certificate) int { return a.NotAfter.Compare(b.NotAfter) }).NotAfter))
			}
		}},
		{expiry, prometheus.GaugeValue, func(s State, emit func(float64, ...string)) {
			for _, c := range health.Certificates(s.Token) {
				emit(timestamp(c.Leaf.NotAfter), string(c.Slot))
			}
		}},
		number("hmaproxy_certificate_candidate_refused", "1 while Entra ID refuses the newest certificate: it is not registered.",
			func(s State) float64 { return truth(s.Token.CandidateErr != nil) }),
		number("hmaproxy_certificate_lookup_last_success_timestamp_seconds", "When the certificate was last read from Key Vault or its file; 0 if never.",
			func(s State) float64 { return timestamp(s.Token.LastCertificate) }),
		number("hmaproxy_certificate_lookup_failed", "1 while reading the certificate from Key Vault or its file fails.",
			func(s State) float64 { return truth(s.Token.CertificatesErr != nil) }),
	}
}

// processGauges returns the gauges of this process that do not describe tokens or
// certificates.
func processGauges() []gauge {
	file := prometheus.NewDesc("hmaproxy_file_alarm", "1 while the changed file of a variable cannot be reloaded and the previous content is in force.", []string{"variable"}, nil)
	dropped := prometheus.NewDesc("hmaproxy_log_dropped_lines_total", "Log lines dropped because the log was not read.", nil, nil)
	mode := prometheus.NewDesc("hmaproxy_allow_list_info", "Always 1; the labels say what the allow-list does: mode none lets clients open every mailbox, mode every does so on purpose.", []string{"mode", "scope"}, nil)
	return []gauge{
		number("hmaproxy_ready", "1 while requests can be served.", func(s State) float64 { return truth(s.Ready) }),
		number("hmaproxy_exchange_consecutive_failures", "Requests in a row that failed at Exchange or on the way to it; 0 after a good response.",
			func(s State) float64 { return float64(s.Exchange.Failures) }),
		number("hmaproxy_exchange_last_success_timestamp_seconds", "When Exchange last served a request; 0 if never.",
			func(s State) float64 { return timestamp(s.Exchange.LastGood) }),
		number("hmaproxy_allow_list_entries", "Entries of the allow-list in force; 0: there is none.",
			func(s State) float64 { return float64(s.AllowList.Entries) }),
		number("hmaproxy_allow_list_alarm", "1 while the allow-list's file cannot be reloaded and the previous list is in force.",
			func(s State) float64 { return truth(s.AllowList.Failed) }),
		{file, prometheus.GaugeValue, func(s State, emit func(float64, ...string)) {
			for _, f := range s.Files {
				emit(truth(f.Failed), f.Variable)
			}
		}},
		{dropped, prometheus.CounterValue, func(s State, emit func(float64, ...string)) { emit(float64(s.Log.Dropped)) }},
		number("hmaproxy_log_alarm", "1 while log lines are dropped or the log's file cannot be written.", func(s State) float64 { return truth(s.Log.Alarm) }),
		{mode, prometheus.GaugeValue, func(s State, emit func(float64, ...string)) { emit(1, s.AllowList.Mode, s.AllowList.Scope) }},
	}
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, g := range c.gauges {
		out <- g.desc
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	state := c.state()
	for _, g := range c.gauges {
		g.value(state, func(value float64, labels ...string) {
			out <- prometheus.MustNewConstMetric(g.desc, g.kind, value, labels...)
		})
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// timestamp returns seconds since 1970, 0 for the zero time.
func timestamp(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

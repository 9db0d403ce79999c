package sidecar

import (
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"hmaproxy/proxy"
	"hmaproxy/token"
)

// metrics counts. Its labels come from closed sets, so that no client can make
// it grow, and none of them names a mailbox.
type metrics struct {
	registry *prometheus.Registry
	handler  http.Handler // serves the registry to Prometheus

	requests  family[requestLabels, prometheus.Counter]
	upstream  family[int, prometheus.Counter]
	durations family[outcome, prometheus.Observer]
	denials   family[proxy.Reason, prometheus.Counter]
	failures  family[proxy.Reason, prometheus.Counter]
	audit     family[proxy.Reason, prometheus.Counter]
	replays   prometheus.Counter
	received  prometheus.Counter
	sent      prometheus.Counter
	inFlight  prometheus.Gauge

	tokenRequests  family[token.Reason, prometheus.Counter]
	tokenFailures  family[failureLabels, prometheus.Counter]
	tokenDurations prometheus.Histogram
}

type requestLabels struct {
	operation string
	status    int
}

type failureLabels struct {
	class  token.Class
	aadsts int
}

// Where the steps of the histograms lie, in seconds: from what a near Exchange
// takes for GetFolder to what clients no longer wait for.
var (
	requestSteps = []float64{.0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}
	tokenSteps   = []float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 15}
)

func newMetrics(version string) *metrics {
	m := &metrics{registry: prometheus.NewRegistry()}
	m.handler = promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{DisableCompression: true, MaxRequestsInFlight: 4})
	m.addRequests()
	m.addTokens()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "hmaproxy_build_info", Help: "Always 1; the label says which version runs.",
		ConstLabels: prometheus.Labels{"version": version},
	})
	build.Set(1)
	m.registry.MustRegister(build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) addRequests() {
	requests := m.counters("hmaproxy_requests_total", "Requests of clients, by operation and by the status that the client got (0: it had left).", "operation", "status")
	m.requests = newFamily(2048, requestLabels{"other", 0}, func(l requestLabels) prometheus.Counter {
		return requests.WithLabelValues(l.operation, statusLabel(l.status))
	})
	upstream := m.counters("hmaproxy_upstream_responses_total", "Answers of Exchange, by status.", "status")
	m.upstream = newFamily(128, 0, func(status int) prometheus.Counter { return upstream.WithLabelValues(statusLabel(status)) })

	durations := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "hmaproxy_request_duration_seconds", Buckets: requestSteps,
		Help: "Time from a request's head to the last byte of its answer, by outcome; streams of notifications are left out.",
	}, []string{"outcome"})
	m.registry.MustRegister(durations)
	m.durations = newFamily(16, served, func(o outcome) prometheus.Observer { return durations.WithLabelValues(string(o)) })

	m.denials = m.reasons(denialReasons(), "hmaproxy_denials_total", "Requests that the proxy refused, by reason.")
	m.failures = m.reasons(failureReasons(), "hmaproxy_failures_total", "Requests that failed for want of a token or of an answer from Exchange, or that the client left, by reason.")
	m.audit = m.reasons(auditReasons(), "hmaproxy_audit_refusals_total", "Requests that were forwarded in audit mode and that enforcing would have refused, by reason.")
	m.replays = m.counter("hmaproxy_replays_total", "Requests sent a second time because Exchange refused the token.")
	m.received = m.counter("hmaproxy_received_bytes_total", "Bytes of clients' bodies.")
	m.sent = m.counter("hmaproxy_sent_bytes_total", "Bytes of bodies sent to clients.")
	m.inFlight = prometheus.NewGauge(prometheus.GaugeOpts{Name: "hmaproxy_requests_in_flight", Help: "Requests under way, streams of notifications included."})
	m.registry.MustRegister(m.inFlight)
}

func (m *metrics) addTokens() {
	requests := m.counters("hmaproxy_token_requests_total", "Token requests to Entra ID, by why they were made.", "reason")
	m.tokenRequests = newFamily(8, token.Scheduled, func(r token.Reason) prometheus.Counter { return requests.WithLabelValues(string(r)) })
	failures := m.counters("hmaproxy_token_failures_total", "Token requests that brought none, by class and AADSTS code (0: none).", "class", "aadsts")
	m.tokenFailures = newFamily(128, failureLabels{token.Configuration, -1}, func(l failureLabels) prometheus.Counter {
		return failures.WithLabelValues(string(l.class), strconv.Itoa(l.aadsts))
	})
	m.tokenDurations = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "hmaproxy_token_request_duration_seconds", Buckets: tokenSteps, Help: "Time that Entra ID took for a token request.",
	})
	m.registry.MustRegister(m.tokenDurations)
}

func (m *metrics) counter(name, help string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	m.registry.MustRegister(c)
	return c
}

func (m *metrics) counters(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	m.registry.MustRegister(c)
	return c
}

// reasons makes a family of counters of which the known ones begin at 0.
func (m *metrics) reasons(known []proxy.Reason, name, help string) family[proxy.Reason, prometheus.Counter] {
	c := m.counters(name, help, "reason")
	f := newFamily(64, proxy.ReasonNone, func(reason proxy.Reason) prometheus.Counter { return c.WithLabelValues(reason.String()) })
	for _, reason := range known {
		f.get(reason)
	}
	return f
}

// done counts a request that is over.
func (m *metrics) done(r *proxy.Record, how outcome) {
	operation := r.Known
	if operation == "" {
		operation = "none"
	}
	m.requests.get(requestLabels{operation, r.Status}).Inc()
	if r.Upstream != 0 {
		m.upstream.get(r.Upstream).Inc()
	}
	if operation != streaming {
		m.durations.get(how).Observe(r.Duration.Seconds())
	}
	m.received.Add(float64(r.BytesIn))
	m.sent.Add(float64(r.BytesOut))
	m.unusual(r, how)
}

// unusual counts what most requests do not have.
func (m *metrics) unusual(r *proxy.Record, how outcome) {
	switch how {
	case refused:
		m.denials.get(r.Reason).Inc()
	case failed, left:
		m.failures.get(r.Reason).Inc()
	}
	if r.Audit != proxy.ReasonNone {
		m.audit.get(r.Audit).Inc()
	}
	if r.Replayed {
		m.replays.Inc()
	}
}

// attempted counts a token request.
func (m *metrics) attempted(a token.Attempt) {
	m.tokenRequests.get(a.Reason).Inc()
	m.tokenDurations.Observe(a.Duration.Seconds())
	if a.Err != nil {
		m.tokenFailures.get(failureLabels{a.Err.Class, a.Err.AADSTS}).Inc()
	}
}

// watch counts the requests that next has under way.
func (m *metrics) watch(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.inFlight.Inc()
		defer m.inFlight.Dec()
		next.ServeHTTP(w, r)
	})
}

// statusLabel keeps to statuses that exist.
func statusLabel(status int) string {
	if status != 0 && http.StatusText(status) == "" {
		return "other"
	}
	return strconv.Itoa(status)
}

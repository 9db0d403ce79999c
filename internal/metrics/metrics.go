// Package metrics counts events of the product and serves the counters to
// Prometheus. Apart from tests, no other package imports Prometheus's library. The
// number of values of each label is limited, and no value contains a mailbox.
package metrics

import (
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"hmaproxy/internal/outcome"
	"hmaproxy/proxy"
	"hmaproxy/token"
)

// Metrics is an http.Handler that serves all metrics. It is safe for concurrent
// use.
type Metrics struct {
	registry *prometheus.Registry
	handler  http.Handler
	requests requestMetrics
	tokens   tokenMetrics
	panics   prometheus.Counter
	accepts  prometheus.Counter

	malformed *prometheus.CounterVec
}

// maxScrapes limits the number of concurrent scrapes.
const maxScrapes = 4

// New returns metrics whose values are 0.
func New(version string) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	scraped := prometheus.NewRegistry()
	scraped.MustRegister(inOrder{m.registry})
	m.handler = promhttp.HandlerFor(scraped, promhttp.HandlerOpts{DisableCompression: true, MaxRequestsInFlight: maxScrapes})
	f := factory{m.registry}
	m.requests, m.tokens = newRequestMetrics(f), newTokenMetrics(f)
	m.panics = f.counter("hmaproxy_panics_total", "Panics while serving a request: faults of this program.")
	m.accepts = f.counter("hmaproxy_accept_failures_total", "Connections that could not be accepted, usually because the limit of open files is reached.")
	m.malformed = f.counters("hmaproxy_malformed_requests_total", "Requests refused because of their head: not HTTP/1, malformed, too large or too slow.", "status")
	for _, status := range malformedStatuses {
		m.malformed.WithLabelValues(statusLabel(status)).Add(0)
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "hmaproxy_build_info", Help: "Always 1; the label is the version.",
		ConstLabels: prometheus.Labels{"version": version},
	})
	build.Set(1)
	m.registry.MustRegister(build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// inOrder collects the metrics of a registry one after another, in the goroutine of
// one collector. A scrape of the registry itself starts goroutines for its collectors
// and waits for each of them to have a turn. During an overload, a turn takes up to
// 20 ms, and a scrape must not last longer than 100 ms.
type inOrder struct{ registry *prometheus.Registry }

// Describe describes nothing, because further metrics are registered later.
func (inOrder) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (i inOrder) Collect(out chan<- prometheus.Metric) { i.registry.Collect(out) }

// ServeHTTP serves all metrics.
func (m *Metrics) ServeHTTP(w http.ResponseWriter, r *http.Request) { m.handler.ServeHTTP(w, r) }

// Done counts a request that has ended.
func (m *Metrics) Done(r *proxy.Record, o outcome.Outcome) { m.requests.done(r, o) }

// TokenRequested counts a token request that has ended.
func (m *Metrics) TokenRequested(a token.Attempt) { m.tokens.done(a) }

// Panicked counts a panic while serving a request.
func (m *Metrics) Panicked() { m.panics.Inc() }

// AcceptFailed counts a connection that could not be accepted.
func (m *Metrics) AcceptFailed() { m.accepts.Inc() }

// malformedStatuses are the statuses of responses to malformed requests. Their
// counters exist from the start.
var malformedStatuses = [...]int{
	http.StatusBadRequest, http.StatusRequestTimeout, http.StatusExpectationFailed, http.StatusRequestHeaderFieldsTooLarge,
	http.StatusNotImplemented, http.StatusHTTPVersionNotSupported,
}

// Malformed counts a request that was refused with status because its head is
// malformed.
func (m *Metrics) Malformed(status int) { m.malformed.WithLabelValues(statusLabel(status)).Inc() }

// InFlight returns a handler that counts the requests that next is serving.
func (m *Metrics) InFlight(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.requests.inFlight.Inc()
		defer m.requests.inFlight.Dec()
		next.ServeHTTP(w, r)
	})
}

// Describe sends the description of every metric, whether or not it has a value
// yet.
func (m *Metrics) Describe(out chan<- *prometheus.Desc) { m.registry.Describe(out) }

// A factory makes metrics and registers them.
type factory struct{ registry *prometheus.Registry }

func (f factory) counter(name, help string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	f.registry.MustRegister(c)
	return c
}

func (f factory) counters(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	f.registry.MustRegister(c)
	return c
}

func (f factory) gauge(name, help string) prometheus.Gauge {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	f.registry.MustRegister(g)
	return g
}

func (f factory) histograms(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
	f.registry.MustRegister(h)
	return h
}

// reasons makes a family of counters with the label "reason". The counters of
// the reasons in known exist from the start, with the value 0.
func (f factory) reasons(known []proxy.Reason, name, help string) family[proxy.Reason, prometheus.Counter] {
	c := f.counters(name, help, "reason")
	counters := newFamily(64, proxy.ReasonNone, func(reason proxy.Reason) prometheus.Counter { return c.WithLabelValues(reason.String()) })
	for _, reason := range known {
		counters.get(reason)
	}
	return counters
}

// statusLabel returns a status as a label, or "other" if HTTP does not define the
// status. The label of status 0, which stands for no response, is "0".
func statusLabel(status int) string {
	if status != 0 && http.StatusText(status) == "" {
		return "other"
	}
	return strconv.Itoa(status)
}

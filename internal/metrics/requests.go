package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"hmaproxy/internal/outcome"
	"hmaproxy/proxy"
	"hmaproxy/proxy/ews"
)

// requestMetrics are the metrics of clients' requests.
type requestMetrics struct {
	requests  family[requestLabels, prometheus.Counter]
	upstream  family[int, prometheus.Counter]
	durations family[outcome.Outcome, prometheus.Observer]
	refusals  family[proxy.Reason, prometheus.Counter]
	failures  family[proxy.Reason, prometheus.Counter]
	audit     family[proxy.Reason, prometheus.Counter]
	faults    family[ews.ResponseCode, prometheus.Counter]
	replays   prometheus.Counter
	received  prometheus.Counter
	sent      prometheus.Counter
	unknown   prometheus.Counter
	inFlight  prometheus.Gauge
}

type requestLabels struct {
	operation string
	status    int
}

// requestBuckets returns the histogram's bounds in seconds. The lowest is about
// the duration of a GetFolder on a near Exchange. The highest is about the time
// after which clients give up.
func requestBuckets() []float64 {
	return []float64{.0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}
}

func newRequestMetrics(f factory) requestMetrics {
	requests := f.counters("hmaproxy_requests_total", "Requests of clients, by operation and by the status that the client got (0: it had left).", "operation", "status")
	upstream := f.counters("hmaproxy_upstream_responses_total", "Responses of Exchange, by status.", "status")
	durations := f.histograms("hmaproxy_request_duration_seconds",
		"Time from a request's head to the last byte of its response, by outcome; notification streams are left out.", requestBuckets(), "outcome")
	return requestMetrics{
		requests: newFamily(2048, requestLabels{"other", 0}, func(l requestLabels) prometheus.Counter {
			return requests.WithLabelValues(l.operation, statusLabel(l.status))
		}),
		upstream:  newFamily(128, 0, func(status int) prometheus.Counter { return upstream.WithLabelValues(statusLabel(status)) }),
		durations: newFamily(16, outcome.Served, func(o outcome.Outcome) prometheus.Observer { return durations.WithLabelValues(string(o)) }),
		refusals:  f.reasons(reasonsOf(proxy.ClassRefused), "hmaproxy_denials_total", "Requests that the proxy refused, by reason."),
		failures: f.reasons(reasonsOf(proxy.ClassFailed, proxy.ClassClientLeft), "hmaproxy_failures_total",
			"Requests without a token or a response of Exchange, and requests that the client left, by reason."),
		audit: f.reasons(auditReasons(), "hmaproxy_audit_refusals_total",
			"Requests that audit mode forwarded and enforce mode would have refused, by reason."),
		faults:   newFaultCounters(f),
		replays:  f.counter("hmaproxy_replays_total", "Requests sent a second time because Exchange refused the token."),
		received: f.counter("hmaproxy_received_bytes_total", "Bytes of clients' bodies."),
		sent:     f.counter("hmaproxy_sent_bytes_total", "Bytes of bodies sent to clients."),
		unknown:  f.counter("hmaproxy_unknown_ids_total", "Ids in bodies that were forwarded although their mailbox could not be read; counted while the allow-list has guid entries and its scope is targets."),
		inFlight: f.gauge("hmaproxy_requests_in_flight", "Requests in progress, notification streams included."),
	}
}

// otherFault is the label of response codes without an explanation.
const otherFault ews.ResponseCode = "other"

// newFaultCounters makes the counters of Exchange's SOAP faults. Codes that
// ews.FaultExplanations explains have a series each; all others share the series
// "other".
func newFaultCounters(f factory) family[ews.ResponseCode, prometheus.Counter] {
	c := f.counters("hmaproxy_exchange_faults_total", "SOAP faults of Exchange, by response code; other stands for the codes that concern the client alone.", "code")
	counters := newFamily(128, otherFault, func(code ews.ResponseCode) prometheus.Counter { return c.WithLabelValues(string(code)) })
	for _, explanation := range ews.FaultExplanations() {
		for _, code := range explanation.Codes {
			counters.get(code)
		}
	}
	counters.get(otherFault)
	return counters
}

// faultLabel returns the label of a response code.
func faultLabel(code ews.ResponseCode) ews.ResponseCode {
	if _, known := ews.ExplainFault(code); known {
		return code
	}
	return otherFault
}

func (m *requestMetrics) done(r *proxy.Record, o outcome.Outcome) {
	operation := r.Known
	if operation == "" {
		operation = "none"
	}
	m.requests.get(requestLabels{operation, r.Status}).Inc()
	if r.Upstream != 0 {
		m.upstream.get(r.Upstream).Inc()
	}
	if !outcome.IsStreaming(r) {
		m.durations.get(o).Observe(r.Duration.Seconds())
	}
	m.received.Add(float64(r.BytesIn))
	m.sent.Add(float64(r.BytesOut))
	switch o {
	case outcome.Refused:
		m.refusals.get(r.Reason).Inc()
	case outcome.Failed, outcome.Left:
		m.failures.get(r.Reason).Inc()
	}
	if r.Audit != proxy.ReasonNone {
		m.audit.get(r.Audit).Inc()
	}
	m.unknown.Add(float64(r.UnknownIDs))
	if r.Fault != "" {
		m.faults.get(faultLabel(r.Fault)).Inc()
	}
	if r.Replayed {
		m.replays.Inc()
	}
}

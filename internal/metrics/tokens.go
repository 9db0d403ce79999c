package metrics

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"hmaproxy/token"
)

// tokenMetrics are the metrics of token requests to Entra ID.
type tokenMetrics struct {
	requests  family[token.Reason, prometheus.Counter]
	failures  family[failureLabels, prometheus.Counter]
	durations prometheus.Observer
}

type failureLabels struct {
	class  token.Class
	aadsts int
}

// tokenBuckets returns the histogram's bounds in seconds, up to the timeout of a
// token request.
func tokenBuckets() []float64 { return []float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 15} }

func newTokenMetrics(f factory) tokenMetrics {
	requests := f.counters("hmaproxy_token_requests_total", "Token requests to Entra ID, by why they were made.", "reason")
	failures := f.counters("hmaproxy_token_failures_total", "Token requests that returned no token, by class and AADSTS code (0: none).", "class", "aadsts")
	return tokenMetrics{
		requests: newFamily(8, token.Scheduled, func(r token.Reason) prometheus.Counter { return requests.WithLabelValues(string(r)) }),
		failures: newFamily(128, failureLabels{token.Configuration, -1}, func(l failureLabels) prometheus.Counter {
			return failures.WithLabelValues(string(l.class), strconv.Itoa(l.aadsts))
		}),
		durations: f.histograms("hmaproxy_token_request_duration_seconds", "Time that Entra ID took for a token request.", tokenBuckets()).WithLabelValues(),
	}
}

func (m *tokenMetrics) done(a token.Attempt) {
	m.requests.get(a.Reason).Inc()
	m.durations.Observe(a.Duration.Seconds())
	if a.Err != nil {
		m.failures.get(failureLabels{a.Err.Class, a.Err.AADSTS}).Inc()
	}
}

package sidecar

import (
	"log/slog"
	"sync"
	"time"

	"hmaproxy/proxy"
)

// Lines of the log for requests without valid credentials: so many at once, and
// then one in a while. Whoever guesses passwords must not fill the disk.
const (
	strangerBurst = 10
	strangerPause = 10 * time.Second
)

// strangers thins out the log of requests that were refused for their
// credentials. Its zero value is ready for use.
type strangers struct {
	mu      sync.Mutex
	spent   int       // of the burst
	since   time.Time // when spent was last reckoned
	omitted int
}

// omit reports whether a request is not to be logged. Before the next line of
// its kind it logs how many were left out.
func (s *strangers) omit(log *slog.Logger, r *proxy.Record) bool {
	if r.Reason != proxy.ReasonCredentials {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if back := int(now.Sub(s.since) / strangerPause); back > 0 {
		s.spent, s.since = max(0, s.spent-back), now
	}
	if s.spent >= strangerBurst {
		s.omitted++
		return true
	}
	s.spent++
	if s.omitted > 0 {
		log.Warn("requests without valid credentials were left out of this log", "count", s.omitted)
		s.omitted = 0
	}
	return false
}

package accesslog

import (
	"log/slog"
	"net"
	"sync"
	"time"

	"hmaproxy/internal/logging"
	"hmaproxy/proxy"
)

// Limits for the lines of a client that repeats a failing request: a burst,
// then one line per interval with the number of lines left out. At most
// repeatKinds different requests are counted separately. All others with the
// same reason are counted together.
const (
	repeatBurst    = 10
	repeatInterval = 10 * time.Second
	repeatKinds    = 1024
)

// A repeat is the key by which the lines of a repeated request are merged.
type repeat struct {
	host, client, operation, mailbox, reason string
}

// repeatOf returns the key under which repetitions of a failed request are
// counted. ok is false for requests that did not fail.
func repeatOf(r *proxy.Record) (key repeat, ok bool) {
	reason := r.Reason.String()
	switch {
	case r.Reason.Class() == proxy.ClassFailed:
	case r.Reason == proxy.ReasonNone && r.Fault == "ErrorServerBusy": // throttling by Exchange
		reason = string(r.Fault)
	default:
		return repeat{}, false
	}
	host, _, err := net.SplitHostPort(r.Remote)
	if err != nil {
		host = r.Remote
	}
	return repeat{host, r.Client, r.Operation, r.Mailbox, reason}, true
}

// repeats merges the lines of repeated requests. It is safe for concurrent use.
type repeats struct {
	log *slog.Logger

	mu    sync.Mutex
	lines map[repeat]*repeatedLine
}

type repeatedLine struct {
	thinning *logging.Thinning
	omitted  int // number of omitted lines that the method "report" has not logged yet
	last     time.Time
}

// omit reports whether to leave out a line. It counts the lines that are left
// out; their number is logged within repeatInterval.
func (m *repeats) omit(key repeat) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	line := m.lines[key]
	if line == nil {
		if len(m.lines) >= repeatKinds && !m.forget(now) {
			key = repeat{reason: key.reason} // one counter for all other requests with this reason
		}
		if line = m.lines[key]; line == nil {
			line = &repeatedLine{thinning: logging.NewThinning(repeatBurst, repeatInterval)}
			m.lines[key] = line
		}
	}
	line.last = now
	if omit, _ := line.thinning.Count(); !omit {
		return false
	}
	if line.omitted++; line.omitted == 1 {
		time.AfterFunc(repeatInterval, func() { m.report(key, line) })
	}
	return true
}

// report logs the number of lines left out.
func (m *repeats) report(key repeat, line *repeatedLine) {
	m.mu.Lock()
	n := line.omitted
	line.omitted = 0
	m.mu.Unlock()
	if n == 0 {
		return
	}
	attrs := []any{"reason", key.reason, "count", n}
	for _, s := range [...]struct{ key, value string }{{"remote", key.host}, {"client", key.client}, {"operation", key.operation}, {"mailbox", key.mailbox}} {
		if s.value != "" {
			attrs = append(attrs, s.key, s.value)
		}
	}
	m.log.Warn("repetitions of a failed request were left out of this log", attrs...)
}

// forget removes counters that were last used so long ago that a new counter
// would have the same effect. It reports whether there is room for another
// counter.
func (m *repeats) forget(now time.Time) bool {
	for key, line := range m.lines {
		if line.omitted == 0 && now.Sub(line.last) > repeatBurst*repeatInterval {
			delete(m.lines, key)
		}
	}
	return len(m.lines) < repeatKinds
}

// close logs the counts that were not logged yet.
func (m *repeats) close() {
	m.mu.Lock()
	lines := m.lines
	m.lines = make(map[repeat]*repeatedLine)
	m.mu.Unlock()
	for key, line := range lines {
		m.report(key, line)
	}
}

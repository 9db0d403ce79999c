package logging

import (
	"sync"
	"time"
)

// Bounds on the lines of one kind: so many at once, and then one per interval.
// A client that causes lines must not fill the disk.
const (
	LineBurst    = 10
	LineInterval = 10 * time.Second
)

// A Thinning counts lines of one kind and decides which are left out. Its zero
// value is ready for use. It is safe for concurrent use.
type Thinning struct {
	mu      sync.Mutex
	spent   int       // lines of the burst that were written
	since   time.Time // when spent was last reduced
	omitted int       // lines left out since the last line that was written
}

// Count counts a line. omit says whether to leave it out. When it is not left
// out, omitted is the number of lines that were left out before it.
func (t *Thinning) Count() (omit bool, omitted int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if n := int(now.Sub(t.since) / LineInterval); n > 0 {
		t.spent, t.since = max(0, t.spent-n), now
	}
	if t.spent >= LineBurst {
		t.omitted++
		return true, 0
	}
	t.spent++
	omitted, t.omitted = t.omitted, 0
	return false, omitted
}

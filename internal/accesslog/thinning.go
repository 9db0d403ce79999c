package accesslog

import (
	"sync"
	"time"
)

// Bounds on the lines of one kind: so many at once, and then one per interval.
// A client that guesses passwords must not fill the disk.
const (
	lineBurst    = 10
	lineInterval = 10 * time.Second
)

// thinning counts lines of one kind and decides which are left out. Its zero
// value is ready for use.
type thinning struct {
	mu      sync.Mutex
	spent   int       // lines of the burst that were written
	since   time.Time // when spent was last reduced
	omitted int       // lines left out since the last line that was written
}

// count counts a line. omit says whether to leave it out. When it is not left
// out, omitted is the number of lines that were left out before it.
func (t *thinning) count() (omit bool, omitted int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if n := int(now.Sub(t.since) / lineInterval); n > 0 {
		t.spent, t.since = max(0, t.spent-n), now
	}
	if t.spent >= lineBurst {
		t.omitted++
		return true, 0
	}
	t.spent++
	omitted, t.omitted = t.omitted, 0
	return false, omitted
}

package logging

import (
	"sync"
	"time"
)

// A Thinning counts lines of one kind and decides which to leave out, so that a
// client cannot fill the disk. It is safe for concurrent use.
type Thinning struct {
	burst    int
	interval time.Duration

	mu      sync.Mutex
	spent   int       // number of lines of the burst that were written
	since   time.Time // time when spent was last reduced
	omitted int       // number of lines left out since the latest kept line
}

// NewThinning returns a Thinning that keeps the first lines, as many as burst says,
// and after these one line in each interval.
func NewThinning(burst int, interval time.Duration) *Thinning {
	return &Thinning{burst: burst, interval: interval}
}

// Count counts a line. omit says whether to leave it out. If the line is kept,
// omitted is the number of lines left out since the previous kept line.
func (t *Thinning) Count() (omit bool, omitted int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if n := int(now.Sub(t.since) / t.interval); n > 0 {
		t.spent, t.since = max(0, t.spent-n), now
	}
	if t.spent >= t.burst {
		t.omitted++
		return true, 0
	}
	t.spent++
	omitted, t.omitted = t.omitted, 0
	return false, omitted
}

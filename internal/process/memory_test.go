package process

import (
	"testing"
	"time"
)

func TestReleaseIsDue(t *testing.T) {
	const mib = 1 << 20
	type check struct {
		allocated, free uint64 // in MiB; allocated is the amount since the previous check
		due             bool
		goroutines      uint64 // number of goroutines; the test replaces a number below 20 by 20
		delay           time.Duration
	}
	for _, tc := range []struct {
		name   string
		checks []check
	}{
		{"after the start, and not while nothing happens", []check{{20, 4, true, 0, 0}, {0, 4, false, 0, 0}, {0, 4, false, 0, 0}}},
		{"quiet after a burst", []check{{20, 4, true, 0, 0}, {400, 100, false, 0, 0}, {1, 300, true, 0, 0}, {1, 10, false, 0, 0}}},
		{"little was allocated since the last release", []check{{20, 4, true, 0, 0}, {4, 4, false, 0, 0}, {4, 4, false, 0, 0}, {1, 4, true, 0, 0}}},
		{"a quiet time within a burst", []check{{20, 4, true, 0, 0}, {400, 4, false, 1000, 0}, {1, 4, true, 1000, 0}, {1, 4, false, 501, 0}, {1, 4, true, 499, 0}, {1, 4, false, 250, 0}}},
		{"steady load", []check{{20, 4, true, 0, 0}, {100, 16, false, 0, 0}, {100, 16, false, 0, 0}, {100, 31, false, 0, 0}, {100, 16, false, 0, 0}}},
		{"less load after a burst", []check{{20, 4, true, 0, 0}, {400, 100, false, 0, 0}, {20, 300, false, 0, 0}, {20, 300, true, 0, 0}, {20, 16, false, 0, 0}}},
		{"memory that is needed again", []check{{20, 4, true, 0, 0}, {100, 64, false, 0, 0}, {100, 16, false, 0, 0}, {100, 64, false, 0, 0}, {100, 64, false, 0, 0}, {100, 64, true, 0, 0}}},
		{"an overload after the start", []check{{20, 4, false, busyGoroutines, 0}, {400, 4, false, busyGoroutines, 0}, {100, 4, true, busyGoroutines - 1, 0}}},
		{"a wait with few goroutines", []check{{20, 4, true, busyGoroutines - 1, busyDelay + 1}}},
		{"a machine that is busy with other programs", []check{{20, 4, true, 0, time.Second}, {1, 4, false, 0, time.Second}}},
		{"an overload, then quiet", []check{{20, 4, true, 0, 0}, {400, 100, false, 1000, time.Second}, {400, 100, false, 1000, time.Second}, {400, 100, false, 1000, 0}, {1, 300, true, 1000, 0}}},
		{"an overload, then less load", []check{{20, 4, true, 0, 0}, {400, 100, false, 1000, 0}, {400, 100, false, 1000, 0}, {400, 100, false, 1000, time.Second}, {20, 300, false, 1000, busyDelay}, {20, 300, false, 1000, busyDelay}, {20, 300, true, 1000, busyDelay}}},
		{"an overload with short waits", []check{{20, 4, true, 0, 0}, {200, 40, false, 5000, 0}, {100, 40, false, 5000, 0}, {100, 40, false, 5000, busyDelay + 1}, {50, 40, false, 5000, 0}, {50, 40, false, 5000, 0}}},
		{"a burst, then many busy clients", []check{{20, 4, true, 0, 0}, {400, 300, false, 1000, time.Second}, {300, 300, false, 600, 0}, {300, 300, false, 600, 0}, {300, 300, true, 600, 0}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var r releaser
			allocated := uint64(0)
			for i, c := range tc.checks {
				allocated += c.allocated * mib
				if got := r.due(allocated, c.free*mib, max(c.goroutines, 20), c.delay); got != c.due {
					t.Errorf("check %d: due %v, want %v", i, got, c.due)
				}
			}
		})
	}
}

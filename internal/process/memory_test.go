package process

import "testing"

func TestReleaseIsDue(t *testing.T) {
	const mib = 1 << 20
	type check struct {
		allocated, free uint64 // in MiB; allocated since the check before
		due             bool
	}
	for _, tc := range []struct {
		name   string
		checks []check
	}{
		{"after the start, and not while nothing happens", []check{{20, 4, true}, {0, 4, false}, {0, 4, false}}},
		{"quiet after a burst", []check{{20, 4, true}, {400, 100, false}, {1, 300, true}, {1, 10, false}}},
		{"little was allocated since the last release", []check{{20, 4, true}, {4, 4, false}, {4, 4, false}, {1, 4, true}}},
		{"steady load", []check{{20, 4, true}, {100, 16, false}, {100, 16, false}, {100, 31, false}, {100, 16, false}}},
		{"less load after a burst", []check{{20, 4, true}, {400, 100, false}, {20, 300, false}, {20, 300, true}, {20, 16, false}}},
		{"memory that is needed again", []check{{20, 4, true}, {100, 64, false}, {100, 16, false}, {100, 64, false}, {100, 64, false}, {100, 64, true}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var r releaser
			allocated := uint64(0)
			for i, c := range tc.checks {
				allocated += c.allocated * mib
				if got := r.due(allocated, c.free*mib); got != c.due {
					t.Errorf("check %d: due %v, want %v", i, got, c.due)
				}
			}
		})
	}
}

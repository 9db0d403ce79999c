package process

import (
	"math"
	"runtime/metrics"
	"testing"
	"time"
)

func TestQuantile(t *testing.T) {
	buckets := []float64{math.Inf(-1), 0, 0.001, 0.010, 0.100, math.Inf(1)}
	for _, tc := range []struct {
		name           string
		before, counts []uint64
		want           time.Duration
	}{
		{"nothing", []uint64{0, 5, 0, 0, 0}, []uint64{0, 5, 0, 0, 0}, 0},
		{"one of ten is late", []uint64{0, 0, 0, 0, 0}, []uint64{0, 9, 0, 1, 0}, 0},
		{"two of ten are late", []uint64{0, 0, 0, 0, 0}, []uint64{0, 8, 0, 2, 0}, 10 * time.Millisecond},
		{"late ones before", []uint64{0, 0, 0, 1000, 0}, []uint64{0, 10, 0, 1000, 0}, 0},
		{"all in the last bucket", []uint64{0, 0, 0, 0, 0}, []uint64{0, 0, 0, 0, 3}, 100 * time.Millisecond},
		{"below zero", []uint64{0, 0, 0, 0, 0}, []uint64{3, 0, 0, 0, 0}, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := &metrics.Float64Histogram{Counts: tc.counts, Buckets: buckets}
			if got := quantile(h, tc.before, 0.9); got != tc.want {
				t.Errorf("%v, want %v", got, tc.want)
			}
		})
	}
}

// TestSchedulerDelayReadsTheRuntime checks that the metric exists and has the
// expected form.
func TestSchedulerDelayReadsTheRuntime(t *testing.T) {
	var d SchedulerDelay
	if got := d.Since(); got != 0 {
		t.Errorf("at first %v", got)
	}
	if got := d.Since(); got < 0 || len(d.before) == 0 {
		t.Errorf("then %v of %d buckets", got, len(d.before))
	}
}

package process

import (
	"math"
	"runtime/metrics"
	"sync"
	"time"
)

// A SchedulerDelay measures how long runnable goroutines wait for a processor.
// Its zero value is ready to use, and it is safe for concurrent use.
type SchedulerDelay struct {
	mu     sync.Mutex
	sample [1]metrics.Sample
	before []uint64
}

// Since returns the 90th percentile of the waits since the last call, zero at
// the first call. It is an approximation, because the runtime counts in
// buckets.
func (d *SchedulerDelay) Since() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sample[0].Name = "/sched/latencies:seconds"
	metrics.Read(d.sample[:])
	h := d.sample[0].Value.Float64Histogram()
	if len(d.before) != len(h.Counts) {
		d.before = append([]uint64(nil), h.Counts...)
		return 0
	}
	delay := quantile(h, d.before, 0.9)
	copy(d.before, h.Counts)
	return delay
}

// quantile returns the lower bound of the bucket that contains the quantile q. It
// considers only the counts that were added to h since the sample in before.
func quantile(h *metrics.Float64Histogram, before []uint64, q float64) time.Duration {
	var total uint64
	for i, n := range h.Counts {
		total += n - before[i]
	}
	rest := uint64(math.Ceil(float64(total) * q))
	for i, n := range h.Counts {
		if n -= before[i]; n < rest {
			rest -= n
			continue
		}
		if total == 0 || h.Buckets[i] < 0 { // the first bucket begins at minus infinity
			return 0
		}
		return time.Duration(h.Buckets[i] * float64(time.Second))
	}
	return 0
}

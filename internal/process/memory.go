package process

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// Rules for returning memory to the system.
const (
	releaseInterval = 5 * time.Second // between checks; start-up is over at the first one
	quietBytes      = 8 << 20         // a quiet interval allocates at most this: some hundred requests a second
	releaseBytes    = 8 << 20         // allocated since the last release, before another is worth its cost
)

// ReleaseMemory returns unused memory to the system until ctx ends: once after
// the start, and after every quiet interval. A sidecar is idle most of the time
// and shares the machine with its client; opening notification streams needs a
// multiple of the memory that they keep.
//
// It concerns the whole process: run it once, from main.
func ReleaseMemory(ctx context.Context) {
	tick := time.NewTicker(releaseInterval)
	defer tick.Stop()
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	last, released := uint64(0), uint64(0)
	for first := true; ; first = false {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		metrics.Read(sample)
		now := sample[0].Value.Uint64()
		if first || now-last < quietBytes && now-released > releaseBytes {
			debug.FreeOSMemory()
			released = now
		}
		last = now
	}
}

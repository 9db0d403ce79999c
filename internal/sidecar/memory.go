package sidecar

import (
	"context"
	"runtime/debug"
	gometrics "runtime/metrics"
	"time"
)

// Bounds of what counts as a quiet time.
const (
	quietPeriod = 5 * time.Second // a start is over after one, too
	quietBytes  = 8 << 20         // allocated in it at most: some hundred requests a second
	worthwhile  = 8 << 20         // allocated since the last time, before memory is given back again
)

// giveBack returns the memory that is not needed to the system, after the start
// and in quiet times: a sidecar idles most of its life beside software that
// could use it, and streams of notifications need a multiple of what they hold
// while they are opened.
func giveBack(ctx context.Context) {
	tick := time.NewTicker(quietPeriod)
	defer tick.Stop()
	sample := []gometrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	last, given := uint64(0), uint64(0)
	for first := true; ; first = false {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		gometrics.Read(sample)
		now := sample[0].Value.Uint64()
		if first || now-last < quietBytes && now-given > worthwhile {
			debug.FreeOSMemory()
			given = now
		}
		last = now
	}
}

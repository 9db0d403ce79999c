package sidecar

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	goruntime "runtime/metrics"
	"time"
)

// settled is when a start is over: certificates parsed, roots read, the first
// token there or the first attempts behind.
const settled = 5 * time.Second

// giveBack returns the memory that only the start needed to the system, once.
// A sidecar idles most of its life beside software that could use it.
func giveBack(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(settled):
		debug.FreeOSMemory()
	}
}

// What the heap may hold in garbage before it is collected. Go's own rule, as
// much as is in use, collects a sidecar's small heap a hundred times a second
// under load, and lets the heap of thousands of streams grow to twice its size.
const (
	garbage    = 16 << 20 // a small heap's
	mostGC     = 25       // percent of what is in use: a large heap's
	leastGC    = 400      // percent, which makes 16 MiB of Go's least heap of 4
	collection = "/gc/heap/live:bytes"
)

// A collector sets how much garbage there may be, anew after each collection.
type collector struct {
	percent int
	sample  []goruntime.Sample
}

// TuneMemory sets how the garbage collector works for the process, from now on
// and by what is in use, unless whoever started it has chosen by GOGC.
func TuneMemory() {
	if os.Getenv("GOGC") != "" {
		return
	}
	c := &collector{sample: []goruntime.Sample{{Name: collection}}}
	c.tune()
}

// A sentinel has a pointer, because Go puts smaller objects without one together.
type sentinel struct{ _ *collector }

// tune is called after each collection: the sentinel is garbage in the next.
func (c *collector) tune() {
	goruntime.Read(c.sample)
	if want := percentFor(c.sample[0].Value.Uint64()); want != c.percent {
		c.percent = want
		debug.SetGCPercent(want)
	}
	runtime.AddCleanup(new(sentinel), (*collector).tune, c)
}

// percentFor returns GOGC for a heap of which live bytes are in use, in steps,
// because setting it stops the world.
func percentFor(live uint64) int {
	percent := leastGC
	for percent/2 >= mostGC && uint64(percent)*live/100 > garbage {
		percent /= 2
	}
	return percent
}

package sidecar

import (
	"os"
	"runtime"
	"runtime/debug"
	gometrics "runtime/metrics"
)

// TuneRuntime sets how the process uses processors and memory, from now on:
// like a sidecar that mostly waits. What whoever started the process has chosen
// by GOMAXPROCS and GOGC stays.
//
// One processor carries some ten thousand requests a second, and a request that
// comes alone costs much less where no other has to be woken to look for work
// that there is not: docs/performance.md has the figures.
func TuneRuntime() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(1)
	}
	if os.Getenv("GOGC") == "" {
		c := &collector{sample: []gometrics.Sample{{Name: "/gc/heap/live:bytes"}}}
		c.tune()
	}
}

// How much garbage there may be before it is collected. Go's own rule, as much
// as is in use, collects a sidecar's small heap a hundred times a second under
// load, and lets the heap of thousands of streams grow to twice its size.
const (
	garbage = 16 << 20 // bytes
	leastGC = 400      // percent of what is in use, at which Go's least heap of 4 MiB is one of 16
	mostGC  = 25       // percent, however much is in use
)

// A collector sets how much garbage there may be, anew after each collection.
type collector struct {
	percent int
	sample  []gometrics.Sample
}

// A sentinel has a pointer, because Go puts smaller objects without one together.
type sentinel struct{ _ *collector }

// tune is called after each collection: the sentinel is garbage in the next.
func (c *collector) tune() {
	gometrics.Read(c.sample)
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
	for percent > mostGC && uint64(percent)*live/100 > garbage {
		percent /= 2
	}
	return percent
}

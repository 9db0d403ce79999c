package process

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// TuneRuntime sets how the Go runtime uses processors and memory, for a sidecar
// that waits most of the time. It does not change what GOMAXPROCS, GOGC and
// GOMEMLIMIT set. Call it once, at start.
//
// One processor serves about ten thousand requests a second. With one
// processor, a single request costs much less, because no other processor is
// woken to look for work: docs/performance.md has the measurements.
func TuneRuntime() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(1)
	}
	if os.Getenv("GOGC") == "" {
		c := &collector{sample: []metrics.Sample{{Name: "/gc/heap/live:bytes"}}}
		c.tune()
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		if limit := cgroupLimit(os.DirFS("/")); limit < math.MaxInt64 {
			debug.SetMemoryLimit(heapLimit(limit))
		}
	}
}

// heapLimit returns GOMEMLIMIT for a control group's limit. It leaves a quarter
// for memory that Go does not count: the buffers of sockets and the program's
// own pages.
func heapLimit(group int64) int64 { return group / 4 * 3 }

// Limits for the garbage that accumulates before a collection. Go's own limit is
// as much garbage as live heap. Under load, that limit would collect a small heap
// a hundred times a second, and let the heap of thousands of streams double.
const (
	targetGarbage = 16 << 20 // bytes
	maxPercent    = 400      // percent of the live heap; at Go's minimum heap of 4 MiB that is 16 MiB
	minPercent    = 25       // percent of the live heap, however large it is
)

// A collector sets GOGC after each garbage collection.
type collector struct {
	percent int
	sample  []metrics.Sample
}

// A sentinel is an object with a cleanup: tune runs when the garbage collector
// has freed it. It contains a pointer, because the allocator combines small
// objects without pointers into one block, which would be freed late.
type sentinel struct{ _ *collector }

// tune runs after each garbage collection. It allocates the sentinel that the
// next collection frees.
func (c *collector) tune() {
	metrics.Read(c.sample)
	if want := percentFor(c.sample[0].Value.Uint64()); want != c.percent {
		c.percent = want
		debug.SetGCPercent(want)
	}
	runtime.AddCleanup(new(sentinel), (*collector).tune, c)
}

// percentFor returns GOGC for a live heap of the given size: maxPercent, halved
// until the garbage is at most targetGarbage or the percentage is minPercent.
// Halving makes the value change rarely, because setting GOGC stops the world.
func percentFor(live uint64) int {
	percent := maxPercent
	for percent > minPercent && uint64(percent)*live/100 > targetGarbage {
		percent /= 2
	}
	return percent
}

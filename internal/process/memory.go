package process

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// Rules for returning memory to the system.
const (
	releaseInterval = 5 * time.Second // interval between checks; the first check comes after the start-up
	quietBytes      = 8 << 20         // an interval in which fewer bytes are allocated is quiet (fewer than a few hundred requests a second)
	releaseBytes    = 8 << 20         // after a quiet interval, memory is released if more bytes than this were allocated since the last release, or the number of goroutines has fallen below half

	// If burstBytes or more are free at burstChecks consecutive checks, this memory
	// remains from a burst of requests. While requests continue at a constant rate,
	// Go's collector lets only half as much free memory accumulate.
	burstBytes  = 32 << 20
	burstChecks = 3

	// While requests continue and there are many goroutines, memory is returned only if
	// goroutines waited for a processor for at most busyDelay at burstChecks consecutive
	// checks. One check
	// does not suffice, because the limit of requests in progress makes the waits
	// short for some seconds of an overload, too. Returning memory takes a processor
	// for up to 50 ms, in which no goroutine runs on it.
	busyDelay = time.Millisecond
	// busyGoroutines is the number of goroutines from which they are many, so that the
	// waits decide. With
	// fewer goroutines, hmaproxy has little memory to return, and other programs
	// cause long waits.
	busyGoroutines = 256
)

// ReleaseMemory returns unused memory to the system until ctx ends. It does so once
// after the start, after a quiet interval if enough memory was allocated or freed
// since the last release, and within 30 seconds of the end of a burst, even if
// requests continue. It waits while there are so many requests that goroutines wait
// for a processor.
//
// A sidecar is idle most of the time and shares the machine with its client. Opening
// notification streams needs several times the memory that open streams keep.
//
// ReleaseMemory affects the whole process: run it once, from main.
func ReleaseMemory(ctx context.Context) {
	tick := time.NewTicker(releaseInterval)
	defer tick.Stop()
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/memory/classes/heap/free:bytes"}, {Name: "/sched/goroutines:goroutines"}}
	var r releaser
	var delay SchedulerDelay
	delay.Since() // the first call returns zero, as if no goroutine had waited
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		metrics.Read(sample)
		if r.due(sample[0].Value.Uint64(), sample[1].Value.Uint64(), sample[2].Value.Uint64(), delay.Since()) {
			runtime.GC() // collect once more, because a sync.Pool keeps its content for one collection
			debug.FreeOSMemory()
		}
	}
}

// A releaser decides when to return memory to the system.
type releaser struct {
	begun      bool   // memory has been released once
	last       uint64 // value of allocated at the last check
	released   uint64 // value of allocated at the last release
	unused     int    // number of consecutive checks that found a burst's memory and short waits
	goroutines uint64 // number of goroutines at the last release; requests that have ended since then have freed memory
}

// due is called at each check and reports whether to release memory. allocated
// is the number of bytes allocated since the start; free is the number of bytes
// that are neither used nor returned to the system; goroutines is the number of
// goroutines, and delay is how long they wait for a processor.
func (r *releaser) due(allocated, free, goroutines uint64, delay time.Duration) bool {
	quiet := allocated-r.last < quietBytes && (allocated-r.released > releaseBytes || goroutines < r.goroutines/2)
	r.last = allocated
	many := goroutines >= busyGoroutines
	if r.unused++; free < burstBytes || many && delay > busyDelay {
		r.unused = 0
	}
	due := quiet || r.unused >= burstChecks || !r.begun && !many
	if due {
		*r = releaser{begun: true, last: allocated, released: allocated, goroutines: goroutines}
	}
	return due
}

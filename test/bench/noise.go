//go:build linux

package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	// noiseLimit is the share of the processors that other programs and virtual
	// machines may use. Above it the results mean little.
	noiseLimit = 0.1
	// lateLimit is the acceptable median delay in sending requests at a fixed
	// rate. A proxy adds several hundred microseconds to the latency.
	lateLimit = 100 * time.Microsecond
)

// A moment is the CPU time that was used up to a point in time.
type moment struct {
	at     time.Time
	busy   time.Duration // CPU time of all programs of this machine
	stolen time.Duration // CPU time of other virtual machines
	own    time.Duration // CPU time of this program and its children
}

// A noise contains the share of the processors that other programs used during a
// part of the benchmark, and the share that other virtual machines used.
type noise struct {
	part           string
	others, stolen float64
}

func (b *bench) now() (moment, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return moment{}, err
	}
	m, err := parseStat(string(text))
	m.at, m.own = time.Now(), b.spent()
	return m, err
}

// parseStat reads the line for all processors: ticks spent in user, nice, system,
// idle, iowait, irq, softirq and steal; see proc(5).
func parseStat(text string) (moment, error) {
	var ticks [8]int64
	fields := strings.Fields(text)
	if len(fields) < 9 || fields[0] != "cpu" {
		return moment{}, fmt.Errorf("/proc/stat begins with %.60q", text)
	}
	for i := range ticks {
		if _, err := fmt.Sscan(fields[i+1], &ticks[i]); err != nil {
			return moment{}, fmt.Errorf("/proc/stat: %q: %w", fields[i+1], err)
		}
	}
	const tick = 10 * time.Millisecond
	busy := ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6]
	return moment{busy: time.Duration(busy) * tick, stolen: time.Duration(ticks[7]) * tick}, nil
}

// spent returns the CPU time that this program, its child processes and wrk have
// used so far.
func (b *bench) spent() time.Duration {
	var self syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &self) // Getrusage cannot fail with these arguments
	sum := b.loading + time.Duration(self.Utime.Nano()+self.Stime.Nano())
	for _, p := range b.started {
		select {
		case <-p.done:
			sum += p.used
		default:
			sum += p.cpu()
		}
	}
	return sum
}

// listen runs a part of the benchmark and records which share of the processors
// other programs used during the run.
func (b *bench) listen(part string, run func() error) error {
	before, err := b.now()
	if err != nil {
		return err
	}
	if err := run(); err != nil {
		return err
	}
	after, err := b.now()
	b.noise = append(b.noise, between(part, before, after, runtime.NumCPU()))
	return err
}

func between(part string, before, after moment, processors int) noise {
	all := after.at.Sub(before.at).Seconds() * float64(processors)
	others := (after.busy - before.busy) - (after.own - before.own)
	return noise{part, max(0, others.Seconds()/all), (after.stolen - before.stolen).Seconds() / all}
}

// printNoise prints how reliable the figures are.
func (b *bench) printNoise(w io.Writer) {
	fmt.Fprintln(w, "\nNoise")
	for _, n := range b.noise {
		fmt.Fprintf(w, "  %s: other programs had %.0f %% of the processors, other virtual machines %.0f %%\n", n.part, n.others*100, n.stolen*100)
		if n.others+n.stolen > noiseLimit {
			fmt.Fprintf(w, "  WARNING: above %.0f %% figures cannot be believed: measure %s again on a quiet machine\n", noiseLimit*100, n.part)
		}
	}
	if len(b.late) == 0 {
		return
	}
	sorted := slices.Sorted(slices.Values(b.late))
	p50, p99 := sorted[len(sorted)/2], sorted[len(sorted)*99/100]
	fmt.Fprintf(w, "  rate: requests went out %.0f µs late at the median, %.0f at the 99th percentile\n", micro(p50), micro(p99))
	if p50 > lateLimit {
		fmt.Fprintf(w, "  WARNING: of the latencies at a fixed rate more than %.0f µs are the sender's own\n", micro(lateLimit))
	}
}

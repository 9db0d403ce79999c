//go:build linux

package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// noiseLimit is the share of the processors from which on figures mean little.
const noiseLimit = 0.1

// A moment is the time that the processors have spent so far.
type moment struct {
	at          time.Time
	busy, stole time.Duration // by everybody; by other virtual machines
	own         time.Duration // by this program and what it started
}

// now adds up what has ended and what still runs.
func (b *bench) now() moment {
	m := moment{at: time.Now()}
	text, _ := os.ReadFile("/proc/stat")
	var ticks [8]int64 // user, nice, system, idle, iowait, irq, softirq, steal; see proc(5)
	line, _, _ := strings.Cut(string(text), "\n")
	_, _ = fmt.Sscanf(line, "cpu %d %d %d %d %d %d %d %d", &ticks[0], &ticks[1], &ticks[2], &ticks[3], &ticks[4], &ticks[5], &ticks[6], &ticks[7])
	const tick = 10 * time.Millisecond
	m.busy = time.Duration(ticks[0]+ticks[1]+ticks[2]+ticks[5]+ticks[6]) * tick
	m.stole = time.Duration(ticks[7]) * tick
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var used syscall.Rusage
		if syscall.Getrusage(who, &used) == nil {
			m.own += time.Duration(used.Utime.Nano() + used.Stime.Nano())
		}
	}
	if b.backend != nil {
		m.own += b.backend.cpu()
	}
	return m
}

// printNoise says how much of the processors others had since began.
func (b *bench) printNoise(w io.Writer, began moment) {
	end := b.now()
	all := end.at.Sub(began.at).Seconds() * float64(runtime.NumCPU())
	others := max(0, (end.busy-began.busy-(end.own-began.own)).Seconds()/all)
	stolen := (end.stole - began.stole).Seconds() / all
	fmt.Fprintf(w, "\nOther programs had %.0f %% of the processors meanwhile, other virtual machines %.0f %%.\n", others*100, stolen*100)
	if others+stolen > noiseLimit {
		fmt.Fprintln(w, "That is too much for these figures to be believed: run it again on a quiet machine.")
	}
}

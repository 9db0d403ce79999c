//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// TestStatCountsAllButIdleAndWaiting checks which fields of /proc/stat are added
// up. Every number in the line is different, so the test fails if a wrong field is
// read. proc(5) defines the order of the fields.
func TestStatCountsAllButIdleAndWaiting(t *testing.T) {
	got, err := parseStat("cpu  1000000 200000 30000 999 888 4000 500 77 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n")
	if err != nil {
		t.Fatal(err)
	}
	if want := 12345 * time.Second; got.busy != want {
		t.Errorf("busy for %v, want %v", got.busy, want)
	}
	if want := 770 * time.Millisecond; got.stolen != want {
		t.Errorf("stolen %v, want %v", got.stolen, want)
	}
}

func TestParseStatRejectsMalformedText(t *testing.T) {
	for _, text := range []string{"", "cpu 1 2 3 4 5 6 7\n", "cpu0 1 2 3 4 5 6 7 8\n", "cpu 1 2 3 4 5 6 7 x\n"} {
		if _, err := parseStat(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

// TestNoiseIsTheShareOfOtherPrograms checks the shares of ten seconds on two
// processors, which have twenty seconds of CPU time. Of the eight busy seconds,
// the benchmark used five.
func TestNoiseIsTheShareOfOtherPrograms(t *testing.T) {
	before := moment{at: time.Unix(100, 0), busy: time.Hour, stolen: time.Minute, own: time.Second}
	after := moment{at: time.Unix(110, 0), busy: time.Hour + 8*time.Second, stolen: time.Minute + time.Second, own: 6 * time.Second}
	if got, want := between("cpu", before, after, 2), (noise{"cpu", 0.15, 0.05}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestWarnings(t *testing.T) {
	for name, c := range map[string]struct {
		noise    noise
		late     time.Duration
		warnings int
	}{
		"quiet":              {noise{"cpu", 0.05, 0.04}, 20 * time.Microsecond, 0},
		"other programs":     {noise{"cpu", 0.11, 0}, 20 * time.Microsecond, 1},
		"other machines too": {noise{"cpu", 0.06, 0.05}, 20 * time.Microsecond, 1},
		"a late sender":      {noise{"rate", 0, 0}, 500 * time.Microsecond, 1},
	} {
		var out bytes.Buffer
		b := &bench{noise: []noise{c.noise}, late: []time.Duration{c.late, c.late, c.late}}
		b.printNoise(&out)
		if got := strings.Count(out.String(), "WARNING"); got != c.warnings {
			t.Errorf("%s: %d warnings, want %d:\n%s", name, got, c.warnings, &out)
		}
	}
}

// TestCPUOfStoppedWorkersIsCounted checks that stop counts the CPU time of a
// worker that is killed together with its master. No process waits for such a
// worker, so the system attributes its CPU time to no process.
func TestCPUOfStoppedWorkersIsCounted(t *testing.T) {
	b := new(bench)
	dir := t.TempDir()
	const work = `(i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; echo done; exec sleep 60) & wait`
	p, err := b.start(context.Background(), dir, nil, "sh", "-c", work)
	if err != nil {
		t.Fatal(err)
	}
	err = p.poll(context.Background(), func() error {
		if p.said() != "done" {
			return errors.New("it still works")
		}
		return nil
	})
	running := b.spent()
	p.stop()
	if err != nil {
		t.Fatal(err)
	}
	if worked := p.used; worked < 10*time.Millisecond {
		t.Errorf("a loop of 300,000 turns counted as %v", worked)
	}
	if stopped := b.spent(); stopped < running {
		t.Errorf("%v before the stop, %v after it", running, stopped)
	}
}

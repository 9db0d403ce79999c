//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"hmaproxy/internal/procstatus"
)

// A usage is what a process uses.
type usage struct {
	memory     int // resident memory in KiB
	files      int // open files, including connections
	goroutines int
}

func (u usage) String() string {
	return fmt.Sprintf("%.1f MiB, %d files, %d goroutines", float64(u.memory)/1024, u.files, u.goroutines)
}

const (
	// returnTime is longer than hmaproxy takes to return the memory of a burst and
	// to close idle connections to Exchange, which it does after 55 s.
	returnTime = 65 * time.Second
	// maxMemoryGrowth permits another size of the Go heap, in KiB. maxFileGrowth and
	// maxGoroutineGrowth permit that something is in progress during a measurement.
	maxMemoryGrowth    = 16 << 10
	maxFileGrowth      = 4
	maxGoroutineGrowth = 8
)

// growth returns an error if u is larger than before.
func (u usage) growth(before usage) error {
	var grown []error
	for _, g := range []struct {
		what          string
		now, was, max int
	}{
		{"KiB of memory", u.memory, before.memory, maxMemoryGrowth},
		{"files", u.files, before.files, maxFileGrowth},
		{"goroutines", u.goroutines, before.goroutines, maxGoroutineGrowth},
	} {
		if g.now > g.was+g.max {
			grown = append(grown, fmt.Errorf("%d %s, %d after the warm-up", g.now, g.what, g.was))
		}
	}
	return errors.Join(grown...)
}

// usage returns what the process uses.
func (p *proxy) usage() (u usage, err error) {
	goroutines, err := p.metric("go_goroutines") // its connection is one of the files each time
	pid := p.process.Process.Pid
	files, filesErr := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	resident, memoryErr := procstatus.Memory(pid, "VmRSS")
	u = usage{memory: int(resident >> 10), files: len(files), goroutines: int(goroutines)}
	return u, errors.Join(filesErr, memoryErr, err)
}

// metric returns the value of a metric of hmaproxy.
func (p *proxy) metric(name string) (float64, error) {
	resp, err := p.client.Get("http://" + p.admin + "/metrics")
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strconv.ParseFloat(strings.TrimSpace(value), 64)
		}
	}
	return 0, fmt.Errorf("the response to GET /metrics is %s, without %s", resp.Status, name)
}

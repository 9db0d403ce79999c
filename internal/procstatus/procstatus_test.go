package procstatus

import (
	"errors"
	"io/fs"
	"testing"
)

func TestParse(t *testing.T) {
	const status = "Name:\tcat\nVmHWM:\t    1664 kB\nVmRSS:\t    1660 kB\nThreads:\t1\nVmSwap:\tmany kB\n" // the form in proc_pid_status(5)
	for _, c := range []struct {
		field string
		want  int64 // 0: an error
	}{
		{"VmRSS", 1660 * 1024},
		{"VmHWM", 1664 * 1024},
		{"VmPeak", 0},
		{"Vm", 0},
		{"VmSwap", 0},
	} {
		got, err := parse(status, "status", c.field)
		if got != c.want || (err != nil) != (c.want == 0) {
			t.Errorf("%s: %d, %v; want %d", c.field, got, err, c.want)
		}
	}
}

func TestMemoryOfNoProcess(t *testing.T) {
	if _, err := Memory(-1, "VmRSS"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

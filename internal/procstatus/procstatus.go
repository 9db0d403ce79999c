// Package procstatus reads the memory of a process from Linux's /proc, for tests
// and measurements.
package procstatus

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Memory returns a field of /proc/PID/status that is an amount of memory, such as
// VmRSS (resident) or VmHWM (the most that was resident), in bytes. If there is no
// such process or the system has no /proc, errors.Is(err, fs.ErrNotExist) is true.
func Memory(pid int, field string) (int64, error) {
	path := fmt.Sprintf("/proc/%d/status", pid)
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return parse(string(text), path, field)
}

// parse returns the field of a status file. See proc_pid_status(5) for its format.
func parse(text, path, field string) (int64, error) {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, field+":"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("%s: %s: %w", path, field, err)
			}
			return kib << 10, nil
		}
	}
	return 0, fmt.Errorf("%s has no %s", path, field)
}

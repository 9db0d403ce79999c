package process

import (
	"io/fs"
	"math"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
)

// MemoryLimit returns how many bytes of memory the process may use: the lowest
// of GOMEMLIMIT and the limits of its control groups, math.MaxInt64 where there
// is no limit.
func MemoryLimit() int64 {
	return min(debug.SetMemoryLimit(-1), cgroupLimit(os.DirFS("/")))
}

// cgroupLimit returns the lowest memory limit in bytes of the process's control group
// and its ancestors, math.MaxInt64 if there is none. It reads control groups of
// version 1 and 2. A container often sees its own group as the root of the cgroup file
// system although /proc names another path. The search goes up to the root, so it also
// finds the limit of the container.
func cgroupLimit(root fs.FS) int64 {
	limit := int64(math.MaxInt64)
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return limit
	}
	for line := range strings.Lines(string(groups)) {
		// "0::/system.slice/x" in version 2, "4:memory:/docker/x" in version 1.
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		mount, file := "sys/fs/cgroup", "memory.max"
		if parts[1] != "" {
			if !hasMemory(parts[1]) {
				continue
			}
			mount, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		}
		for group := path.Clean("/" + parts[2]); ; group = path.Dir(group) {
			limit = min(limit, readLimit(root, path.Join(mount, group, file)))
			if group == "/" {
				break
			}
		}
	}
	return limit
}

func hasMemory(controllers string) bool {
	for c := range strings.SplitSeq(controllers, ",") {
		if c == "memory" {
			return true
		}
	}
	return false
}

// noLimit is the smallest number that means "no limit" in version 1 of control
// groups. Without a limit, the kernel writes the largest int64, rounded down to whole
// pages. Pages have at most 64 KiB.
const noLimit = math.MaxInt64 &^ (64<<10 - 1)

// readLimit returns the limit in a file in bytes. It returns math.MaxInt64 if there is
// no limit: for a file that does not exist, for "max", and for numbers from noLimit on.
func readLimit(root fs.FS, name string) int64 {
	data, err := fs.ReadFile(root, name)
	if err != nil {
		return math.MaxInt64
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
	if err != nil || n <= 0 || n >= noLimit {
		return math.MaxInt64
	}
	return n
}

//go:build unix

package listener

import (
	"io/fs"
	"math"
	"os"
	"syscall"
)

// openFileLimit returns how many files the process may have open. Go raises the
// soft limit to the hard one at start.
func openFileLimit() int64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || uint64(limit.Cur) > math.MaxInt32 {
		return math.MaxInt32
	}
	return int64(limit.Cur)
}

// ownedByUs reports whether a file belongs to this process's user or to root.
func ownedByUs(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && (stat.Uid == 0 || int(stat.Uid) == os.Geteuid())
}

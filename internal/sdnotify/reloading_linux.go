package sdnotify

import (
	"time"

	"golang.org/x/sys/unix"
)

// Reloading returns the assignments that announce a reload. They contain the
// time, by which systemd distinguishes this reload from an earlier one.
func Reloading() []string {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return []string{"RELOADING=1"}
	}
	return []string{"RELOADING=1", microseconds("MONOTONIC_USEC", time.Duration(now.Nano()))}
}

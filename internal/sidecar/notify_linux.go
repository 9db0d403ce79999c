package sidecar

import (
	"time"

	"golang.org/x/sys/unix"
)

// reloading announces a reload, with the time by which systemd tells it from an
// older one.
func reloading() []string {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return []string{"RELOADING=1"}
	}
	return []string{"RELOADING=1", assignDuration("MONOTONIC_USEC", time.Duration(now.Nano()))}
}

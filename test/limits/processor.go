//go:build linux

package main

import (
	"errors"
	"os"
	"runtime"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// Processors of a run with -pin.
const (
	proxyProcessor  = 0
	clientProcessor = 1
)

// pinnedVariable is set in the environment of a process that runs on one processor.
const pinnedVariable = "HMAPROXY_LIMITS_PINNED"

// onProcessor executes the program again, with all its threads on the processor n.
// In that second run, onProcessor only returns nil.
func onProcessor(n int) error {
	if os.Getenv(pinnedVariable) != "" {
		return os.Unsetenv(pinnedVariable)
	}
	if runtime.NumCPU() <= n {
		return errors.New("-pin needs two processors")
	}
	runtime.LockOSThread() // the set of processors belongs to a thread
	var set unix.CPUSet
	set.Set(n)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return err
	}
	file, err := os.Executable()
	if err != nil {
		return err
	}
	return syscall.Exec(file, os.Args, append(slices.Clone(os.Environ()), pinnedVariable+"=1"))
}

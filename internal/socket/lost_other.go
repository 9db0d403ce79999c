//go:build !unix && !windows

package socket

import "syscall"

func isPeerLost(syscall.Errno) bool { return false }

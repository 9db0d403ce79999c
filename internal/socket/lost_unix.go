//go:build unix

package socket

import "syscall"

func isPeerLost(errno syscall.Errno) bool {
	switch errno {
	case syscall.ETIMEDOUT, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EHOSTDOWN:
		return true
	}
	return false
}

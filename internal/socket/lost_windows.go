package socket

import (
	"syscall"

	"golang.org/x/sys/windows"
)

func isPeerLost(errno syscall.Errno) bool {
	switch errno {
	case windows.WSAETIMEDOUT, windows.WSAEHOSTUNREACH, windows.WSAENETUNREACH, windows.WSAEHOSTDOWN:
		return true
	}
	return false
}

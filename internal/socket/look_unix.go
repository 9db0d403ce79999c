//go:build unix

package socket

import (
	"net"
	"syscall"
)

// Looker returns a function that looks whether something has come on c, without
// waiting and without taking it; nil where the system cannot be asked. One
// goroutine at a time may call it.
func Looker(c net.Conn) func() Sight {
	s, ok := c.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return nil
	}
	var n int
	var failed error
	peek := func(fd uintptr) bool { // made once: it is asked before every request
		n, failed = peek(fd)
		return true
	}
	return func() Sight {
		switch err := raw.Read(peek); {
		case err != nil:
			return Ended
		case failed == syscall.EAGAIN || failed == syscall.EINTR:
			return Silent
		case failed != nil || n == 0:
			return Ended
		}
		return Readable
	}
}

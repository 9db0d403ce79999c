//go:build unix

package socket

import (
	"net"
	"syscall"
)

// Probe returns a function that reports the state of c's receive buffer. The
// function neither waits nor removes bytes from the buffer, and must not be
// called concurrently. Probe returns nil if c has no file descriptor.
func Probe(c net.Conn) func() State {
	raw := rawConn(c)
	if raw == nil {
		return nil
	}
	var n int
	var peekErr error
	call := func(fd uintptr) bool { // one allocation for all calls, because the function is called for every request
		n, peekErr = peek(fd)
		return true
	}
	return func() State {
		switch err := raw.Read(call); {
		case err != nil:
			return Ended
		case peekErr == syscall.EAGAIN || peekErr == syscall.EINTR:
			return Empty
		case peekErr != nil || n == 0:
			return Ended
		}
		return Readable
	}
}

// HasData reports whether c's receive buffer contains data. Unlike the function
// that Probe returns, it may be called while another goroutine reads.
func HasData(c net.Conn) bool {
	raw := rawConn(c)
	if raw == nil {
		return false
	}
	var n int
	var peekErr error
	err := raw.Control(func(fd uintptr) { n, peekErr = peek(fd) })
	return err == nil && peekErr == nil && n > 0
}

// rawConn returns access to c's file descriptor, or nil if c has none.
func rawConn(c net.Conn) syscall.RawConn {
	s, ok := c.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

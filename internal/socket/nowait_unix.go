//go:build unix

package socket

import (
	"io"
	"net"
	"os"
	"syscall"
)

// TryReader returns a function that reads from c what was received, without
// waiting. If nothing was received, the function returns os.ErrDeadlineExceeded.
// A deadline of c has no effect. The function must not be called concurrently
// with itself or with Read. TryReader returns nil if c has no file descriptor.
func TryReader(c net.Conn) func(p []byte) (int, error) {
	raw := rawConn(c)
	if raw == nil {
		return nil
	}
	var buf []byte
	var n int
	var readErr error
	call := func(fd uintptr) { n, readErr = readNow(fd, buf) } // one allocation for all calls, because the function is called for every request
	return func(p []byte) (int, error) {
		buf = p
		err := raw.Control(call)
		buf = nil
		switch {
		case err != nil:
			return 0, err
		case readErr == syscall.EAGAIN || readErr == syscall.EINTR:
			return 0, os.ErrDeadlineExceeded
		case readErr != nil:
			return 0, os.NewSyscallError("read", readErr)
		case n == 0 && len(p) > 0:
			return 0, io.EOF
		}
		return n, nil
	}
}

// HasData reports whether c's receive buffer contains data. It may be called
// while another goroutine reads.
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

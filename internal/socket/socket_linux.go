package socket

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"unsafe"
)

func of(c net.Conn) net.Conn {
	switch c.(type) {
	case *net.TCPConn, *net.UnixConn: // Go makes these stream sockets non-blocking
	default:
		return c
	}
	raw, err := c.(syscall.Conn).SyscallConn()
	if err != nil {
		return c
	}
	s := &conn{Conn: c, raw: raw}
	s.reading.call = func(fd uintptr) bool { return s.reading.transferSome(syscall.SYS_READ, fd) }
	s.writing.call = func(fd uintptr) bool { return s.writing.transferAll(syscall.SYS_WRITE, fd) }
	return s
}

// A conn is a connection with a file descriptor. It uses package net to wait.
type conn struct {
	net.Conn
	raw              syscall.RawConn
	reading, writing transfer
}

// A transfer is a read or a write in progress.
type transfer struct {
	mu   sync.Mutex // locked during the whole call, as in package net
	call func(fd uintptr) bool
	p    []byte
	n    int
	err  syscall.Errno
}

// transferSome transfers as much as possible without waiting. It returns false if
// it could transfer nothing and must wait.
func (t *transfer) transferSome(call, fd uintptr) bool {
	for {
		p := t.p[t.n:]
		n, _, err := syscall.RawSyscall(call, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
		switch err {
		case 0:
			t.n += int(n)
			return true
		case syscall.EAGAIN:
			return false
		case syscall.EINTR:
		default:
			t.err = err
			return true
		}
	}
}

// transferAll transfers all bytes. It returns false if it must wait before it can
// go on.
func (t *transfer) transferAll(call, fd uintptr) bool {
	for t.n < len(t.p) && t.err == 0 {
		if !t.transferSome(call, fd) {
			return false
		}
	}
	return true
}

// run transfers p. wait calls t.call until t.call reports true.
func (t *transfer) run(p []byte, wait func(func(fd uintptr) bool) error) (n int, errno syscall.Errno, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.p, t.n, t.err = p, 0, 0
	err = wait(t.call)
	t.p = nil
	return t.n, t.err, err
}

func (c *conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return c.Conn.Read(p)
	}
	n, errno, err := c.reading.run(p, c.raw.Read)
	if n == 0 && errno == 0 && err == nil {
		return 0, io.EOF
	}
	return n, c.newError("read", errno, err)
}

func (c *conn) Write(p []byte) (int, error) {
	n, errno, err := c.writing.run(p, c.raw.Write)
	return n, c.newError("write", errno, err)
}

// newError returns the error that package net returns for the same failure.
func (c *conn) newError(op string, errno syscall.Errno, err error) error {
	if errno != 0 {
		err = os.NewSyscallError(op, errno)
	}
	if err == nil {
		return nil
	}
	var waitErr *net.OpError
	if errors.As(err, &waitErr) {
		err = waitErr.Err
	}
	local := c.LocalAddr()
	return &net.OpError{Op: op, Net: local.Network(), Source: local, Addr: c.RemoteAddr(), Err: err}
}

// SetLinger is like the method of *net.TCPConn. It returns errors.ErrUnsupported
// for other connections.
func (c *conn) SetLinger(sec int) error {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		return tcp.SetLinger(sec)
	}
	return errors.ErrUnsupported
}

// CloseWrite is like the method of *net.TCPConn and *net.UnixConn.
func (c *conn) CloseWrite() error { return c.Conn.(interface{ CloseWrite() error }).CloseWrite() }

func peek(fd uintptr) (n int, err error) {
	var b [1]byte
	got, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&b)), 1, syscall.MSG_PEEK|syscall.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(got), nil
}

func readNow(fd uintptr, p []byte) (n int, err error) {
	got, _, errno := syscall.RawSyscall(syscall.SYS_READ, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	if errno != 0 {
		return 0, errno
	}
	return int(got), nil
}

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
	case *net.TCPConn, *net.UnixConn: // streams, which Go never lets block
	default:
		return c
	}
	raw, err := c.(syscall.Conn).SyscallConn()
	if err != nil {
		return c
	}
	s := &conn{Conn: c, raw: raw}
	s.reading.call = func(fd uintptr) bool { return s.reading.some(syscall.SYS_READ, fd) }
	s.writing.call = func(fd uintptr) bool { return s.writing.all(syscall.SYS_WRITE, fd) }
	return s
}

// A conn is a connection of the system's. It waits in package net.
type conn struct {
	net.Conn
	raw              syscall.RawConn
	reading, writing transfer
}

// A transfer is a read or a write under way.
type transfer struct {
	mu   sync.Mutex // held from the call's beginning to its end, as in package net
	call func(fd uintptr) bool
	p    []byte
	n    int
	err  syscall.Errno
}

// some transfers what can be had. It reports false when that is nothing yet.
func (t *transfer) some(call, fd uintptr) bool {
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

// all transfers everything.
func (t *transfer) all(call, fd uintptr) bool {
	for t.n < len(t.p) && t.err == 0 {
		if !t.some(call, fd) {
			return false
		}
	}
	return true
}

// run transfers p by way of wait, which calls t.call until it reports true.
func (t *transfer) run(p []byte, wait func(func(fd uintptr) bool) error) (n int, failed syscall.Errno, err error) {
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
	n, failed, err := c.reading.run(p, c.raw.Read)
	if n == 0 && failed == 0 && err == nil {
		return 0, io.EOF
	}
	return n, c.explain("read", failed, err)
}

func (c *conn) Write(p []byte) (int, error) {
	n, failed, err := c.writing.run(p, c.raw.Write)
	return n, c.explain("write", failed, err)
}

// explain returns the error that package net has for the same.
func (c *conn) explain(op string, failed syscall.Errno, err error) error {
	if failed != 0 {
		err = os.NewSyscallError(op, failed)
	}
	if err == nil {
		return nil
	}
	var waiting *net.OpError
	if errors.As(err, &waiting) {
		err = waiting.Err
	}
	local := c.LocalAddr()
	return &net.OpError{Op: op, Net: local.Network(), Source: local, Addr: c.RemoteAddr(), Err: err}
}

// SetLinger is a TCP connection's.
func (c *conn) SetLinger(sec int) error {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		return tcp.SetLinger(sec)
	}
	return errors.ErrUnsupported
}

func peek(fd uintptr) (n int, err error) {
	var b [1]byte
	got, _, failed := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&b)), 1, syscall.MSG_PEEK|syscall.MSG_DONTWAIT, 0, 0)
	if failed != 0 {
		return 0, failed
	}
	return int(got), nil
}

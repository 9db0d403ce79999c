//go:build unix

package upstream

import (
	"net"
	"syscall"
)

// A peeker looks whether something has come on a connection, without waiting
// and without taking it. It is made once: it is asked before every request.
type peeker struct {
	raw  syscall.RawConn // nil: the connection is none of the system's
	look func(fd uintptr) bool
	n    int
	err  error
}

func (p *peeker) init(c net.Conn) {
	s, ok := c.(syscall.Conn)
	if !ok {
		return
	}
	p.raw, _ = s.SyscallConn()
	p.look = func(fd uintptr) bool {
		var b [1]byte
		p.n, _, p.err = syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		return true
	}
}

// sighted reports whether peek can see anything.
func (p *peeker) sighted() bool { return p.raw != nil }

func (p *peeker) peek() sight {
	switch err := p.raw.Read(p.look); {
	case err != nil:
		return ended
	case p.err == syscall.EAGAIN || p.err == syscall.EINTR:
		return silent
	case p.err != nil || p.n == 0:
		return ended
	}
	return readable
}

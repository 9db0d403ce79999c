package sidecar

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"hmaproxy/internal/socket"
)

// A clientConn is a client's connection. It saves most of what net/http's
// deadlines cost, eight of them for a request: one that is later than what the
// system watches for already is only noted, and told to the system if it comes
// to that.
type clientConn struct {
	net.Conn
	peer  net.Addr // nil: the connection's own
	leave func()

	mu       sync.Mutex
	deadline time.Time // of reads, as it was asked for
	armed    time.Time // as the system knows it: never later than deadline while reading
	reading  bool      // the system is being waited for
	lingers  bool      // linger waits
	poke     chan struct{}
	patience *time.Timer
}

func newClientConn(c net.Conn, leave func()) *clientConn {
	return &clientConn{Conn: socket.Of(c), peer: peerOf(c), leave: sync.OnceFunc(leave), poke: make(chan struct{}, 1)}
}

// Read reads. A read of a single byte is net/http's way to learn, while a
// handler works, that the client has left: most handlers are done before it is
// worth asking the system.
func (c *clientConn) Read(p []byte) (int, error) {
	if len(p) == 1 {
		c.linger()
	}
	for {
		if !c.arm() {
			return 0, os.ErrDeadlineExceeded
		}
		n, err := c.Conn.Read(p)
		if !c.early(err) {
			return n, err
		}
	}
}

// arm readies the system for a read. It reports false when the time is over.
func (c *clientConn) arm() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over() {
		return false
	}
	if sooner(c.deadline, c.armed) {
		c.tell()
	}
	c.reading = true
	return true
}

// early ends a read, and reports whether it has to be done again because its
// deadline was moved meanwhile.
func (c *clientConn) early(err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reading = false
	if !errors.Is(err, os.ErrDeadlineExceeded) || c.over() {
		return false
	}
	c.tell()
	return true
}

// The following are called with c.mu held.

// over reports whether the time for reading is over.
func (c *clientConn) over() bool { return !c.deadline.IsZero() && !time.Now().Before(c.deadline) }

// tell makes the system watch for the deadline.
func (c *clientConn) tell() {
	c.armed = c.deadline
	_ = c.Conn.SetReadDeadline(c.armed)
}

// sooner compares deadlines, of which zero is none.
func sooner(a, b time.Time) bool { return !a.IsZero() && (b.IsZero() || a.Before(b)) }

// SetReadDeadline also ends a read that is under way, as for every net.Conn.
func (c *clientConn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	if c.reading && sooner(t, c.armed) {
		c.tell()
	}
	if c.lingers && c.over() {
		c.wake()
	}
	return nil
}

func (c *clientConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// patience is how long a client's leaving may go unnoticed.
const patience = 100 * time.Millisecond

// linger waits for the deadline, for patience at most.
func (c *clientConn) linger() {
	if !c.stay() {
		return
	}
	select {
	case <-c.poke:
		c.patience.Stop()
	case <-c.patience.C:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lingers = false
	select {
	case <-c.poke: // that came too late
	default:
	}
}

func (c *clientConn) stay() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over() {
		return false
	}
	if c.patience == nil {
		c.patience = time.NewTimer(patience)
	} else {
		c.patience.Reset(patience)
	}
	c.lingers = true
	return true
}

// wake ends linger. c.mu is held.
func (c *clientConn) wake() {
	select {
	case c.poke <- struct{}{}:
	default:
	}
}

func (c *clientConn) Close() error {
	defer c.leave()
	c.mu.Lock()
	c.wake()
	c.mu.Unlock()
	return c.Conn.Close()
}

// RemoteAddr returns the address of a TCP peer, "@uid=1000" for a Unix socket's.
func (c *clientConn) RemoteAddr() net.Addr {
	if c.peer != nil {
		return c.peer
	}
	return c.Conn.RemoteAddr()
}

// SetLinger is what proxy resets a connection with.
func (c *clientConn) SetLinger(sec int) error {
	if l, ok := c.Conn.(interface{ SetLinger(sec int) error }); ok {
		return l.SetLinger(sec)
	}
	return errors.ErrUnsupported
}

package listener

import (
	"errors"
	"net"
	"sync"
	"time"

	"hmaproxy/internal/socket"
)

// A conn is a client's connection.
type conn struct {
	net.Conn
	peer     net.Addr // nil: the connection's own
	slots    *slots   // nil: the connection takes no slot
	listener *limited // nil: of no listener of this package
	slot     slot     // the connection's slot, guarded by slots.mu
	onClose  func()

	mu      sync.Mutex
	reading bool      // a read waits in the system
	since   time.Time // time when that read began; zero for a read of one byte
	watched bool      // the read waits for the client to leave
	evicted bool      // whether reads fail with errSlotLost
}

// newConn returns a connection that occupies a slot. Closing it releases the
// slot.
func newConn(raw net.Conn, s *slots) *conn {
	if tcp, ok := raw.(*net.TCPConn); ok {
		_ = tcp.SetReadBuffer(systemBuffer)
		_ = tcp.SetWriteBuffer(systemBuffer)
	}
	c := &conn{Conn: socket.Of(raw), peer: peerOf(raw), slots: s, slot: slot{raw: raw}}
	c.onClose = sync.OnceFunc(func() { s.release(c) })
	s.add(c)
	return c
}

// errSlotLost is the error of reads from a connection whose slot was given to
// another one. Package proxy recognises it by its method Busy and responds with
// ErrorServerBusy.
var errSlotLost error = slotLostError{}

type slotLostError struct{}

func (slotLostError) Error() string { return "too many connections: a newer one has this one's slot" }
func (slotLostError) Busy() bool    { return true }

// evict makes reads fail with errSlotLost, one that waits included.
func (c *conn) evict() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.evicted = true
	if c.reading {
		_ = c.Conn.SetReadDeadline(time.Unix(1, 0))
	}
}

// waited returns how long a read has waited for a part of a request, zero when none
// does.
func (c *conn) waited(now time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.reading || c.since.IsZero() || c.watched || c.evicted {
		return 0
	}
	return now.Sub(c.since)
}

// SetWatched says that reads wait for the client to leave, not for a part of a
// request. The server calls it.
func (c *conn) SetWatched(watched bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watched = watched
}

// Read reads. It returns errSlotLost when the slot is lost.
func (c *conn) Read(p []byte) (int, error) {
	if !c.beginRead(len(p)) {
		return 0, errSlotLost
	}
	n, err := c.Conn.Read(p)
	if c.endRead() && n == 0 {
		return 0, errSlotLost
	}
	return n, err
}

// beginRead returns false when the slot is lost. The server of the admin listener,
// net/http's, reads a single byte to learn that the client has left.
func (c *conn) beginRead(size int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reading, c.since = true, time.Time{}
	if size > 1 {
		c.since = time.Now()
	}
	return !c.evicted
}

// endRead returns true when the slot is lost.
func (c *conn) endRead() (lost bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reading = false
	return c.evicted
}

// SetReadDeadline sets the deadline of reads. That of evict stays.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.evicted {
		return nil
	}
	return c.Conn.SetReadDeadline(t)
}

// SetDeadline sets both deadlines.
func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

func (c *conn) Close() error {
	defer c.onClose()
	return c.Conn.Close()
}

// RemoteAddr returns the address of a TCP peer, "@uid=1000" for a Unix socket's.
func (c *conn) RemoteAddr() net.Addr {
	if c.peer != nil {
		return c.peer
	}
	return c.Conn.RemoteAddr()
}

// SetLinger sets the behaviour of Close with unsent data, as a *net.TCPConn's
// does.
func (c *conn) SetLinger(sec int) error {
	if l, ok := c.Conn.(interface{ SetLinger(sec int) error }); ok {
		return l.SetLinger(sec)
	}
	return errors.ErrUnsupported
}

// CloseWrite closes the connection for writing, as a *net.TCPConn's does.
func (c *conn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return errors.ErrUnsupported
}

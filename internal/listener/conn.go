package listener

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"hmaproxy/internal/socket"
)

// A conn is a client's connection.
type conn struct {
	net.Conn
	peer     net.Addr // address that RemoteAddr returns; nil: the address of Conn
	slots    *slots   // nil: the connection takes no slot
	listener *limited // listener that accepted the connection; nil: not a listener of this package
	slot     slot     // the connection's slot, guarded by slots.mu
	onClose  func()

	mu      sync.Mutex
	reading bool      // a read waits in the system
	since   time.Time // time when the read began; zero for a read of one byte
	watched bool      // the read only detects that the client disconnects; no part of a request is expected
	begun   bool      // the client has sent something

	// evicted means that the slot is lost: reads fail with errSlotLost. A read
	// that waits for the client's first bytes continues, and fails when they have
	// arrived.
	evicted bool
}

// refuseWait is how long a connection without a slot waits for the beginning of
// its first request. Some clients do not accept a response before they have sent
// something.
const refuseWait = 2 * time.Second

// newConn returns the conn for the accepted connection raw. d is admitted or
// refused. Closing the conn releases its slot, if it has one.
func newConn(raw net.Conn, s *slots, d decision) *conn {
	if tcp, ok := raw.(*net.TCPConn); ok {
		_ = tcp.SetReadBuffer(systemBuffer)
		_ = tcp.SetWriteBuffer(systemBuffer)
	}
	c := &conn{Conn: socket.Of(raw), peer: peerOf(raw), slots: s, slot: slot{raw: raw, lost: d == refused}}
	c.onClose = sync.OnceFunc(func() { s.release(c) })
	s.add(c)
	if d == refused {
		c.evict()
	}
	return c
}

// errSlotLost is the error of reads from a connection without a slot. Packages
// httpserver and proxy recognise it by its method Busy and respond with
// ErrorServerBusy. Its Timeout is true, so net/http, which serves the admin
// listener, closes the connection. Its Temporary is true, so crypto/tls can
// continue to read.
var errSlotLost net.Error = slotLostError{}

type slotLostError struct{}

func (slotLostError) Error() string   { return "too many connections: this one has no slot" }
func (slotLostError) Busy() bool      { return true }
func (slotLostError) Timeout() bool   { return true }
func (slotLostError) Temporary() bool { return true }

// evict makes reads fail with errSlotLost, including a read that is waiting. If
// the client has sent nothing yet, the waiting read goes on until the first bytes
// arrive, for at most refuseWait.
func (c *conn) evict() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.evicted = true
	switch {
	case !c.begun:
		_ = c.Conn.SetReadDeadline(time.Now().Add(refuseWait))
	case c.reading:
		_ = c.Conn.SetReadDeadline(time.Unix(1, 0))
	}
}

// waited returns how long a read has waited for a part of a request. It returns
// zero if no read waits for a part of a request.
func (c *conn) waited(now time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.reading || c.since.IsZero() || c.watched || c.evicted {
		return 0
	}
	return now.Sub(c.since)
}

// SetWatched records whether reads only detect that the client disconnects.
// Otherwise reads wait for a part of a request. Package httpserver calls
// SetWatched.
func (c *conn) SetWatched(watched bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watched = watched
}

// PeerClosed reports whether the client has closed its sending side or has reset
// the connection, like socket.PeerClosed. Package httpserver calls PeerClosed.
func (c *conn) PeerClosed() bool { return socket.PeerClosed(c.slot.raw) }

// SetLingering records that the response was sent. Package httpserver calls
// SetLingering, and then reads and discards further bytes of the client. If such
// bytes stayed unread, the system would reset the connection when it is closed,
// and the client could lose the response.
func (c *conn) SetLingering() {
	if c.slots != nil {
		c.slots.linger(c)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.evicted {
		c.evicted = false
		_ = c.Conn.SetReadDeadline(time.Time{})
	}
}

// Read reads like net.Conn.Read. When the slot is lost it returns errSlotLost, with
// two exceptions. It returns io.EOF if it has waited in vain for the client's first
// bytes. A read that waited for later bytes when the slot was lost still returns the
// bytes that it received.
func (c *conn) Read(p []byte) (int, error) {
	if !c.beginRead(len(p)) {
		return 0, errSlotLost
	}
	n, err := c.Conn.Read(p)
	switch lost, first := c.endRead(n); {
	case lost && first && n == 0:
		return 0, io.EOF
	case lost && (first || n == 0):
		return 0, errSlotLost
	}
	return n, err
}

// beginRead records that a read begins. It returns false if the read must fail,
// because the slot is lost. A read of a single byte does not count as a wait for
// a request: net/http, which serves the admin listener, uses such reads to detect
// that the client has disconnected.
func (c *conn) beginRead(size int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reading, c.since = true, time.Time{}
	if size > 1 {
		c.since = time.Now()
	}
	return !c.evicted || !c.begun
}

// endRead records that a read of n bytes has ended. The result "lost" reports
// whether the connection has lost its slot. The result "first" reports whether
// no earlier read returned a byte.
func (c *conn) endRead(n int) (lost, first bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	first = !c.begun
	c.reading, c.begun = false, c.begun || n > 0
	return c.evicted, first
}

// SetReadDeadline sets the read deadline. After evict it does nothing, so that
// the deadline that evict set remains.
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

// RemoteAddr returns the address of a TCP peer. For a Unix socket it returns a
// peerAddr such as "@uid=1000".
func (c *conn) RemoteAddr() net.Addr {
	if c.peer != nil {
		return c.peer
	}
	return c.Conn.RemoteAddr()
}

// SetLinger is like the method of *net.TCPConn: it sets how Close treats unsent
// data. It returns errors.ErrUnsupported if Conn has no such method.
func (c *conn) SetLinger(sec int) error {
	if l, ok := c.Conn.(interface{ SetLinger(sec int) error }); ok {
		return l.SetLinger(sec)
	}
	return errors.ErrUnsupported
}

// CloseWrite is like the method of *net.TCPConn: it closes the writing side. It
// returns errors.ErrUnsupported if Conn has no such method.
func (c *conn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return errors.ErrUnsupported
}

package listener

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"hmaproxy/internal/socket"
)

// A conn is a client's connection. It avoids most of the cost of the eight
// deadlines that net/http sets for each request. A read deadline that is later
// than the one set in the system is only recorded. It is set in the system when
// a read lasts that long.
type conn struct {
	net.Conn
	peer     net.Addr // nil: the connection's own
	slots    *slots   // nil: the connection takes no slot
	listener *limited // nil: of no listener of this package
	slot     slot     // the connection's slot, guarded by slots.mu
	onClose  func()

	mu       sync.Mutex
	deadline time.Time // read deadline as set by the caller
	armed    time.Time // read deadline as set in the system: never later than deadline during a read
	reading  bool      // a read waits in the system
	since    time.Time // time when that read began; zero for a read of one byte
	evicted  bool      // whether reads fail with errSlotLost
	waiting  bool      // delayRead waits
	wakeUp   chan struct{}
	timer    *time.Timer // used by delayRead
}

// newConn returns a connection that occupies a slot. Closing it releases the
// slot.
func newConn(raw net.Conn, s *slots) *conn {
	if tcp, ok := raw.(*net.TCPConn); ok {
		_ = tcp.SetReadBuffer(systemBuffer)
		_ = tcp.SetWriteBuffer(systemBuffer)
	}
	c := &conn{Conn: socket.Of(raw), peer: peerOf(raw), slots: s, slot: slot{raw: raw}, wakeUp: make(chan struct{}, 1)}
	c.onClose = sync.OnceFunc(func() { s.release(c) })
	s.add(c)
	return c
}

// errSlotLost is the error of reads from a connection that has lost its slot to
// another one. Package proxy recognises it by its method Busy and responds with
// ErrorServerBusy.
var errSlotLost error = slotLostError{}

type slotLostError struct{}

func (slotLostError) Error() string { return "too many connections: a newer one has this one's slot" }
func (slotLostError) Busy() bool    { return true }

// evict makes all reads fail with errSlotLost, including one in progress.
func (c *conn) evict() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.evicted = true
	if c.reading {
		c.armed = time.Unix(1, 0)
		_ = c.Conn.SetReadDeadline(c.armed)
	}
}

// waited returns how long a read has waited for the client, zero if there is
// none.
func (c *conn) waited(now time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.reading || c.since.IsZero() || c.evicted {
		return 0
	}
	return now.Sub(c.since)
}

// Read reads. A read of a single byte is how net/http notices during a handler
// that the client has left. Most handlers end before such a read is worth a
// system call, so it starts late.
func (c *conn) Read(p []byte) (int, error) {
	if len(p) == 1 {
		c.delayRead()
	}
	for {
		if err := c.beginRead(len(p)); err != nil {
			return 0, err
		}
		n, err := c.Conn.Read(p)
		repeat, lost := c.endRead(err)
		if lost {
			return n, errSlotLost
		}
		if !repeat {
			return n, err
		}
	}
}

// beginRead sets the system's deadline for a read of that size. It returns an
// error when the deadline has passed or the slot is lost.
func (c *conn) beginRead(size int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	switch {
	case c.evicted:
		return errSlotLost
	case c.expired(now):
		return os.ErrDeadlineExceeded
	}
	if sooner(c.deadline, c.armed) {
		c.arm()
	}
	c.reading, c.since = true, now
	if size == 1 { // a read of one byte does not wait for a part of a request
		c.since = time.Time{}
	}
	return nil
}

// endRead ends a read. repeat is true when the read must be repeated because its
// deadline was moved to later during the read, and lost when the slot was lost.
func (c *conn) endRead(err error) (repeat, lost bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reading = false
	switch {
	case !errors.Is(err, os.ErrDeadlineExceeded):
		return false, false
	case c.evicted:
		return false, true
	case c.expired(time.Now()):
		return false, false
	}
	c.arm()
	return true, false
}

// expired reports whether the deadline has passed. The caller holds c.mu.
func (c *conn) expired(now time.Time) bool { return !c.deadline.IsZero() && !now.Before(c.deadline) }

// arm sets the deadline in the system. The caller holds c.mu.
func (c *conn) arm() {
	c.armed = c.deadline
	_ = c.Conn.SetReadDeadline(c.armed)
}

// sooner compares deadlines. The zero time is no deadline.
func sooner(a, b time.Time) bool { return !a.IsZero() && (b.IsZero() || a.Before(b)) }

// SetReadDeadline sets the deadline of reads, one under way included.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	if c.reading && sooner(t, c.armed) {
		c.arm()
	}
	if c.waiting && c.expired(time.Now()) {
		c.wake()
	}
	return nil
}

func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// readDelay is the delay of such a read, and so the longest time until a
// client's disconnection is noticed.
const readDelay = 100 * time.Millisecond

// delayRead waits for readDelay, or less if the deadline passes or the
// connection is closed.
func (c *conn) delayRead() {
	if !c.beginWait() {
		return
	}
	select {
	case <-c.wakeUp:
		c.timer.Stop()
	case <-c.timer.C:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = false
	select {
	case <-c.wakeUp: // wake was called after the timer had fired
	default:
	}
}

func (c *conn) beginWait() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.expired(time.Now()) {
		return false
	}
	if c.timer == nil {
		c.timer = time.NewTimer(readDelay)
	} else {
		c.timer.Reset(readDelay)
	}
	c.waiting = true
	return true
}

// wake ends delayRead. The caller holds c.mu.
func (c *conn) wake() {
	select {
	case c.wakeUp <- struct{}{}:
	default:
	}
}

func (c *conn) Close() error {
	defer c.onClose()
	c.mu.Lock()
	c.wake()
	c.mu.Unlock()
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
// does. Package proxy resets connections with it.
func (c *conn) SetLinger(sec int) error {
	if l, ok := c.Conn.(interface{ SetLinger(sec int) error }); ok {
		return l.SetLinger(sec)
	}
	return errors.ErrUnsupported
}

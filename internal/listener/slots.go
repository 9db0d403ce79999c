package listener

import (
	"container/list"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"time"

	"hmaproxy/internal/socket"
)

// slots limits the connections of several listeners together. When all slots are
// taken, a new connection takes the slot of the connection that has been without
// a request for the longest time. If every connection has a request, it takes the
// slot of the connection whose request has waited longest for its client. A
// connection that has had a request and is idle is closed. Any other connection
// that loses its slot stays open briefly, and gets ErrorServerBusy if its client
// has sent something.
type slots struct {
	limit   int
	minIdle time.Duration // time that a connection must have been idle before it may be closed
	freed   chan struct{} // holds a value when acquire may succeed

	mu        sync.Mutex
	open      int                // number of connections that have a slot
	extra     int                // number of connections without a slot, at most limit
	fullSince time.Time          // time when a new connection first found no slot; zero: the latest one got a slot
	conns     map[*conn]struct{} // all connections
	idle      list.List          // list of *conn with a slot and without a request, the longest idle first
	lingering list.List          // list of *conn that wait for the client to read its response, the longest waiting first
}

// A slot is the state of a connection in slots. slots.mu guards it.
type slot struct {
	raw   net.Conn      // the connection as it was accepted; never changes
	idle  *list.Element // entry in slots.idle; nil: the connection is not in this list
	since time.Time     // time when the connection became idle, or began to linger
	used  bool          // the connection has had a request
	lost  bool          // the connection has no slot

	lingering *list.Element // entry in slots.lingering; nil: the connection does not linger
}

// readable reports whether the client has sent data that was not read yet.
func (s *slot) readable() bool { return socket.HasData(s.raw) }

const (
	// minWait is how long the proxy must have waited for a part of a request
	// before its connection may lose its slot. Clients send a short request in
	// one piece.
	minWait = 250 * time.Millisecond

	// minIdle is how long a connection must be without a request before it may
	// be closed: the next request may be on its way, and would be lost.
	minIdle = time.Second

	// maxSlotWait is how long new connections wait for a slot. After that they
	// get ErrorServerBusy.
	maxSlotWait = 2 * time.Second

	// retryInterval is how often a connection that waits for a slot looks for a
	// connection that can make room.
	retryInterval = 100 * time.Millisecond
)

func newSlots(limit int) *slots {
	return &slots{limit: limit, freed: make(chan struct{}, 1), conns: map[*conn]struct{}{}}
}

// A decision is the result of acquire for a new connection.
type decision uint8

const (
	undecided decision = iota
	admitted           // the connection has a slot
	refused            // the connection has no slot and gets ErrorServerBusy
	closing            // the listener is closed
)

// acquire decides about a new connection. It blocks until the connection is
// admitted or refused, or until closed is closed.
func (s *slots) acquire(closed <-chan struct{}) decision {
	for {
		d, idle, waiting := s.try(time.Now())
		switch {
		case d != undecided:
			return d
		case idle != nil:
			idle.Close() // releases its slot
			continue
		case waiting != nil:
			waiting.evict()
			continue
		}
		select {
		case <-s.freed:
		case <-time.After(retryInterval):
		case <-closed:
			return closing
		}
	}
}

// try takes a slot for a new connection, and does not wait. It returns admitted
// if a slot was free. Otherwise it looks for a connection that can make room:
//
//   - If idle is not nil, the caller must close it and call try again.
//   - If waiting is not nil, try has already taken its slot. The caller must
//     evict it and call try again.
//   - If both are nil, no connection can make room now. The decision is refused
//     if all slots have been in use for maxSlotWait, else undecided. It is also
//     undecided while too many connections without a slot are open (see extra).
func (s *slots) try(now time.Time) (d decision, idle, waiting *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open < s.limit {
		s.open++
		s.fullSince = time.Time{}
		s.signal()
		return admitted, nil, nil
	}
	if s.fullSince.IsZero() {
		s.fullSince = now
	}
	crowded := s.extra >= s.limit
	if idle := s.longestIdle(now, crowded); idle != nil && (idle.slot.used || crowded) {
		return undecided, idle, nil
	} else if idle != nil {
		s.lose(idle)
		return undecided, nil, idle
	}
	if crowded {
		return undecided, s.longestLingering(now), nil
	}
	if c := s.longestWaiting(now); c != nil {
		s.lose(c)
		return undecided, nil, c
	}
	if now.Sub(s.fullSince) < maxSlotWait {
		return undecided, nil, nil
	}
	s.extra++
	return refused, nil, nil
}

// longestIdle removes the connection that has been idle longest from s.idle and
// returns it. It returns nil if no connection has been idle long enough. It
// leaves out connections whose next request has arrived.
//
// The caller closes the returned connection if the connection has had a request or
// if toClose is true. Such a connection must have been idle for minIdle. Any other
// connection only loses its slot, so minWait is enough, if it is shorter than
// minIdle. The caller holds s.mu.
func (s *slots) longestIdle(now time.Time, toClose bool) *conn {
	for e := s.idle.Front(); e != nil; e = e.Next() {
		c := e.Value.(*conn)
		least := s.minIdle
		if !c.slot.used && !toClose {
			least = min(least, minWait)
		}
		if now.Sub(c.slot.since) < least || c.slot.readable() { // not idle for long enough, or its next request has arrived
			continue
		}
		s.idle.Remove(e)
		c.slot.idle = nil
		return c
	}
	return nil
}

// longestWaiting returns the connection of the request that has waited longest
// for its client. It returns nil if no request has waited for minWait. The
// caller holds s.mu.
func (s *slots) longestWaiting(now time.Time) (longest *conn) {
	most := minWait
	for c := range s.conns {
		if c.slot.idle != nil || c.slot.lost {
			continue
		}
		if waited := c.waited(now); waited >= most && !c.slot.readable() {
			longest, most = c, waited
		}
	}
	return longest
}

// longestLingering removes the connection that has lingered longest from
// s.lingering and returns it. It returns nil if no connection has lingered for
// minIdle. The caller holds s.mu.
func (s *slots) longestLingering(now time.Time) *conn {
	e := s.lingering.Front()
	if e == nil || now.Sub(e.Value.(*conn).slot.since) < s.minIdle {
		return nil
	}
	c := s.lingering.Remove(e).(*conn)
	c.slot.lingering = nil
	return c
}

// lose takes the slot away from a connection, which stays open. The caller
// holds s.mu.
func (s *slots) lose(c *conn) {
	c.slot.lost = true
	s.open--
	s.extra++
}

// linger records that a connection only waits for the client to read its
// response. Such a connection needs no slot.
func (s *slots) linger(c *conn) {
	s.setIdle(c, false)
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, open := s.conns[c]; !open || c.slot.lingering != nil {
		return
	}
	c.slot.lingering, c.slot.since = s.lingering.PushBack(c), time.Now()
	if !c.slot.lost && s.extra < s.limit {
		s.lose(c)
	}
	s.signal()
}

// add records a connection that was admitted or refused.
func (s *slots) add(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[c] = struct{}{}
}

// closeIdle closes the connections without a request.
func (s *slots) closeIdle() {
	for _, c := range s.takeIdle() {
		c.Close() // closing releases its slot
	}
}

// takeIdle removes and returns the connections without a request.
func (s *slots) takeIdle() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	idle := make([]*conn, 0, s.idle.Len())
	for e := s.idle.Front(); e != nil; e = s.idle.Front() {
		c := s.idle.Remove(e).(*conn)
		c.slot.idle = nil
		idle = append(idle, c)
	}
	return idle
}

// signal wakes one waiting call of acquire if a slot is free, or if an idle or
// lingering connection may make room. The caller holds s.mu.
func (s *slots) signal() {
	if s.open < s.limit || s.idle.Len() > 0 || s.lingering.Len() > 0 {
		select {
		case s.freed <- struct{}{}:
		default:
		}
	}
}

// release forgets a connection that is closed, and frees its slot if it has one.
func (s *slots) release(c *conn) {
	s.setIdle(c, false)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	if c.slot.lingering != nil {
		s.lingering.Remove(c.slot.lingering)
		c.slot.lingering = nil
	}
	if c.slot.lost {
		s.extra--
	} else {
		s.open--
	}
	s.signal()
}

// setIdle records whether a connection is without a request.
func (s *slots) setIdle(c *conn, idle bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case c.slot.lost:
	case idle && c.slot.idle == nil:
		c.slot.idle, c.slot.since = s.idle.PushBack(c), time.Now()
		s.signal()
	case !idle && c.slot.idle != nil:
		s.idle.Remove(c.slot.idle)
		c.slot.idle, c.slot.used = nil, true
	}
}

// ConnState is the hook of an http.Server with listeners of this package. It
// records which connections are without a request. When a connection with TLS
// is closed, it logs why its handshake failed, if it failed.
func ConnState(raw net.Conn, state http.ConnState) {
	inner := raw
	secure, overTLS := raw.(*tls.Conn)
	if overTLS {
		inner = secure.NetConn()
	}
	c, ok := inner.(*conn)
	if !ok {
		return
	}
	switch {
	case state == http.StateClosed && overTLS && c.listener != nil:
		c.listener.logHandshake(secure)
	case c.slots == nil:
	case state == http.StateNew || state == http.StateIdle:
		c.slots.setIdle(c, true)
	case state == http.StateActive:
		c.slots.setIdle(c, false)
	}
}

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

// slots limits the connections of several listeners together. When all slots
// are taken, a new connection takes the slot of the connection that has been
// without a request for the longest time. If there is none, it takes the slot
// of the request that has waited longest for the rest of its body.
type slots struct {
	limit   int
	minIdle time.Duration // time that a connection must have been idle before it may lose its slot
	freed   chan struct{} // holds a value when acquire may succeed

	mu      sync.Mutex
	open    int                // number of connections that have a slot
	evicted int                // connections that have lost their slot and are not closed yet
	conns   map[*conn]struct{} // all connections
	idle    list.List          // list of *conn without a request, the longest idle first
}

// A slot is a connection's entry in slots, whose lock guards it.
type slot struct {
	raw   net.Conn      // the connection as it was accepted
	idle  *list.Element // entry in slots.idle; nil: the connection has a request
	since time.Time     // time when it became idle
	lost  bool          // another connection has taken the slot
}

// readable reports whether the client has sent data that was not read yet.
func (s *slot) readable() bool { return socket.HasData(s.raw) }

const (
	// minBodyWait is how long a request must have waited for its client before
	// it may lose its slot. Clients send a short body together with its head.
	minBodyWait = time.Second

	// minIdle is how long a connection must be without a request before it may
	// lose its slot: the first request of a new connection may be on its way.
	minIdle = time.Second

	// retryInterval is the interval between checks of how long requests have
	// waited.
	retryInterval = 100 * time.Millisecond
)

func newSlots(limit int) *slots {
	return &slots{limit: limit, freed: make(chan struct{}, 1), conns: map[*conn]struct{}{}}
}

// acquire takes a slot. It blocks until it can, and returns false when closed
// is closed first.
func (s *slots) acquire(closed <-chan struct{}) bool {
	for {
		idle, waiting, ok := s.try(time.Now())
		switch {
		case ok:
			return true
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
			return false
		}
	}
}

// try takes a free slot. If there is none, it returns an idle connection to
// close, or a connection that waits for its client and has lost its slot, or
// nil.
func (s *slots) try(now time.Time) (idle, waiting *conn, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open < s.limit {
		s.open++
		s.signal()
		return nil, nil, true
	}
	for e := s.idle.Front(); e != nil; e = e.Next() {
		c := e.Value.(*conn)
		if now.Sub(c.slot.since) < s.minIdle {
			break // the following ones have been idle for less time
		}
		if c.slot.readable() {
			continue // its next request has arrived
		}
		s.idle.Remove(e)
		c.slot.idle = nil
		return c, nil, false
	}
	return nil, s.longestWaiting(now), false
}

// longestWaiting takes the slot of the request that has waited longest for its
// client, and returns its connection. The caller holds s.mu.
func (s *slots) longestWaiting(now time.Time) *conn {
	if s.evicted >= s.limit { // the number of connections without a slot is limited, too
		return nil
	}
	var longest *conn
	most := minBodyWait
	for c := range s.conns {
		if c.slot.idle != nil || c.slot.lost {
			continue
		}
		if waited := c.waited(now); waited >= most {
			longest, most = c, waited
		}
	}
	if longest != nil {
		longest.slot.lost = true
		s.open--
		s.evicted++
	}
	return longest
}

// add records a connection that has a slot.
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

// signal wakes a caller of acquire if it may succeed. The caller holds s.mu.
func (s *slots) signal() {
	if s.open < s.limit || s.idle.Len() > 0 {
		select {
		case s.freed <- struct{}{}:
		default:
		}
	}
}

// release frees the slot of a connection that is closed.
func (s *slots) release(c *conn) {
	s.setIdle(c, false)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	if c.slot.lost {
		s.evicted--
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
	case idle && c.slot.idle == nil:
		c.slot.idle, c.slot.since = s.idle.PushBack(c), time.Now()
		s.signal()
	case !idle && c.slot.idle != nil:
		s.idle.Remove(c.slot.idle)
		c.slot.idle = nil
	}
}

// ConnState is the hook of an http.Server with listeners of this package. It
// records which connections are without a request and which are closed.
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

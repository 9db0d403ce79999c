package listener

import (
	"container/list"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
)

// slots bounds the connections of several listeners together. When all slots are
// taken, a new connection takes that of the connection that has been without a
// request for the longest time.
type slots struct {
	limit int
	freed chan struct{} // holds a value when acquire may succeed

	mu   sync.Mutex
	open int
	idle list.List // of *conn without a request, the longest idle first
}

func newSlots(limit int) *slots { return &slots{limit: limit, freed: make(chan struct{}, 1)} }

// acquire takes a slot. It blocks while all connections have a request, and
// returns false when closed is closed first.
func (s *slots) acquire(closed <-chan struct{}) bool {
	for {
		victim, ok := s.try()
		if ok {
			return true
		}
		if victim != nil {
			victim.Close() // releases its slot
			continue
		}
		select {
		case <-s.freed:
		case <-closed:
			return false
		}
	}
}

// try takes a free slot. Without one it returns the connection to close, which is
// then no longer in the list.
func (s *slots) try() (victim *conn, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open < s.limit {
		s.open++
		s.signal()
		return nil, true
	}
	if first := s.idle.Front(); first != nil {
		victim = s.idle.Remove(first).(*conn)
		victim.inIdle = nil
		return victim, false
	}
	return nil, false
}

// closeIdle closes the connections without a request.
func (s *slots) closeIdle() {
	for _, c := range s.takeIdle() {
		c.Close() // releases its slot
	}
}

// takeIdle removes and returns the connections without a request.
func (s *slots) takeIdle() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	idle := make([]*conn, 0, s.idle.Len())
	for e := s.idle.Front(); e != nil; e = s.idle.Front() {
		c := s.idle.Remove(e).(*conn)
		c.inIdle = nil
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
	s.open--
	s.signal()
}

// setIdle records whether a connection is without a request.
func (s *slots) setIdle(c *conn, idle bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case idle && c.inIdle == nil:
		c.inIdle = s.idle.PushBack(c)
		s.signal()
	case !idle && c.inIdle != nil:
		s.idle.Remove(c.inIdle)
		c.inIdle = nil
	}
}

// ConnState is the hook of an http.Server for the listeners of this package. It
// tells them which connections are without a request, and which have ended.
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

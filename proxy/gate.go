package proxy

import (
	"errors"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
)

// A gate keeps a body that cannot be sent twice from being spent on an attempt
// that was already answered. The request says Expect: 100-continue; when a
// final answer comes instead of 100 Continue, http.Transport would send the
// body all the same, to keep the connection. The gate makes it wait until the
// answer was looked at.
type gate struct {
	answered atomic.Bool // a first byte has come back
	invited  atomic.Bool // and it was 100 Continue
	once     sync.Once
	decided  chan struct{}
	open     bool // valid once decided is closed
}

// errKept is what the transport reads of a body that is kept for another
// attempt.
var errKept = errors.New("the body is kept for another attempt")

func newGate() *gate { return &gate{decided: make(chan struct{})} }

// trace lets the gate hear what comes back.
func (g *gate) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GotFirstResponseByte: func() { g.answered.Store(true) },
		Got100Continue:       func() { g.invited.Store(true) },
	}
}

// pass blocks while there is an answer that nobody has looked at. A server
// that says nothing at all gets the body when the transport has waited long
// enough for 100 Continue.
func (g *gate) pass() error {
	if !g.answered.Load() || g.invited.Load() {
		return nil
	}
	<-g.decided
	if g.open {
		return nil
	}
	return errKept
}

// decide tells whether the body may go.
func (g *gate) decide(open bool) {
	g.once.Do(func() {
		g.open = open
		close(g.decided)
	})
}

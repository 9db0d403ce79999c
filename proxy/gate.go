package proxy

import (
	"errors"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"
)

// A gate keeps a body that cannot be sent twice from being spent on an attempt
// that was already answered. The request says Expect: 100-continue; when a
// final answer comes instead of 100 Continue, http.Transport would send the
// body all the same, to keep the connection. The gate makes it wait until the
// answer was looked at.
type gate struct {
	answered atomic.Bool // a first byte has come back
	welcome  sync.Once
	invited  chan struct{} // closed when 100 Continue has come
	once     sync.Once
	decided  chan struct{}
	open     bool // valid once decided is closed
}

// errKept is what the transport reads of a body that is kept for another
// attempt.
var errKept = errors.New("the body is kept for another attempt")

func newGate() *gate {
	return &gate{invited: make(chan struct{}), decided: make(chan struct{})}
}

// trace lets the gate hear what comes back.
func (g *gate) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GotFirstResponseByte: func() { g.answered.Store(true) },
		Got100Continue:       func() { g.welcome.Do(func() { close(g.invited) }) },
	}
}

// pass blocks while there is an answer that nobody has looked at. A server
// that says nothing at all gets the body when the transport has waited long
// enough for 100 Continue, and so does one whose answer does not come whole:
// RoundTrip waits for this very goroutine before it reports a connection that
// broke in the middle of an answer's head, and some servers send 102
// Processing and no more before they have the body.
func (g *gate) pass() error {
	if !g.answered.Load() {
		return nil
	}
	patience := time.NewTimer(gateWait)
	defer patience.Stop()
	select {
	case <-g.invited:
		return nil
	case <-patience.C:
		return nil
	case <-g.decided:
	}
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

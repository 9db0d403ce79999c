package proxy

import (
	"errors"
	"io"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"
)

// An expectation remembers whether the upstream honours Expect: 100-continue.
// It is safe for concurrent use.
//
// The expectation protects a body that cannot be sent twice from a refusal of
// the token. Buffering long bodies would cost memory instead, and trusting a
// token because Exchange has accepted it before would lose the body of the one
// request that finds out otherwise.
type expectation struct {
	never bool
	until atomic.Int64 // Unix seconds; no expectation before that
}

// wanted reports whether to send an expectation.
func (e *expectation) wanted() bool {
	return !e.never && time.Now().Unix() >= e.until.Load()
}

// refused notes that the upstream has refused or ignored an expectation.
func (e *expectation) refused() { e.until.Store(time.Now().Add(expectPause).Unix()) }

// A gate keeps a body that cannot be sent twice from being spent on an attempt
// whose response has come already, or whose expectation was not met. The
// transport reads the body when 100 Continue has come, after a timeout, or after
// a final response, to keep the connection; the gate lets it have the body in
// the first case only. Without an expectation the transport has the body at
// once, unless a response has come and refuses the token.
type gate struct {
	expecting bool
	connected atomic.Bool // there was a connection
	fresh     atomic.Bool // it has served no request before
	responded atomic.Bool // a first byte has come back
	ignored   atomic.Bool // the transport has waited for 100 Continue in vain
	welcome   sync.Once
	invited   chan struct{} // closed when 100 Continue has come
	once      sync.Once
	decided   chan struct{}
	open      bool // valid once decided is closed
}

// errKept is what the transport reads of a body that is kept for another
// attempt.
var errKept = errors.New("the body is kept for another attempt")

func newGate(expecting bool) *gate {
	return &gate{expecting: expecting, invited: make(chan struct{}), decided: make(chan struct{})}
}

// trace returns the hooks by which the gate learns what comes back.
func (g *gate) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GotConn: func(i httptrace.GotConnInfo) {
			g.connected.Store(true)
			g.fresh.Store(!i.Reused)
		},
		GotFirstResponseByte: func() { g.responded.Store(true) },
		Got100Continue:       func() { g.welcome.Do(func() { close(g.invited) }) },
	}
}

// pass returns nil when the body may be sent. Where a response has begun it
// waits, at most gateWait, until that is complete and was examined: RoundTrip
// waits for this goroutine before it reports a connection that broke in the
// middle of a response's head, and some servers send 102 Processing and nothing
// more before they have the body.
func (g *gate) pass() error {
	if g.responded.Load() {
		timeout := time.NewTimer(gateWait)
		defer timeout.Stop()
		select {
		case <-g.invited:
		case <-timeout.C:
		case <-g.decided:
			if !g.open {
				return errKept
			}
		}
	}
	if !g.expecting {
		return nil
	}
	select {
	case <-g.invited:
		return nil
	default:
		g.ignored.Store(true)
		return errKept
	}
}

// decide says whether the body may be sent. The first call counts.
func (g *gate) decide(open bool) {
	g.once.Do(func() {
		g.open = open
		close(g.decided)
	})
}

// A gatedReader is a body behind a gate. It also detects an upstream that has
// stopped reading: while a body is being sent, net/http does not even notice
// that the client has left.
type gatedReader struct {
	io.ReadCloser
	gate  *gate
	begun bool
	stuck *time.Timer // runs while the transport does not read
}

// newGatedReader returns body behind gate. It calls stuck when the transport
// does not read for stuckTime.
func newGatedReader(body io.ReadCloser, gate *gate, stuck func()) *gatedReader {
	return &gatedReader{ReadCloser: body, gate: gate, stuck: time.AfterFunc(stuckTime, stuck)}
}

func (r *gatedReader) Read(p []byte) (int, error) {
	r.stuck.Stop()
	defer r.stuck.Reset(stuckTime)
	if !r.begun {
		if err := r.gate.pass(); err != nil {
			return 0, err
		}
		r.begun = true
	}
	return r.ReadCloser.Read(p)
}

func (r *gatedReader) Close() error {
	r.stuck.Stop()
	return r.ReadCloser.Close()
}

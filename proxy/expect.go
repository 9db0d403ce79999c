package proxy

import (
	"errors"
	"io"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"
)

// An expectation records whether the upstream supports Expect: 100-continue. It
// is safe for concurrent use.
//
// The Expect header protects a body that cannot be sent twice. Without it, the
// body would be lost if Exchange refuses the token. The alternatives are worse.
// Buffering long bodies costs memory. The proxy could also send the body
// immediately if Exchange has accepted the token before. Then the first long body
// would be lost after Exchange stops accepting the token.
type expectation struct {
	never bool
	until atomic.Int64 // Unix time in seconds; "Expect: 100-continue" is not sent before it
}

// wanted reports whether to send the header "Expect: 100-continue".
func (e *expectation) wanted() bool {
	return !e.never && time.Now().Unix() >= e.until.Load()
}

// refused records that the upstream has refused or ignored the Expect header.
func (e *expectation) refused() { e.until.Store(time.Now().Add(expectPause).Unix()) }

// A gate protects a body that cannot be sent twice. If the request has an Expect
// header, the transport reads the body in three cases: after 100 Continue, when 100
// Continue has not come in time, and after a final response, to keep the
// connection. The gate passes the body only in the first case. If the request has
// no Expect header, the gate passes the body immediately, unless a response has
// come that refuses the token.
type gate struct {
	expecting bool
	connected atomic.Bool // a connection was obtained
	fresh     atomic.Bool // the connection has not served a request before
	responded atomic.Bool // the first byte of a response has arrived
	ignored   atomic.Bool // the wait for 100 Continue has timed out
	welcome   sync.Once
	invited   chan struct{} // closed when 100 Continue has arrived
	once      sync.Once
	decided   chan struct{}
	open      bool // whether the body may be sent; valid once decided is closed
}

// errKept is the error of a read from a body that is kept for another attempt.
var errKept = errors.New("the body is kept for another attempt")

func newGate(expecting bool) *gate {
	return &gate{expecting: expecting, invited: make(chan struct{}), decided: make(chan struct{})}
}

// trace returns the hooks that report the progress of the attempt to the gate.
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

// pass returns nil if the body may be sent, else errKept. If a response has begun,
// it waits for at most gateWait until the head of the response is complete and has
// been examined. The wait is limited for two reasons. RoundTrip waits for this
// goroutine before it reports a connection that failed in the middle of a
// response's head. Some servers send 102 Processing and then nothing until they
// have the body.
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

// decide sets whether the body may be sent. Only the first call has an effect.
func (g *gate) decide(open bool) {
	g.once.Do(func() {
		g.open = open
		close(g.decided)
	})
}

// A gatedReader is a body with a gate.
type gatedReader struct {
	io.ReadCloser
	gate  *gate
	begun bool
}

func (r *gatedReader) Read(p []byte) (int, error) {
	if !r.begun {
		if err := r.gate.pass(); err != nil {
			return 0, err
		}
		r.begun = true
	}
	return r.ReadCloser.Read(p)
}

// A stuckReader is a body that detects that the upstream has stopped reading it.
// Without this check an upload could hang although the upstream acknowledges that its
// buffer is full, and even after the client has left: the HTTP server may be unable
// to find out that the client has left before the whole body was read.
type stuckReader struct {
	io.ReadCloser
	stuck *time.Timer // runs while the transport is not reading
}

// newStuckReader returns a reader for body. The reader calls the function "stuck"
// when the transport has not read for stuckTime, until it has closed the body.
func newStuckReader(body io.ReadCloser, stuck func()) *stuckReader {
	return &stuckReader{ReadCloser: body, stuck: time.AfterFunc(stuckTime, stuck)}
}

func (r *stuckReader) Read(p []byte) (int, error) {
	r.stuck.Stop()
	defer r.stuck.Reset(stuckTime)
	return r.ReadCloser.Read(p)
}

func (r *stuckReader) Close() error {
	r.stuck.Stop()
	return r.ReadCloser.Close()
}

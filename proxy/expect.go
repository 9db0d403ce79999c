package proxy

import (
	"errors"
	"io"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"
)

// A gate keeps a body that cannot be sent twice from being spent on an attempt
// that already has its response. The request says Expect: 100-continue; when a
// final response comes instead of 100 Continue, http.Transport would send the
// body all the same, to keep the connection. The gate makes it wait until the
// response has been examined.
type gate struct {
	responded atomic.Bool // a first byte has come back
	welcome   sync.Once
	invited   chan struct{} // closed when 100 Continue has come
	once      sync.Once
	decided   chan struct{}
	open      bool // valid once decided is closed
}

// errKept is what the transport reads of a body that is kept for another
// attempt.
var errKept = errors.New("the body is kept for another attempt")

func newGate() *gate {
	return &gate{invited: make(chan struct{}), decided: make(chan struct{})}
}

// trace returns the hooks by which the gate learns what comes back.
func (g *gate) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GotFirstResponseByte: func() { g.responded.Store(true) },
		Got100Continue:       func() { g.welcome.Do(func() { close(g.invited) }) },
	}
}

// pass blocks while there is a response that has not been examined. A server
// that sends nothing gets the body when the transport has waited long enough for
// 100 Continue. So does one whose response does not arrive completely within
// gateWait: RoundTrip waits for this goroutine before it reports a connection
// that broke in the middle of a response's head, and some servers send 102
// Processing and nothing more before they have the body.
func (g *gate) pass() error {
	if !g.responded.Load() {
		return nil
	}
	timeout := time.NewTimer(gateWait)
	defer timeout.Stop()
	select {
	case <-g.invited:
		return nil
	case <-timeout.C:
		return nil
	case <-g.decided:
	}
	if g.open {
		return nil
	}
	return errKept
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

package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/textproto"
	"os"
	"sync/atomic"
	"time"
)

// A flight is one attempt at a request, from the first byte that is written to
// the last that is read. It is also the body of the answer.
type flight struct {
	*message
	c       *conn
	stop    func() bool // ends the watch on the context
	before  int64       // bytes that the connection had sent
	sending *sending    // nil: the request goes in one piece

	answer io.ReadCloser // the body as net/http reads it
	long   bool          // it is worth looking for more before passing a part on
	keep   bool          // the connection may serve another request
	state  atomic.Int32  // of the answer

	patience *time.Timer // breaks off what is still sent after the answer

	parts   atomic.Int32 // sending and receiving, as far as they are not over
	spoiled atomic.Bool  // the connection cannot be used again
}

// States of an answer.
const (
	reading int32 = iota
	whole         // read to its end
	closed        // or broken
)

// A failure is why there is no answer.
type failure struct {
	err    error
	unsent bool // the system has not taken a byte of the request
	silent bool // the server has not sent a byte of an answer
	own    bool // it was the request's body that failed
}

func (f *failure) Error() string { return "upstream: " + f.err.Error() }

// Unwrap does not show what broke a connection on which something was sent: it
// may look like an error of connecting.
func (f *failure) Unwrap() error {
	if f.unsent || f.own {
		return f.err
	}
	return nil
}

// lateAnswer is how long an answer may take to come when the request could not
// be sent to its end. A server that answers early and closes has sent it before.
const lateAnswer = time.Second

// exchange sends a message and returns the answer. Where there is none, the
// connection is spent and nothing reads the message's body any more.
func (c *conn) exchange(m *message) (*http.Response, error) {
	f := &flight{message: m, c: c, before: c.wire.sent.Load()}
	f.stop = context.AfterFunc(m.ctx, c.abort)
	f.parts.Store(1)
	var sent error
	if m.streamed {
		f.parts.Store(2)
		f.sending = newSending(f)
		go f.sending.run()
	} else if _, sent = c.tls.Write(m.text); sent != nil {
		f.late()
	}
	resp, silent, err := f.receive()
	if err == nil {
		return resp, nil
	}
	f.stop()
	c.abort()
	if f.sending != nil {
		f.sending.signal(false)
		<-f.sending.done
		sent = f.sending.err
	}
	return nil, f.explain(sent, err, silent)
}

// late gives an answer that was sent before the connection broke its last time
// to be read.
func (f *flight) late() {
	f.spoiled.Store(true)
	_ = f.c.wire.SetReadDeadline(time.Now().Add(lateAnswer))
}

// explain chooses between what went wrong when sending and when receiving.
func (f *flight) explain(sent, received error, silent bool) error {
	if f.ctx.Err() != nil {
		return context.Cause(f.ctx)
	}
	if sent != nil {
		received = fmt.Errorf("sending the request: %w", sent)
	}
	return &failure{
		err: received, silent: silent, unsent: f.c.wire.sent.Load() == f.before,
		own: sent != nil && f.sending != nil && !f.sending.broken,
	}
}

var errSilence = errors.New("the connection ended without an answer")

// receive reads the head of the answer. silent says that nothing at all came.
func (f *flight) receive() (resp *http.Response, silent bool, err error) {
	c := f.c
	c.left = c.t.config.MaxHead
	if _, err := c.br.Peek(1); err != nil {
		if err == io.EOF {
			err = errSilence
		}
		return nil, true, err
	}
	if f.trace != nil && f.trace.GotFirstResponseByte != nil {
		f.trace.GotFirstResponseByte()
	}
	for {
		resp, err = http.ReadResponse(c.br, f.r)
		if err != nil {
			return nil, false, err
		}
		if !interim(resp.StatusCode) {
			return f.deliver(resp), false, nil
		}
		if err := f.interim(resp); err != nil {
			return nil, false, err
		}
	}
}

// interim reports whether another answer follows.
func interim(status int) bool {
	return 100 <= status && status < 200 && status != http.StatusSwitchingProtocols
}

// interim takes an interim answer. All of them share the bound on one head.
func (f *flight) interim(resp *http.Response) error {
	if resp.StatusCode == http.StatusContinue && f.expect {
		if f.trace != nil && f.trace.Got100Continue != nil {
			f.trace.Got100Continue()
		}
		f.sending.signal(true)
	}
	if f.trace != nil && f.trace.Got1xxResponse != nil {
		return f.trace.Got1xxResponse(resp.StatusCode, textproto.MIMEHeader(resp.Header))
	}
	return nil
}

// deliver makes an answer ready for the caller.
func (f *flight) deliver(resp *http.Response) *http.Response {
	c := f.c
	c.left = math.MaxInt64
	f.keep = !resp.Close && !f.r.Close && resp.StatusCode >= 200
	if f.sending != nil {
		f.sending.signal(f.keep) // the connection is kept by sending the body
	}
	resp.TLS = c.state
	switch {
	case resp.StatusCode < 200: // another protocol follows, which nobody asked for
		f.finish(closed)
		resp.Body = http.NoBody
	case f.r.Method == http.MethodHead, resp.ContentLength == 0:
		f.finish(whole)
		resp.Body = http.NoBody
	default:
		f.answer = resp.Body
		f.long = resp.ContentLength > longAnswer && c.look != nil
		resp.Body = f
	}
	return resp
}

// Read reads the answer's body. An error other than io.EOF means that it is
// not whole.
func (f *flight) Read(p []byte) (int, error) {
	switch f.state.Load() {
	case whole:
		return 0, io.EOF
	case closed:
		return 0, http.ErrBodyReadAfterClose
	}
	n, err := f.answer.Read(p)
	if f.long {
		n, err = f.more(p, n, err)
	}
	switch {
	case err == io.EOF:
		if f.finish(whole); f.state.Load() != whole { // Close was first, and the server has taken its leave
			err = http.ErrBodyReadAfterClose
		}
	case err != nil:
		f.finish(closed)
		if f.ctx.Err() != nil {
			err = context.Cause(f.ctx)
		}
	}
	return n, err
}

// longAnswer is the size from which on an answer is passed on in larger parts
// than TLS's records.
const longAnswer = 64 << 10

// more reads on into p, which has n bytes, as long as something is there. It
// does not wait.
func (f *flight) more(p []byte, n int, err error) (int, error) {
	f.c.wire.look = f.c.look
	defer func() { f.c.wire.look = nil }()
	const record = 16 << 10
	for err == nil && len(p)-n >= record {
		var further int
		further, err = f.answer.Read(p[n:])
		n += further
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = nil
	}
	return n, err
}

// Close ends an answer. Where it was not read to its end the connection is
// broken off, also under another goroutine's Read.
func (f *flight) Close() error {
	f.finish(closed)
	return nil
}

// lateBody is how long the rest of a request may take that was answered to the
// end: the server may read it or not.
const lateBody = 50 * time.Millisecond

// finish ends the receiving. Only the first call counts.
func (f *flight) finish(how int32) {
	if !f.state.CompareAndSwap(reading, how) {
		return
	}
	good := how == whole && f.keep && f.c.br.Buffered() == 0 // more would be an answer to nothing
	if good && f.sending != nil {
		f.patience = time.AfterFunc(lateBody, f.c.abort)
	}
	f.part(good)
}

// part ends the sending or the receiving, after which the connection is good
// for another request or not. The part that ends last gives it back.
func (f *flight) part(good bool) {
	if !good {
		f.spoiled.Store(true)
	}
	switch last := f.parts.Add(-1) == 0; {
	case !last && !good:
		f.c.abort()
	case !last:
	case f.stop() && (f.patience == nil || f.patience.Stop()) && !f.spoiled.Load():
		f.c.t.idle.put(f.c)
	default:
		f.c.close()
	}
}

package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/textproto"
	"sync/atomic"
	"time"
)

// An attempt sends a message on a connection and receives the response. It ends
// when both the upload and the response have ended; then the connection becomes
// idle or is closed.
type attempt struct {
	msg        *message
	conn       *conn
	stopWatch  func() bool // stops watching the context
	sentBefore int64       // number of bytes sent on the connection before this attempt
	upload     *upload     // nil: the message was written in one piece
	response   responseBody
	deadline   responseDeadline

	uploadLimit *time.Timer  // aborts an upload that continues after its response was read
	active      atomic.Int32 // number of parts (upload and response) that have not ended
	unusable    atomic.Bool  // the connection must not serve another request
}

// An attemptError says why an attempt had no response.
type attemptError struct {
	err        error
	notSent    bool // the operating system accepted no byte of the request
	noResponse bool // no byte of a response was received
	bodyFailed bool // the request's body could not be read
}

func (e *attemptError) Error() string { return "upstream: " + e.err.Error() }

// NotSent reports whether no byte of the request was sent.
func (e *attemptError) NotSent() bool { return e.notSent }

// Unwrap returns nil when a part of the request was sent, because callers retry
// after an error that looks like a failure to connect. There are two
// exceptions: it still returns the error of reading the request's body, and
// ErrResponseTimeout.
func (e *attemptError) Unwrap() error {
	if e.notSent || e.bodyFailed || e.err == ErrResponseTimeout {
		return e.err
	}
	return nil
}

// lateResponseTimeout bounds the wait for a response when the request could not
// be sent completely. A server that responds early and then closes the
// connection has sent its response already.
const lateResponseTimeout = time.Second

// send makes an attempt and returns the response. After an error the connection
// is closed and the message's body is no longer read.
func send(m *message, c *conn) (*http.Response, error) {
	a := &attempt{msg: m, conn: c, sentBefore: c.wire.sent.Load()}
	a.response.attempt = a
	a.stopWatch = context.AfterFunc(m.ctx, c.abort)
	a.active.Store(1)
	var sendErr error
	if m.streamed {
		a.active.Store(2)
		a.upload = newUpload(a)
		c.transport.silence.begin(c, a.upload.done)
		go a.upload.run()
	} else if _, sendErr = c.tls.Write(m.text); sendErr != nil {
		a.sendFailed(sendErr)
	} else {
		a.deadline.requestSent(c, m.request)
	}
	resp, noResponse, err := a.receive()
	if err == nil {
		return resp, nil
	}
	a.stopWatch()
	c.abort()
	c.transport.checkPeer(err)
	if a.upload != nil {
		a.upload.decide(false)
		<-a.upload.done
		sendErr = a.upload.err
	}
	return nil, a.newError(sendErr, err, noResponse)
}

// sendFailed records that the connection failed while the request was sent. It
// bounds the wait for a response, which the server may have sent before. The read of
// the response may not return the same error: the system reports only once that the
// peer is lost.
func (a *attempt) sendFailed(err error) {
	a.conn.transport.checkPeer(err)
	a.unusable.Store(true)
	a.deadline.requestFailed(a.conn)
}

// ErrResponseTimeout means that the server did not respond in time to a request
// that was sent completely. The server may have processed the request.
var ErrResponseTimeout error = timeoutError("no response in time; the request may have been executed")

// newError returns the error of an attempt that failed while sending, receiving
// or both.
func (a *attempt) newError(sendErr, receiveErr error, noResponse bool) error {
	if a.msg.ctx.Err() != nil {
		return context.Cause(a.msg.ctx)
	}
	err := receiveErr
	if a.deadline.exceeded() {
		err = ErrResponseTimeout
	}
	if sendErr != nil {
		err = fmt.Errorf("sending the request: %w", sendErr)
	}
	return &attemptError{
		err:        err,
		notSent:    a.conn.wire.sent.Load() == a.sentBefore,
		noResponse: noResponse,
		bodyFailed: sendErr != nil && a.upload != nil && !a.upload.connFailed,
	}
}

var errNoResponse = errors.New("the connection ended without a response")

// receive reads the head of the response. noResponse reports that no byte was
// received.
func (a *attempt) receive() (resp *http.Response, noResponse bool, err error) {
	c := a.conn
	c.readLimit = c.config.MaxHead
	if _, err := c.br.Peek(1); err != nil {
		if err == io.EOF {
			err = errNoResponse
		}
		return nil, true, err
	}
	if trace := a.msg.trace; trace != nil && trace.GotFirstResponseByte != nil {
		trace.GotFirstResponseByte()
	}
	for {
		resp, err = a.readHead()
		if err != nil {
			return nil, false, err
		}
		if !isInterim(resp.StatusCode) {
			c.readLimit = math.MaxInt64
			a.deadline.responseBegun(c)
			return a.begin(resp), false, nil
		}
		if err := a.handleInterim(resp); err != nil {
			return nil, false, err
		}
	}
}

// readHead reads the head of one response and the server's spelling of its
// header names.
func (a *attempt) readHead() (*http.Response, error) {
	c := a.conn
	buffered, _ := c.br.Peek(c.br.Buffered())
	names := &c.transport.headerNames
	if n := headEnd(buffered); n >= 0 {
		a.response.headerNames = names.read(buffered[:n])
		return http.ReadResponse(c.br, a.msg.request)
	}
	c.record(buffered)
	resp, err := http.ReadResponse(c.br, a.msg.request)
	recorded := c.stopRecording()
	if err == nil {
		a.response.headerNames = names.read(recorded[:max(headEnd(recorded), 0)])
	}
	return resp, err
}

// isInterim reports whether a response is interim, so another response follows.
func isInterim(status int) bool {
	return 100 <= status && status < 200 && status != http.StatusSwitchingProtocols
}

// handleInterim handles an interim response. It does not reset readLimit, which
// applies to all heads of an attempt together.
func (a *attempt) handleInterim(resp *http.Response) error {
	trace := a.msg.trace
	if resp.StatusCode == http.StatusContinue && a.msg.expect {
		if trace != nil && trace.Got100Continue != nil {
			trace.Got100Continue()
		}
		a.upload.decide(true)
	}
	if trace != nil && trace.Got1xxResponse != nil {
		return trace.Got1xxResponse(resp.StatusCode, textproto.MIMEHeader(resp.Header))
	}
	return nil
}

// begin prepares a final response for the caller.
func (a *attempt) begin(resp *http.Response) *http.Response {
	keepAlive := !resp.Close && !a.msg.request.Close && resp.StatusCode >= 200
	if a.upload != nil {
		a.upload.decide(keepAlive) // the body is sent only if the connection is kept
	}
	resp.TLS = a.conn.state
	a.response.keepAlive = keepAlive
	switch {
	case resp.StatusCode < 200: // 101 switches to another protocol, which was not requested
		a.response.finish(responseClosed)
		resp.Body = emptyBody{a.response.headerNames}
	case a.msg.request.Method == http.MethodHead, resp.ContentLength == 0:
		a.response.finish(responseComplete)
		resp.Body = emptyBody{a.response.headerNames}
	default:
		a.response.body = resp.Body
		a.response.fillReads = resp.ContentLength > minFillSize && a.conn.tryRead != nil
		resp.Body = &a.response
	}
	return resp
}

// lateUploadTimeout bounds an upload after its response was read completely,
// because the server may never read the rest.
const lateUploadTimeout = 50 * time.Millisecond

// responseEnded records the end of the response. reusable reports whether the
// connection may serve another request.
func (a *attempt) responseEnded(reusable bool) {
	if reusable && a.upload != nil {
		a.uploadLimit = time.AfterFunc(lateUploadTimeout, a.conn.abort)
	}
	a.partEnded(reusable)
}

// partEnded records the end of the upload or of the response. When both have
// ended, the connection becomes idle or is closed.
func (a *attempt) partEnded(reusable bool) {
	if !reusable {
		a.unusable.Store(true)
	}
	last := a.active.Add(-1) == 0
	if last && a.upload != nil {
		a.conn.transport.silence.end(a.conn)
	}
	switch {
	case !last && !reusable:
		a.conn.abort()
	case !last:
	case a.stopWatch() && (a.uploadLimit == nil || a.uploadLimit.Stop()) && !a.unusable.Load():
		a.conn.transport.idle.put(a.conn)
	default:
		a.conn.close()
	}
}

package proxy

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	"hmaproxy/proxy/internal/body"
)

// A call is one request of a client. It has one field for the state of each
// stage, so that a request needs one allocation. Each stage passes a value to
// the next one.
type call struct {
	h          *Handler
	r          *http.Request
	control    http.ResponseController
	record     Record
	body       body.Reader
	buffer     body.Buffer
	inspection inspection
	trip       roundTrip
	respond    responder
	admitted   bool // admission counts this request as in progress
}

func newCall(h *Handler, w http.ResponseWriter, r *http.Request) *call {
	now := time.Now()
	c := &call{h: h, r: r, control: *http.NewResponseController(w)}
	_ = c.control.EnableFullDuplex() // permit Exchange to respond before it has received the whole body
	c.record = Record{ID: newID(), Start: now, Remote: r.RemoteAddr, Method: r.Method, Product: product(r.UserAgent())}
	c.body.Reset(r.Body, &c.control)
	c.respond = responder{w: w, r: r, control: &c.control, body: &c.body, record: &c.record, cookies: h.cookies, settings: &h.config.Settings, busy: &h.busy}
	c.respond.extendDeadline(now)
	return c
}

// newID returns a GUID, the form in which Exchange writes its own request-id.
// The GUID identifies a request. It is not a secret, so it need not be
// unpredictable.
func newID() string {
	var b [16]byte
	hi, lo := rand.Uint64(), rand.Uint64()
	for i := range 8 {
		b[i], b[8+i] = byte(hi>>(8*i)), byte(lo>>(8*i))
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	var s [36]byte
	hex.Encode(s[0:8], b[0:4])
	hex.Encode(s[9:13], b[4:6])
	hex.Encode(s[14:18], b[6:8])
	hex.Encode(s[19:23], b[8:10])
	hex.Encode(s[24:36], b[10:16])
	s[8], s[13], s[18], s[23] = '-', '-', '-', '-'
	return string(s[:])
}

// enter waits until the request may be served. It returns a problem if the
// request is refused or the client has left.
func (c *call) enter() *problem {
	err := c.h.admission.enter(c.r.Context(), c.record.Start)
	switch {
	case err == nil:
		c.admitted = true
		return nil
	case errors.Is(err, errOverload):
		return proxyBusy(errOverload.Error())
	}
	return failed(codeTransient, ReasonClientLeft, nil)
}

// leave ends the admission of the request. It is called at the end of the
// request, or earlier if only a notification stream remains. It may be called
// more than once.
func (c *call) leave(now time.Time) {
	if c.admitted {
		c.admitted = false
		c.h.admission.leave(now)
	}
}

// inspect reads a SOAP request and returns the request to send to Exchange, or
// the problem that prevents sending it.
func (c *call) inspect(client clientUser) (outgoing, *problem) {
	if refusal := c.inspection.begin(client, c.r.Header); refusal != nil {
		return outgoing{}, refused(refusal)
	}
	err := c.buffer.Fill(&c.body, c.r.ContentLength, c.h.budget, &c.inspection)
	if c.body.Ended() && c.body.N() == 0 { // an NTLM request may have an empty chunked body; ServeHTTP responds to one with Content-Length 0
		if step := ntlmStep(c.r.Header); step != nil {
			return outgoing{}, step
		}
	}
	if errors.Is(err, body.ErrClient) {
		return outgoing{}, failed(codeTransient, ReasonBody, nil)
	}
	if errors.Is(err, body.ErrFull) {
		return outgoing{}, noRoom(err)
	}
	refusal := c.inspection.decide(err)
	c.inspection.describe(&c.record)
	if refusal != nil {
		return outgoing{}, refused(refusal)
	}
	return outgoing{url: c.h.config.EWS, header: c.h.headers.soap(c.r.Header, &c.inspection), payload: c.payload()}, nil
}

// payload returns the body to send. If the inspection returns a new head, the
// body consists of that head and of the client's bytes from the Body on.
// Otherwise it is the client's body.
func (c *call) payload() body.Payload {
	head, from := c.inspection.head(c.buffer.HeadRoom(), c.buffer.Bytes())
	if c.body.Ended() {
		return body.NewBuffered(head, c.buffer.Bytes()[from:], c)
	}
	return body.NewStream(head, &c.buffer, from, &c.body, c.r.ContentLength, &c.inspection, c)
}

// Release releases the memory of the body and the scanner; see body.Owner.
func (c *call) Release() {
	c.inspection.release()
	c.buffer.Release()
}

// forward sends the request to Exchange and responds to the client. When
// forward returns, the client's body is no longer read, and the memory of the
// body is no longer used.
func (c *call) forward(out outgoing) {
	ctx, cancel := c.r.Context(), func(error) {}
	operation := c.inspection.operation()
	unknown := operation == "" && c.r.Method == http.MethodPost
	if mayStick(out.payload) || operation == streamingOperation || unknown {
		ctx, cancel = context.WithCancelCause(ctx)
	}
	if operation == streamingOperation {
		stop, err := c.h.streams.begin(cancel)
		if err != nil {
			out.payload.Close()
			c.fail(err, out.payload)
			return
		}
		defer stop()
	}
	trip := &c.trip
	trip.upstream, trip.method, trip.operation, trip.outgoing, trip.cancel = c.h.upstream, c.r.Method, operation, out, cancel
	defer c.drain()
	defer c.settle(out.payload, cancel)
	resp, err := trip.do(ctx)
	out.payload.Close()
	trip.describe(&c.record)
	if err != nil {
		c.settle(out.payload, cancel)
		c.fail(err, out.payload)
		return
	}
	defer resp.Body.Close()
	describeResponse(&c.record, resp)
	problem := problemOf(resp, c.record.Diagnosis)
	if problem == nil && c.r.Method == http.MethodPost {
		problem = notEWS(resp, trip.sent)
	}
	if problem != nil {
		resp.Body.Close()
		c.settle(out.payload, cancel)
		c.respond.problem(problem)
		return
	}
	switch {
	case operation == streamingOperation:
		c.leave(time.Now())
	case unknown && resp.ContentLength < 0: // the response may be a notification stream
		c.leave(time.Now())
		detector := &streamDetector{streams: &c.h.streams, cancel: cancel, header: resp.Header}
		defer detector.end()
		c.respond.detector = detector
	}
	complete, err := c.respond.relay(resp, operation)
	if err != nil {
		problem = notEWSProblem(resp, trip.sent) // reads the page before settle ends the request
	}
	c.settle(out.payload, cancel)
	if problem != nil {
		c.respond.problem(problem)
		return
	}
	if c.refusedLate(out.payload) || !complete {
		c.record.Aborted = true
		abort(c.r)
	}
	_ = c.control.Flush() // send all bytes before Done is called
}

// refusedLate reports whether the rest of the body was refused while the
// response was in progress, by the policy or because memory ran out. It records
// the reason. Some servers send a complete response although they have not
// received the whole body.
func (c *call) refusedLate(payload body.Payload) bool {
	err := payload.Err()
	if errors.Is(err, body.ErrFull) {
		c.record.Reason, c.record.Detail = ReasonProxyBusy, ReasonProxyBusy.Text()
		return true
	}
	if !errors.Is(err, body.ErrRefused) {
		return false
	}
	refusal := refusalFor(err)
	c.record.Reason, c.record.Detail = policyReasons[refusal.Reason], refusal.Detail
	return true
}

// fail responds to a request for which there is no response from Exchange.
func (c *call) fail(err error, payload body.Payload) {
	switch ended := payload.Err(); {
	case errors.Is(ended, body.ErrRefused):
		c.respond.problem(refused(refusalFor(ended)))
	case errors.Is(ended, body.ErrFull):
		c.respond.problem(noRoom(ended))
	case c.r.Context().Err() != nil:
		c.record.Reason, c.record.Detail = ReasonClientLeft, "the client left before Exchange responded"
		c.record.Aborted = true
		abort(c.r) // otherwise the client would get an empty response, which looks like one from Exchange
	case errors.Is(ended, body.ErrClient):
		c.respond.problem(failed(codeTransient, ReasonBody, nil))
	case errors.Is(err, errStopping):
		c.respond.problem(failed(codeBusy, ReasonProxyStopping, nil))
	default:
		c.respond.problem(problemFor(err, c.trip.nothing))
	}
}

// settle ends the attempt in progress and waits until the transport no longer
// uses the body. A read of the client's body that is in progress gets a final
// deadline. An attempt with a buffered body ends by itself; to cancel it would cost its
// connection if the transport has not noticed yet that the body was sent.
func (c *call) settle(payload body.Payload, cancel context.CancelCauseFunc) {
	if payload.Streamed() {
		cancel(nil)
	}
	if !c.body.Ended() && !payload.Idle() {
		wait := body.DrainTime
		if c.record.Aborted {
			wait = 0
		}
		c.body.StopBy(time.Now().Add(wait))
	}
	payload.Wait()
}

// drain reads the rest of the client's body after an early response. Otherwise
// the client might lose the response, because closing a connection with unread
// bytes resets it.
func (c *call) drain() {
	if !c.body.Ended() && !c.record.Aborted && !c.body.Drain() {
		hangUp(c.respond.w)
	}
}

// finish completes the Record and reports it.
func (c *call) finish() {
	now := time.Now()
	c.leave(now)
	c.respond.extendDeadline(now) // leave time for the server to flush the response
	c.record.BytesIn = c.body.N()
	c.record.UnknownIDs = int(c.inspection.unknownIDs.Load())
	if refusal := c.inspection.audited.Load(); refusal != nil {
		c.record.Audit = policyReasons[refusal.Reason]
		c.record.Detail = cmp.Or(c.record.Detail, refusal.Detail)
	}
	c.record.Duration = now.Sub(c.record.Start)
	c.Release() // has no effect if the payload has already called it
	c.h.config.Done(&c.record)
}

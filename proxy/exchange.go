package proxy

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"hmaproxy/proxy/ews"
	"hmaproxy/proxy/internal/soap"
	"hmaproxy/proxy/policy"
)

// An exchange is one request under way.
type exchange struct {
	h      *Handler
	w      http.ResponseWriter
	r      *http.Request
	rc     http.ResponseController
	record Record
	body   clientBody

	policy *policy.Policy // in force for this client
	login  string         // the Basic user name

	scanner  *soap.Scanner
	message  *ews.Request // nil: not read
	decision policy.Decision
	audit    atomic.Pointer[policy.Refusal] // the first that was only reported; bodies are judged while they pass
	raw      bool                           // the body goes as it came, unread
	page     *page                          // where short bodies lie
	held     *[heldBody]byte                // or here, if they are long
	buf      []byte
	reserved int64                   // of the budget for held bodies
	readers  readers                 // of the payload
	cancel   context.CancelCauseFunc // of a stream
	writable time.Time               // since when a client may take nothing of the answer
}

var scanners = sync.Pool{New: func() any { return soap.NewScanner() }}

func newExchange(h *Handler, w http.ResponseWriter, r *http.Request) *exchange {
	now := time.Now()
	x := &exchange{h: h, w: w, r: r, rc: *http.NewResponseController(w), policy: h.config.Policy()}
	_ = x.rc.EnableFullDuplex() // Exchange may answer before it has the whole body
	x.record = Record{ID: newID(), Start: now, Remote: r.RemoteAddr, Method: r.Method}
	x.body = clientBody{body: r.Body, rc: &x.rc, start: now}
	x.allowPause(now)
	return x
}

// allowPause gives the client time anew to take what is written. Of several
// calls within a second the first counts: a deadline costs more than that.
func (x *exchange) allowPause(now time.Time) {
	if now.Sub(x.writable) >= time.Second {
		x.writable = now
		_ = x.rc.SetWriteDeadline(now.Add(writePause))
	}
}

// A page is memory for a body as most are, and for the head to send with it.
type page struct {
	body [4 << 10]byte
	head [2 << 10]byte
}

var pages = sync.Pool{New: func() any { return new(page) }}

// longBodies are memory for those as long as is held, or longer.
var longBodies = sync.Pool{New: func() any { return new([heldBody]byte) }}

// newID returns a GUID, the form in which Exchange writes its own request-id.
// It identifies; it protects nothing.
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

// finish returns what was borrowed and tells of the request.
func (x *exchange) finish() {
	now := time.Now()
	x.allowPause(now) // for what net/http still has to flush
	x.release()
	x.record.BytesIn = x.body.n
	if r := x.audit.Load(); r != nil {
		x.record.Audit = policyReasons[r.Reason]
		x.record.Detail = cmp.Or(x.record.Detail, r.Detail)
	}
	x.record.Duration = now.Sub(x.record.Start)
	x.h.config.Done(&x.record)
}

// release gives back what the body needed. It is called when nothing reads the
// body any more.
func (x *exchange) release() {
	if x.scanner != nil {
		x.scanner.Reset(nil)
		scanners.Put(x.scanner)
		x.scanner, x.message = nil, nil
	}
	if x.reserved > 0 {
		x.h.held.release(x.reserved)
		x.reserved = 0
	}
	x.buf = nil
	if x.page != nil {
		pages.Put(x.page)
		x.page = nil
	}
	if x.held != nil {
		longBodies.Put(x.held)
		x.held = nil
	}
}

// serveSOAP is the way of a POST.
func (x *exchange) serveSOAP() {
	refusal, readable := mediaType(x.r.Header)
	if refusal == nil && x.policy.Limited() {
		refusal = readable
	}
	if refusal != nil && (refusal != readable || !x.audited(refusal)) {
		x.refuse(refusal)
		return
	}
	x.raw = refusal != nil
	x.scanner = scanners.Get().(*soap.Scanner)
	x.scanner.Reset(x.references())
	err := x.read()
	if x.handshake() { // an empty body in chunks
		return
	}
	if errors.Is(err, errClient) {
		x.deny(&denial{http.StatusBadRequest, ReasonBody, "the request's body ended before it was whole"})
		return
	}
	if refusal := x.judge(err); refusal != nil {
		x.refuse(refusal)
		return
	}
	x.forward(x.h.config.EWS, x.soapHeader(), x.payload())
}

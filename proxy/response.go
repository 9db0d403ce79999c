package proxy

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"hmaproxy/internal/retryafter"
	"hmaproxy/proxy/internal/body"
)

// A responder writes the response to the client, either Exchange's or the
// proxy's own. It records the result in the Record.
type responder struct {
	w        http.ResponseWriter
	r        *http.Request
	control  *http.ResponseController
	body     *body.Reader // the client's body, drained before a response of the proxy's own
	record   *Record
	cookies  *cookieNames
	settings *Settings
	busy     *busyDelay
	begun    bool            // the head of Exchange's response was written
	kept     []byte          // first bytes of an error response
	tail     tail            // last bytes of a notification stream
	detector *streamDetector // nil if it is known whether the response is a notification stream
}

// extendDeadline sets the write deadline: the client has writePause from now to read.
func (r *responder) extendDeadline(now time.Time) {
	_ = r.control.SetWriteDeadline(now.Add(writePause))
}

// problem writes a response of the proxy's own.
func (r *responder) problem(p *problem) {
	detail := r.note(p)
	r.prepare(p)
	header := r.w.Header()
	if p.challenge != "" {
		header.Set("WWW-Authenticate", p.challenge)
	}
	if p.form != soapFault || r.r.Method != http.MethodPost {
		status, text := p.status, p.text
		if p.form == soapFault {
			status = http.StatusServiceUnavailable
		}
		if text == "" && p.reason != ReasonNone {
			text = "hmaproxy: " + detail
		}
		r.plain(status, text)
		return
	}
	if p.code == codeBusy && !p.prompt {
		r.delay()
	}
	header.Set("Content-Type", soapContentType)
	r.write(http.StatusInternalServerError, p.fault(detail, r.record.ID))
}

// note adds a problem to the Record. It returns the human-readable text.
func (r *responder) note(p *problem) (detail string) {
	detail = p.detail
	if detail == "" {
		detail = p.reason.Text()
	}
	detail = r.settings.expand(detail)
	r.record.Reason, r.record.Detail = p.reason, detail
	if p.hint != "" {
		r.record.Detail += ": " + p.hint
	}
	if p.err != nil {
		r.record.Err = p.err
	}
	return detail
}

// document writes a document of the proxy's own as the response. p is nil if the
// client requested this document. Otherwise p says why the client gets it.
func (r *responder) document(status int, contentType, text string, p *problem) {
	if p == nil {
		p = &problem{status: status}
	} else {
		r.note(p)
	}
	r.prepare(p)
	r.w.Header().Set("Content-Type", contentType)
	r.write(status, text)
}

// delay waits if the client repeats a failing request without a pause.
func (r *responder) delay() {
	d := r.busy.next(peerOf(r.record.Remote, r.record.Client), time.Now())
	if d == 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.r.Context().Done():
	}
	r.extendDeadline(time.Now())
}

// prepare sets the headers of a problem. It drains the client's body, or makes
// the server close the connection after the response.
func (r *responder) prepare(p *problem) {
	header := r.w.Header()
	switch {
	case p.form == malformedText || p.form == closingText && r.r.Method != http.MethodPost:
		header.Set("Connection", "close")
		if !r.body.Ended() && !r.body.Failed() { // the server reads a part of the body before it closes the connection; this deadline limits the time for that
			_ = r.control.SetReadDeadline(time.Now().Add(body.DrainTime))
		}
	case r.r.Method == http.MethodPost && !r.body.Drain():
		header.Set("Connection", "close")
	}
	if p.reason != ReasonNone && p.reason != ReasonNTLM {
		header.Set("X-Hmaproxy-Error", p.reason.String())
		header.Set("Request-Id", r.record.ID)
	}
	if p.status == http.StatusMethodNotAllowed {
		header.Set("Allow", "POST, GET, HEAD")
	}
	if p.code == codeBusy {
		header.Set("Retry-After", strconv.Itoa(int((p.backOff()+time.Second-1)/time.Second)))
	}
}

// plain writes a response with plain text or without a body.
func (r *responder) plain(status int, text string) {
	if text != "" {
		r.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		r.w.Header().Set("X-Content-Type-Options", "nosniff")
		text += "\n"
	}
	r.write(status, text)
}

// write writes a complete response.
func (r *responder) write(status int, body string) {
	r.w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	r.record.Status = status
	r.w.WriteHeader(status)
	if r.r.Method == http.MethodHead {
		return
	}
	n, _ := io.WriteString(r.w, body)
	r.record.BytesOut += int64(n)
}

// relay copies Exchange's response and changes only parts that would mislead or
// harm a client. operation is the client's name for the operation. relay
// returns false if the client did not get all of the response. If checkFirst
// refuses the response, relay writes nothing and returns errNotSOAP. It does not
// call checkFirst for a notification stream, because it sends the head of a stream
// immediately.
func (r *responder) relay(resp *http.Response, operation string) (complete bool, err error) {
	small := smallBuffers.Get().(*[smallBuffer]byte)
	defer smallBuffers.Put(small)
	mayBeStream := resp.ContentLength < 0 && (operation == "" || operation == streamingOperation)
	isStream := mayBeStream && operation == streamingOperation
	if isStream {
		r.begin(resp)
		_ = r.control.Flush() // the first event may come only after half an hour
	}
	if resp.StatusCode >= 400 && r.r.Method == http.MethodPost {
		r.kept = make([]byte, 0, keptRead)
		defer func() { describeFault(r.record, resp.Header, r.kept) }()
	}
	return r.copyBody(resp, small, mayBeStream)
}

// begin writes the head of Exchange's response.
func (r *responder) begin(resp *http.Response) {
	r.begun = true
	r.copyHeader(resp.Header, spellingOf(resp))
	r.record.Status = resp.StatusCode
	r.extendDeadline(time.Now()) // a new deadline, because Exchange may have taken longer than the previous one
	r.w.WriteHeader(resp.StatusCode)
}

// errNotSOAP means that a response must not be relayed: it is empty, or it does
// not begin like an EWS response.
var errNotSOAP = errors.New("the response is not a SOAP document")

// streamingOperation is the operation whose response lasts for up to half an
// hour.
const streamingOperation = "GetStreamingEvents"

// Memory for copying responses. A notification stream may wait for half an
// hour, so it has only a small buffer while it waits. A large buffer is used
// for long responses, and for data that follows immediately after a part that
// filled the small buffer.
var (
	smallBuffers = sync.Pool{New: func() any { return new([smallBuffer]byte) }}
	largeBuffers = sync.Pool{New: func() any { return new([chunk]byte) }}
)

const smallBuffer = 2 << 10

// copyBody copies the response's body part by part. If the body has no
// announced length, it sends each part as soon as the part has arrived. For a
// response that may be a notification stream, it returns to the small buffer after
// a part that does not fill the large one. If it returns errNotSOAP, it has written
// nothing; see relay.
func (r *responder) copyBody(resp *http.Response, small *[smallBuffer]byte, mayBeStream bool) (complete bool, err error) {
	long := resp.ContentLength > int64(len(small))
	for large := long; ; {
		var n int
		if large {
			n, err = r.copyLargePart(resp)
			large = long || n == chunk || n >= len(small) && !mayBeStream
		} else {
			n, err = r.copyPart(resp, small[:])
			large = n == len(small)
		}
		switch err {
		case nil:
		case errNotSOAP:
			return false, err
		case errNotTaken:
			return false, nil
		default:
			return r.ended(err, resp), nil
		}
	}
}

func (r *responder) copyLargePart(resp *http.Response) (int, error) {
	large := largeBuffers.Get().(*[chunk]byte)
	defer largeBuffers.Put(large)
	return r.copyPart(resp, large[:])
}

// errNotTaken means that the client did not read a part of the response in
// time.
var errNotTaken = errors.New("the client stopped reading the response")

// copyPart copies one part through buf. It writes the head of the response
// before the first part.
func (r *responder) copyPart(resp *http.Response, buf []byte) (int, error) {
	n, err := resp.Body.Read(buf)
	if !r.begun {
		if n, err = r.checkFirst(resp, buf, n, err); err == errNotSOAP {
			return 0, err
		}
		r.begin(resp)
	} else if n > 0 {
		r.extendDeadline(time.Now())
	}
	if n > 0 && !r.writePart(buf[:n], resp.ContentLength < 0) {
		return n, errNotTaken
	}
	return n, err
}

// checkFirst checks the first part of the response to a POST, which is in buf[:n].
// It reads more of the response into buf, until the bytes show what kind of
// document the response is. It returns the number of bytes in buf. It returns
// errNotSOAP if the document does not come from EWS; then the first hintRead bytes
// of resp.Body can be read again. Responses to other methods are not checked.
func (r *responder) checkFirst(resp *http.Response, buf []byte, n int, err error) (int, error) {
	if r.r.Method != http.MethodPost {
		return n, err
	}
	var start start
	for {
		start = startOf(resp.Header, buf[:n])
		if start != startUnknown || err != nil || n == len(buf) {
			break
		}
		var more int
		more, err = resp.Body.Read(buf[n:])
		n += more
	}
	if start == startUnknown && err == io.EOF || start != startUnknown && !start.ewsWith(resp.StatusCode) {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(bytes.Clone(buf[:min(n, hintRead)])), resp.Body), resp.Body}
		return n, errNotSOAP
	}
	return n, err
}

// writePart writes a part of the response. It returns false if the client has
// left, or has not read the part before the write deadline. The caller has
// extended that deadline.
func (r *responder) writePart(p []byte, flush bool) bool {
	r.kept = append(r.kept, p[:min(len(p), cap(r.kept)-len(r.kept))]...)
	r.tail.add(p)
	if r.detector != nil && r.detector.add(p) {
		r.detector = nil
	}
	n, err := r.w.Write(p)
	r.record.BytesOut += int64(n)
	if err == nil && flush {
		err = r.control.Flush()
	}
	if err != nil {
		r.record.Reason, r.record.Detail = ReasonClientLeft, errNotTaken.Error()
	}
	return err == nil
}

// ended ends the response to the client after Exchange's response has ended with
// err. It reports whether the client got a complete response.
func (r *responder) ended(err error, resp *http.Response) bool {
	switch {
	case errors.Is(err, io.EOF):
		return true
	case errors.Is(err, errStopping):
		return r.endStream(resp)
	}
	r.record.Err = redactError(err)
	if r.r.Context().Err() != nil {
		r.record.Reason, r.record.Detail = ReasonClientLeft, "the client left before the response was complete"
	} else {
		r.record.Reason, r.record.Detail = ReasonUpstreamCut, ReasonUpstreamCut.Text()
	}
	return false
}

// endStream writes the end of a notification stream because the process stops.
// It returns false if the stream cannot be ended properly.
func (r *responder) endStream(resp *http.Response) bool {
	r.record.Detail = ReasonProxyStopping.Text()
	whole := r.tail.n == 0 || r.tail.endsDocument()
	if whole && resp.StatusCode == http.StatusOK && resp.ContentLength < 0 && resp.Header["Content-Encoding"] == nil {
		r.extendDeadline(time.Now())
		return r.writePart([]byte(streamClosed), true)
	}
	r.record.Reason = ReasonProxyStopping
	return false
}

// dropped are the response headers that are not sent to the client: hop-by-hop
// headers, headers of authentication, and headers that direct a browser to another
// URL.
var dropped = map[string]bool{
	"Connection": true, "Keep-Alive": true, "Proxy-Connection": true, "Proxy-Authenticate": true,
	"Proxy-Authentication-Info": true, "Transfer-Encoding": true, "Te": true, "Trailer": true,
	"Upgrade": true, "Www-Authenticate": true, "Authentication-Info": true, "Authorization": true,
	"Strict-Transport-Security": true, "Alt-Svc": true, "Location": true, "Refresh": true,
}

// A headerSpeller is a response body whose method HeaderName returns a header's
// name in the server's spelling.
type headerSpeller interface{ HeaderName(canonical string) string }

// spellingOf returns the function that restores the spelling of header names.
// Some clients look names up case-sensitively: X-FEServer is X-Feserver in
// net/http. Content-* and Date stay canonical, because net/http's server looks
// for them.
func spellingOf(resp *http.Response) func(canonical string) string {
	speller, ok := resp.Body.(headerSpeller)
	return func(canonical string) string {
		if !ok || canonical == "Date" || strings.HasPrefix(canonical, "Content-") {
			return canonical
		}
		return speller.HeaderName(canonical)
	}
}

// copyHeader copies Exchange's headers to the client. It omits the headers in
// dropped, the headers that Connection names, and Access-Control-*, which gives a
// permission to web pages.
func (r *responder) copyHeader(in http.Header, spelling func(string) string) {
	out := r.w.Header()
	for name, values := range in {
		switch {
		case dropped[name], strings.HasPrefix(name, "Access-Control-"):
		case name == "Set-Cookie":
			for _, v := range values {
				if cookie, ok := r.cookies.relay(v, r.r.TLS != nil); ok {
					out.Add("Set-Cookie", cookie)
				}
			}
		default:
			out[spelling(name)] = values
		}
	}
	for _, line := range in["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			delete(out, spelling(http.CanonicalHeaderKey(strings.Trim(name, " \t"))))
		}
	}
	if _, named := out["Content-Type"]; !named {
		out["Content-Type"] = nil // a nil value prevents net/http from guessing a type
	}
}

// problemOf returns the problem for a response that EWS clients misread, such
// as a redirect. It returns nil for a response to relay.
func problemOf(resp *http.Response, diagnosis *Diagnosis) *problem {
	code := codeBusy
	var reason Reason
	detail := ""
	switch status := resp.StatusCode; {
	case tokenRefused(resp):
		reason = ReasonUpstream401
		if diagnosis != nil {
			detail = reason.Text() + ": " + diagnosis.Meaning
		}
	case status == http.StatusTooManyRequests:
		reason = ReasonUpstream429
	case status == http.StatusBadGateway:
		reason = ReasonUpstream502
	case status == http.StatusGatewayTimeout:
		reason = ReasonUpstream504
	case status == http.StatusProxyAuthRequired:
		reason = ReasonUpstream407
		detail = reason.Text() + ": put them into {corporate-proxy}"
	case 300 <= status && status < 400:
		code, reason = codeTransient, ReasonUpstreamRedirect
	case status < 200:
		code, reason = codeTransient, ReasonUpstreamProtocol
	default:
		return nil
	}
	p := failed(code, reason, nil)
	p.detail = detail
	if code == codeBusy {
		p.wait = retryafter.Parse(value(resp.Header, "Retry-After"), time.Now(), maxBackOff)
	}
	return p
}

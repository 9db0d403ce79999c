package upstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/net/http/httpguts"
)

// maxInlineBody is the largest size of a body that is written in one piece with
// its head, before the response is read. It fits every server's receive window.
const maxInlineBody = 32 << 10

// A message is a request in serialised form. It is owned by RoundTrip. An
// upload reads its body.
type message struct {
	request  *http.Request
	ctx      context.Context
	trace    *httptrace.ClientTrace
	buffer   *messageBuffer
	text     []byte        // the head, followed by the body when that is short
	body     io.ReadCloser // the body, unless it is in text
	streamed bool          // the body is sent by an upload
	length   int64         // length of the body; -1: unknown, sent in chunks
	expect   bool          // wait for 100 Continue before sending the body
}

// A messageBuffer is reusable memory for a message.
type messageBuffer struct {
	text []byte
	keys []string
}

var messageBuffers = sync.Pool{New: func() any { return &messageBuffer{text: make([]byte, 0, 4<<10), keys: make([]string, 0, 24)} }}

// maxPooledText is the capacity up to which a buffer is kept for reuse.
const maxPooledText = 16 << 10

// newMessage checks that a request is for host and can be sent, and writes its
// head. It appends a short body to the head if the request has GetBody, because
// such a body is in memory.
func newMessage(r *http.Request, host string, headers *headerChecker) (*message, error) {
	m := &message{request: r, ctx: r.Context(), trace: httptrace.ContextClientTrace(r.Context())}
	if err := check(r, host, headers); err != nil {
		return nil, err
	}
	if r.Body != nil && r.Body != http.NoBody {
		m.body, m.length = r.Body, r.ContentLength
	}
	if m.body != nil && m.length == 0 { // in a Request with a body, 0 means an unknown length
		if err := m.detectBody(); err != nil {
			return nil, err
		}
	}
	m.expect = m.body != nil && httpguts.HeaderValuesContainsToken(r.Header["Expect"], "100-continue")
	m.buffer = messageBuffers.Get().(*messageBuffer)
	m.writeHead()
	if m.body != nil && !m.expect && 0 <= m.length && m.length <= maxInlineBody && r.GetBody != nil {
		return m, m.appendBody()
	}
	m.streamed = m.body != nil
	return m, nil
}

// detectBody reads one byte to find out whether the body is empty, for a request
// whose ContentLength is 0.
func (m *message) detectBody() error {
	first := make([]byte, 1)
	switch _, err := io.ReadFull(m.body, first); {
	case err == io.EOF:
		m.closeBody()
		return nil
	case err != nil:
		return err
	}
	type body struct {
		io.Reader
		io.Closer
	}
	m.body, m.length = body{io.MultiReader(bytes.NewReader(first), m.body), m.body}, -1
	return nil
}

// check refuses a request that is for another server or cannot be sent
// unchanged.
func check(r *http.Request, host string, headers *headerChecker) error {
	switch {
	case r.URL == nil || r.URL.Scheme != "https" || r.URL.Host != host:
		return errors.New("the request is for another server")
	case !httpguts.ValidHeaderFieldName(r.Method) || r.Method == http.MethodConnect:
		return errors.New("the request's method cannot be sent")
	case r.Host != "" && !httpguts.ValidHostHeader(r.Host), hasControl(r.URL.RequestURI()):
		return errors.New("the request's host or path cannot be sent")
	case len(r.Trailer) > 0:
		return errors.New("trailers are not sent")
	}
	for name, values := range r.Header {
		if !httpguts.ValidHeaderFieldName(name) {
			return errors.New("a header's name cannot be sent")
		}
		for _, v := range values {
			if !headers.valid(v) {
				return fmt.Errorf("the header %s has a value that cannot be sent", name) // do not show the value, which may be a secret
			}
		}
	}
	return nil
}

// A headerChecker checks the values of headers. It remembers the latest long
// value, because a token has kilobytes and is the same string in thousands of
// requests. It is safe for concurrent use.
type headerChecker struct {
	long atomic.Pointer[string] // the latest long value that was valid
}

// valid reports whether a header may have the value.
func (c *headerChecker) valid(v string) bool {
	const long = 256
	if len(v) < long {
		return httpguts.ValidHeaderFieldValue(v)
	}
	if checked := c.long.Load(); checked != nil && *checked == v {
		return true
	}
	return c.checkLong(v)
}

func (c *headerChecker) checkLong(v string) bool {
	if !httpguts.ValidHeaderFieldValue(v) {
		return false
	}
	c.long.Store(&v)
	return true
}

func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f })
}

// framesMessage reports whether a header, in any spelling, determines the
// framing or the host of a message. Such headers are written only from the
// fields of the request. If a header of the caller were added, two readers
// could see different messages.
func framesMessage(name string) bool {
	switch textproto.CanonicalMIMEHeaderKey(name) {
	case "Host", "Content-Length", "Transfer-Encoding", "Trailer":
		return true
	}
	return false
}

func (m *message) writeHead() {
	r, b := m.request, m.buffer.text[:0]
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	b = append(append(b, r.Method...), ' ')
	b = append(append(b, r.URL.RequestURI()...), " HTTP/1.1\r\nHost: "...)
	b = append(append(b, host...), "\r\n"...)
	b = m.appendHeaders(b)
	switch {
	case m.body != nil && m.length < 0:
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	case m.body != nil || r.Method == http.MethodPost || r.Method == http.MethodPut || r.Method == http.MethodPatch:
		b = append(b, "Content-Length: "...)
		b = append(strconv.AppendInt(b, m.length, 10), "\r\n"...)
	}
	if r.Close {
		b = append(b, "Connection: close\r\n"...)
	}
	m.text = append(b, "\r\n"...)
}

// appendHeaders writes the headers in the order of their names, so that equal
// requests have equal bytes.
func (m *message) appendHeaders(b []byte) []byte {
	keys := m.buffer.keys[:0]
	for name := range m.request.Header {
		if !framesMessage(name) {
			keys = append(keys, name)
		}
	}
	slices.Sort(keys)
	for _, name := range keys {
		for _, v := range m.request.Header[name] {
			b = append(append(b, name...), ": "...)
			b = append(append(b, textproto.TrimString(v)...), "\r\n"...)
		}
	}
	m.buffer.keys = keys
	return b
}

// appendBody reads a short body to its end and closes it.
func (m *message) appendBody() error {
	defer m.closeBody()
	head, n := len(m.text), int(m.length)
	m.text = slices.Grow(m.text, n+1)
	got, err := io.ReadFull(m.body, m.text[head:head+n+1])
	switch {
	case got > n:
		return fmt.Errorf("the request's body is longer than the %d bytes announced", n)
	case err != io.EOF && err != io.ErrUnexpectedEOF:
		return err
	case got < n:
		return fmt.Errorf("the request's body has %d bytes of the %d announced", got, n)
	}
	m.text = m.text[:head+n]
	return nil
}

// closeBody closes the body unless it is closed already.
func (m *message) closeBody() {
	if m.body != nil {
		_ = m.body.Close()
		m.body = nil
	}
}

// release returns the buffer to the pool, unless an upload may still use it.
func (m *message) release() {
	if m.buffer == nil || m.streamed {
		return
	}
	if m.buffer.text = m.text[:0]; cap(m.text) > maxPooledText {
		m.buffer.text = nil
	}
	clear(m.buffer.keys)
	messageBuffers.Put(m.buffer)
	m.buffer, m.text = nil, nil // free the buffer now, because the response may last for half an hour
}

// prepareRetry reports whether a request that failed on a reused connection may
// be sent on another one. If so, it opens a streamed body again.
func (m *message) prepareRetry(err error) bool {
	var failed *attemptError
	if m.ctx.Err() != nil || !errors.As(err, &failed) {
		return false
	}
	idempotent := m.request.Method == http.MethodGet || m.request.Method == http.MethodHead
	return failed.notSent && (!m.streamed || m.rewind()) ||
		failed.noResponse && idempotent && m.length == 0
}

// rewind opens the body for another attempt and reports whether this succeeded.
func (m *message) rewind() bool {
	if m.request.GetBody == nil {
		return false
	}
	body, err := m.request.GetBody()
	m.body = body
	return err == nil
}

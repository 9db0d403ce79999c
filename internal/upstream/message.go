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

	"golang.org/x/net/http/httpguts"
)

// shortBody is how long a body may be to be sent in one piece with its head,
// before anybody listens for an answer. Any server's receive window takes it.
const shortBody = 32 << 10

// A message is a request on its way.
type message struct {
	r        *http.Request
	ctx      context.Context
	trace    *httptrace.ClientTrace
	room     *room
	text     []byte        // the head, and the body where it is short
	body     io.ReadCloser // what is sent after that
	streamed bool          // there is such a body
	length   int64         // of the body, -1 when it goes in chunks
	expect   bool          // the server is asked before the body goes
}

// A room is memory for a message.
type room struct {
	text []byte
	keys []string
}

var rooms = sync.Pool{New: func() any { return &room{text: make([]byte, 0, 4<<10), keys: make([]string, 0, 24)} }}

// roomKept is how much memory a room may keep for the next message.
const roomKept = 16 << 10

// message checks a request and writes its head. A short body that is in memory,
// which GetBody vouches for, goes with it.
func (t *Transport) message(r *http.Request) (*message, error) {
	m := &message{r: r, ctx: r.Context(), trace: httptrace.ContextClientTrace(r.Context())}
	if err := t.check(r); err != nil {
		return nil, err
	}
	if r.Body != nil && r.Body != http.NoBody {
		m.body, m.length = r.Body, r.ContentLength
	}
	if m.body != nil && m.length == 0 { // which means unknown, in a request
		if err := m.probe(); err != nil {
			return nil, err
		}
	}
	m.expect = m.body != nil && httpguts.HeaderValuesContainsToken(r.Header["Expect"], "100-continue")
	m.room = rooms.Get().(*room)
	m.writeHead()
	if m.body != nil && !m.expect && 0 <= m.length && m.length <= shortBody && r.GetBody != nil {
		return m, m.takeBody()
	}
	m.streamed = m.body != nil
	return m, nil
}

// probe finds out whether there is a body at all.
func (m *message) probe() error {
	first := make([]byte, 1)
	switch _, err := io.ReadFull(m.body, first); {
	case err == io.EOF:
		m.close()
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

// check refuses what could not be sent as it is meant.
func (t *Transport) check(r *http.Request) error {
	switch {
	case r.URL == nil || r.URL.Scheme != "https" || r.URL.Host != t.config.Host:
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
			if !t.sendable(v) {
				return fmt.Errorf("the header %s has a value that cannot be sent", name) // which may be a secret
			}
		}
	}
	return nil
}

// sendable reports whether a header may have a value. A token has kilobytes, and
// is the same string in thousands of requests: it is looked at once.
func (t *Transport) sendable(v string) bool {
	const long = 256
	if len(v) < long {
		return httpguts.ValidHeaderFieldValue(v)
	}
	if known := t.vetted.Load(); known != nil && *known == v {
		return true
	}
	return t.vet(v)
}

func (t *Transport) vet(v string) bool {
	if !httpguts.ValidHeaderFieldValue(v) {
		return false
	}
	t.vetted.Store(&v)
	return true
}

func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f })
}

// framing are headers that say how the message is framed and for whom it is.
// They are written from the request's fields. However a name is spelt, a second
// one would let two readers see two messages.
func framing(name string) bool {
	switch textproto.CanonicalMIMEHeaderKey(name) {
	case "Host", "Content-Length", "Transfer-Encoding", "Trailer":
		return true
	}
	return false
}

func (m *message) writeHead() {
	r, b := m.r, m.room.text[:0]
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

// appendHeaders writes the headers in the order of their names, so that the
// same request always looks the same.
func (m *message) appendHeaders(b []byte) []byte {
	keys := m.room.keys[:0]
	for name := range m.r.Header {
		if !framing(name) {
			keys = append(keys, name)
		}
	}
	slices.Sort(keys)
	for _, name := range keys {
		for _, v := range m.r.Header[name] {
			b = append(append(b, name...), ": "...)
			b = append(append(b, textproto.TrimString(v)...), "\r\n"...)
		}
	}
	m.room.keys = keys
	return b
}

// takeBody reads a short body whole, and closes it.
func (m *message) takeBody() error {
	defer m.close()
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

// close closes the body, where that is still to be done.
func (m *message) close() {
	if m.body != nil {
		_ = m.body.Close()
		m.body = nil
	}
}

// release gives back the memory, unless the body may still be on its way.
func (m *message) release() {
	if m.room == nil || m.streamed {
		return
	}
	if m.room.text = m.text[:0]; cap(m.text) > roomKept {
		m.room.text = nil
	}
	clear(m.room.keys)
	rooms.Put(m.room)
	m.room, m.text = nil, nil // an answer may last for half an hour
}

// again reports whether a request that failed on a connection which had served
// before may be sent on another one, and makes it ready for that.
func (m *message) again(err error) bool {
	var failed *failure
	if m.ctx.Err() != nil || !errors.As(err, &failed) {
		return false
	}
	idempotent := m.r.Method == http.MethodGet || m.r.Method == http.MethodHead
	return failed.unsent && (!m.streamed || m.rewind()) ||
		failed.silent && idempotent && m.length == 0
}

// rewind opens the body anew.
func (m *message) rewind() bool {
	if m.r.GetBody == nil {
		return false
	}
	body, err := m.r.GetBody()
	m.body = body
	return err == nil
}

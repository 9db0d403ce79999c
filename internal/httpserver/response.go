package httpserver

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http/httpguts"
)

// A response is the http.ResponseWriter of a request. Only the handler's goroutine
// may call its exported methods. It implements the methods that an
// http.ResponseController looks for, except Hijack.
type response struct {
	conn   *conn
	head   *head
	header http.Header
	out    output

	status   int   // 0: WriteHeader was not called
	declared int64 // Content-Length; -1: none
	written  int64
	data     int  // index of the body in the buffer of out, while the length of the body is unknown
	open     bool // the end of the head is not written, because the length of the body is unknown
	chunked  bool
	bodyless bool // the response has no body: to HEAD, or with status 204 or 304
	close    bool // the connection ends after the response
	flushed  bool // FlushError was called

	mu        sync.Mutex // guards the fields below; the goroutine that reads the body uses them, too
	continued bool       // 100 Continue was sent
	started   bool       // the response has begun; 100 Continue must not be sent any more
}

// reset prepares r for a request. It reuses the memory of the previous header
// map.
func (r *response) reset(c *conn, h *head) {
	header := r.header
	clear(header)
	if header == nil {
		header = make(http.Header, 16)
	}
	*r = response{conn: c, head: h, header: header, out: output{conn: c.conn}, close: h.close || h.ambiguous}
}

func (r *response) Header() http.Header { return r.header }

// EnableFullDuplex does nothing: a handler may always read the body while it
// writes the response.
func (r *response) EnableFullDuplex() error { return nil }

// SetReadDeadline sets the deadline for reading the body.
func (r *response) SetReadDeadline(t time.Time) error {
	r.conn.in.setDeadline(t)
	return nil
}

// SetWriteDeadline sets the deadline for writing the response.
func (r *response) SetWriteDeadline(t time.Time) error { return r.out.conn.SetWriteDeadline(t) }

// writeContinue sends 100 Continue unless the response has begun.
func (r *response) writeContinue() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.started {
		return nil
	}
	r.continued = true
	_, err := io.WriteString(r.conn.conn, "HTTP/1.1 100 Continue\r\n\r\n")
	return err
}

// hasStarted reports whether the response has begun. Any goroutine may call it.
func (r *response) hasStarted() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.started
}

// WriteHeader begins the response. Only the first call has an effect. It panics
// if the status is not from 200 to 999.
func (r *response) WriteHeader(status int) {
	if r.status != 0 {
		return
	}
	if status < 200 || status > 999 {
		panic("httpserver: no final status: " + strconv.Itoa(status))
	}
	r.status = status
	r.bodyless = r.head.method == http.MethodHead || status == http.StatusNoContent || status == http.StatusNotModified
	out := r.out.buffer()
	b := append(*out, "HTTP/1."...)
	b = append(b, '0'+byte(min(r.head.minor, 1)), ' ') // HTTP/1.0 clients expect their own version
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(b, ' ')
	b = append(b, http.StatusText(status)...)
	b = append(b, "\r\n"...)
	b = r.appendFields(b)
	r.frame()
	if !r.open {
		b = r.appendFraming(b)
	}
	*out = b
	r.data = len(b)
}

// appendFields appends the handler's header, except the fields that concern the
// connection. It adds Date if the handler has not set it.
func (r *response) appendFields(b []byte) []byte {
	names := r.conn.names[:0]
	for name := range r.header {
		switch name {
		case "Content-Length", "Connection", "Transfer-Encoding":
		default:
			names = append(names, name)
		}
	}
	slices.Sort(names) // sort, so that equal responses have equal bytes
	for _, name := range names {
		if !httpguts.ValidHeaderFieldName(name) {
			continue
		}
		for _, v := range r.header[name] {
			b = append(b, name...)
			b = append(b, ": "...)
			b = appendValue(b, v)
			b = append(b, "\r\n"...)
		}
	}
	if _, found := r.header["Date"]; !found {
		b = append(b, "Date: "...)
		b = append(b, r.conn.server.date.now()...)
		b = append(b, "\r\n"...)
	}
	r.conn.names = names
	return b
}

// appendValue appends a header's value. Line ends within the value become
// blanks.
func appendValue(b []byte, v string) []byte {
	if !strings.ContainsAny(v, "\r\n") {
		return append(b, v...)
	}
	for i := range len(v) {
		c := v[i]
		if c == '\r' || c == '\n' {
			c = ' '
		}
		b = append(b, c)
	}
	return b
}

// frame decides how the end of the response is marked.
func (r *response) frame() {
	r.declared = -1
	if lengths := r.header["Content-Length"]; len(lengths) > 0 {
		if n, ok := parseLength(lengths[0]); ok {
			r.declared = n
		}
	}
	if httpguts.HeaderValuesContainsToken(r.header["Connection"], "close") || r.conn.server.stopping() {
		r.close = true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.started = true
	if r.head.expect && !r.continued {
		r.close = true // it is unknown whether the client will send the body
	}
	r.open = r.declared < 0 && !r.bodyless
}

// appendFraming appends the headers about framing and the connection, and the
// empty line that ends the head.
func (r *response) appendFraming(b []byte) []byte {
	if r.declared >= 0 && r.status != http.StatusNoContent {
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, r.declared, 10)
		b = append(b, "\r\n"...)
	}
	if r.chunked {
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	}
	switch {
	case r.close && r.head.minor >= 1:
		b = append(b, "Connection: close\r\n"...)
	case !r.close && r.head.minor == 0:
		b = append(b, "Connection: keep-alive\r\n"...)
	}
	return append(b, "\r\n"...)
}

// Write writes a part of the body.
func (r *response) Write(p []byte) (int, error) { return write(r, p) }

// WriteString writes a part of the body.
func (r *response) WriteString(s string) (int, error) { return write(r, s) }

func write[T []byte | string](r *response, p T) (int, error) {
	if r.status == 0 {
		r.WriteHeader(http.StatusOK)
	}
	switch {
	case r.out.err != nil:
		return 0, r.out.err
	case len(p) == 0:
		return 0, nil
	case r.bodyless:
		if r.head.method == http.MethodHead {
			return len(p), nil
		}
		return 0, http.ErrBodyNotAllowed
	case r.declared >= 0 && r.written+int64(len(p)) > r.declared:
		return 0, http.ErrContentLength
	}
	r.written += int64(len(p))
	if out := r.out.buffer(); len(p) <= cap(*out)-len(*out)-maxFraming {
		*out = append(*out, p...)
		return len(p), nil
	}
	if err := r.writeLong([]byte(p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// maxFraming is the number of bytes that are reserved for the framing of a head
// or a chunk.
const maxFraming = 96

// writeLong sends the buffer and p, which does not fit into the buffer.
func (r *response) writeLong(p []byte) error {
	r.endHead(false)
	if r.chunked {
		r.chunkBuffered(len(p))
	}
	if err := r.send(); err != nil {
		return err
	}
	if err := r.out.write(p); err != nil {
		return err
	}
	if r.chunked {
		out := r.out.buffer()
		*out = append(*out, "\r\n"...)
		r.data = len(*out)
	}
	return nil
}

// endHead chooses the framing and writes the end of the head, unless an earlier
// call has done so. whole says that the buffer contains the whole body.
func (r *response) endHead(whole bool) {
	if !r.open {
		return
	}
	r.open = false
	switch {
	case whole:
		r.declared = r.written
	case r.head.minor == 0:
		r.close = true
	default:
		r.chunked = true
	}
	var room [maxFraming]byte
	framing := r.appendFraming(room[:0])
	out := r.out.buffer()
	*out = slices.Insert(*out, r.data, framing...)
	r.data += len(framing)
}

// chunkBuffered adds framing, so that the body bytes in the buffer become a chunk.
// more is the number of further bytes of this chunk, which the caller sends after
// the buffer. If more is 0, chunkBuffered also adds the end of the chunk.
func (r *response) chunkBuffered(more int) {
	out := r.out.buffer()
	size := len(*out) - r.data + more
	if size == 0 {
		return
	}
	var line [20]byte
	head := append(strconv.AppendInt(line[:0], int64(size), 16), "\r\n"...)
	*out = slices.Insert(*out, r.data, head...)
	if more == 0 {
		*out = append(*out, "\r\n"...)
	}
}

// FlushError sends the buffered bytes.
func (r *response) FlushError() error {
	if r.status == 0 {
		r.WriteHeader(http.StatusOK)
	}
	if r.out.err != nil || r.out.buf == nil {
		return r.out.err
	}
	r.endHead(false)
	if r.chunked {
		r.chunkBuffered(0)
	}
	if !r.flushed {
		r.flushed = true
		r.conn.watch.hasten()
	}
	return r.send()
}

// send sends the buffered bytes.
func (r *response) send() error {
	r.data = 0
	return r.out.send()
}

// Flush implements http.Flusher.
func (r *response) Flush() { _ = r.FlushError() }

// errShort is returned for a response that is shorter than its Content-Length.
var errShort = errors.New("httpserver: the handler has written less than the Content-Length that it declared")

// finish completes and sends the response when the handler has returned. The error
// is errShort or an error of the connection.
func (r *response) finish() error {
	if r.status == 0 {
		r.WriteHeader(http.StatusOK)
	}
	r.endHead(true)
	if r.chunked {
		r.chunkBuffered(0)
		out := r.out.buffer()
		*out = append(*out, "0\r\n\r\n"...)
	}
	if err := r.send(); err != nil {
		return err
	}
	if r.declared >= 0 && !r.bodyless && r.written < r.declared {
		return errShort
	}
	return nil
}

package httpserver

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/net/http/httpguts"
)

// A conn is a client's connection.
type conn struct {
	server *Server
	conn   net.Conn
	remote string
	local  net.Addr
	state  *tls.ConnectionState // state of the TLS connection; nil without TLS
	in     input
	watch  watch
	resp   response
	names  []string // memory for the sorted names of headers

	mu   sync.Mutex
	idle bool  // the connection waits for the first byte of a request, or lingers after its last response
	call *call // values of the request in progress; nil between requests
}

// A call holds the values of one request that may be used after the request has
// ended. For example, an http.Transport may still read the request's context.
type call struct {
	ctx  requestContext
	body body
}

func newConn(s *Server, c net.Conn) *conn {
	k := &conn{server: s, conn: c, local: c.LocalAddr(), remote: c.RemoteAddr().String()}
	k.in.conn, k.watch.conn = c, k
	return k
}

// serve serves requests until the connection ends.
func (c *conn) serve() {
	defer c.server.forget(c)
	defer c.server.report(c.conn, http.StateClosed)
	defer c.conn.Close()
	defer func() {
		if v := recover(); v != nil { // a panic in this package ends one connection, not the process
			c.server.logPanic(c.remote, v)
		}
	}()
	c.server.report(c.conn, http.StateNew)
	if !c.handshake() {
		return
	}
	deadline := after(c.server.HeadTimeout)
	for c.serveRequest(deadline) {
		c.in.shrink()
		c.server.report(c.conn, http.StateIdle)
		deadline = after(c.server.IdleTimeout)
	}
}

// after returns the end of a timeout that begins now. It returns the zero time
// for the timeout 0.
func after(timeout time.Duration) time.Time {
	if timeout == 0 {
		return time.Time{}
	}
	return time.Now().Add(timeout)
}

// handshake performs the TLS handshake if the connection uses TLS. It returns
// false if the handshake fails.
func (c *conn) handshake() bool {
	t, ok := c.conn.(*tls.Conn)
	if !ok {
		return true
	}
	_ = t.SetDeadline(after(c.server.HeadTimeout))
	if err := t.HandshakeContext(context.Background()); err != nil {
		if plain, ok := errors.AsType[tls.RecordHeaderError](err); ok && plain.Conn != nil && looksLikeHTTP(plain.RecordHeader) {
			_, _ = io.WriteString(plain.Conn, "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n")
		}
		return false
	}
	_ = t.SetDeadline(time.Time{})
	state := t.ConnectionState()
	c.state = &state
	return true
}

// looksLikeHTTP reports whether a client has sent the beginning of an HTTP
// request instead of a TLS record.
func looksLikeHTTP(record [5]byte) bool {
	switch string(record[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO":
		return true
	}
	return false
}

// serveRequest serves one request. It reports whether the connection can serve
// another request.
func (c *conn) serveRequest(deadline time.Time) (again bool) {
	h, err := c.readHead(deadline)
	if err != nil {
		c.refuse(err)
		return false
	}
	k := &call{}
	k.ctx.local = c.local
	k.body.reset(c, h)
	if h.expect {
		k.body.resp = &c.resp
	}
	c.resp.reset(c, h)
	c.in.setDeadline(time.Time{}) // no deadline for the body: the handler sets one
	if !c.setCall(k) {
		return false
	}
	if h.length == 0 {
		c.watch.begin()
	}
	completed := c.handle(k, c.request(h, k))
	read := k.body.finish()
	there := c.watch.end()
	k.ctx.cancel()
	c.setCall(nil)
	switch {
	case !completed:
		c.abort()
		return false
	case c.resp.finish() != nil || !there:
		return false
	case c.resp.close || !read || c.server.stopping():
		c.linger(read)
		return false
	}
	return true
}

// request returns the request for the handler.
func (c *conn) request(h *head, k *call) *http.Request {
	r := &http.Request{
		Method: h.method, URL: h.url, RequestURI: h.target, Proto: h.proto, ProtoMajor: 1, ProtoMinor: h.minor,
		Header: h.header, Host: h.host, Body: &k.body, ContentLength: h.length, Close: h.close, Trailer: h.trailer,
		RemoteAddr: c.remote, TLS: c.state,
	}
	switch h.length {
	case 0:
		r.Body = http.NoBody
	case -1:
		r.TransferEncoding = chunkedCoding
	}
	r = r.WithContext(&k.ctx)
	k.body.request = r
	return r
}

var chunkedCoding = []string{"chunked"}

// handle calls the handler. It reports whether the handler has returned without a
// panic.
func (c *conn) handle(k *call, r *http.Request) (completed bool) {
	defer func() {
		if completed {
			return
		}
		if v := recover(); v != nil && v != http.ErrAbortHandler {
			c.server.logPanic(c.remote, v)
		}
	}()
	c.server.Handler.ServeHTTP(&c.resp, r)
	return true
}

// setCall sets the request in progress. It returns false when the server was
// closed.
func (c *conn) setCall(k *call) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.call = k
	return !c.server.closed.Load()
}

// end closes the connection and ends its request.
func (c *conn) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.call != nil {
		c.call.ctx.cancel()
	}
	_ = c.conn.Close()
}

// setIdle records whether the connection waits for a request. It returns false
// if idle is true but the connection must not wait, because the server stops.
func (c *conn) setIdle(idle bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.idle = idle
	return !idle || !c.server.stopping()
}

// endIdle ends the connection if it is idle.
func (c *conn) endIdle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.idle {
		c.in.interrupt()
	}
}

// isBusy reports whether a read has failed because the listener closed the
// connection to make room for another connection. Such an error has a method
// Busy() bool that returns true.
func isBusy(err error) bool {
	busy, ok := errors.AsType[interface {
		error
		Busy() bool
	}](err)
	return ok && busy.Busy()
}

// errQuiet is the error that ends a connection without a response.
var errQuiet = errors.New("httpserver: the connection ended between requests")

// readHead reads and parses the head of the next request. The first byte must come
// before the deadline, and the rest of the head within HeadTimeout after it.
func (c *conn) readHead(deadline time.Time) (*head, error) {
	if err := c.awaitRequest(deadline); err != nil {
		return nil, err
	}
	c.server.report(c.conn, http.StateActive)
	var lines lineScanner
	for first := true; ; first = false {
		n, err := lines.scan(c.in.buffered())
		if err != nil {
			return nil, err
		}
		if n > 0 {
			h, err := parseHead(string(c.in.buffered()[:n]))
			c.in.discard(n)
			return h, err
		}
		limit := cmp.Or(c.server.MaxHeadBytes, http.DefaultMaxHeaderBytes)
		if len(c.in.buffered()) >= limit {
			return nil, errHeadSize
		}
		if first {
			c.in.setDeadline(after(c.server.HeadTimeout))
		}
		if err := c.in.fill(limit); err != nil {
			if isTimeout(err) {
				err = errHeadTime
			}
			return nil, err
		}
	}
}

// awaitRequest waits for the first byte of a request. After a POST it ignores up to
// two empty lines, because some old clients send an empty line after a body (RFC
// 9112, section 2.2).
func (c *conn) awaitRequest(deadline time.Time) error {
	afterPost := c.resp.head != nil && c.resp.head.method == http.MethodPost
	for blank := 0; ; {
		b := c.in.buffered()
		switch {
		case len(b) == 0:
			if err := c.await(deadline); err != nil {
				return err
			}
		case afterPost && blank < len("\r\n\r\n") && b[0] == "\r\n"[blank%2]:
			c.in.discard(1)
			blank++
		case blank%2 == 1 || !httpguts.IsTokenRune(rune(b[0])):
			return errFirstByte
		default:
			return nil
		}
	}
}

// await waits for bytes. The connection is idle during the wait.
func (c *conn) await(deadline time.Time) error {
	if !c.setIdle(true) {
		return errQuiet
	}
	c.in.setDeadline(deadline)
	err := c.in.fill(readSize)
	c.setIdle(false)
	if isBusy(err) && c.resp.head == nil { // no request was read yet; after the first request, clients expect that an idle connection is closed without a response
		return err
	}
	if err != nil {
		return errQuiet
	}
	return nil
}

// refuseBusy sends the Busy response on a connection that the listener closes to
// make room for another connection.
func (c *conn) refuseBusy() {
	if c.server.Busy == nil {
		return
	}
	c.resp.reset(c, &head{method: http.MethodPost, minor: 1, close: true})
	_ = c.resp.SetWriteDeadline(time.Now().Add(refuseTime))
	c.server.Busy(&c.resp, c.remote)
	if c.resp.finish() == nil {
		c.linger(false)
	}
}

// refuse responds to a request that is not served because of err. If err is a
// *refusal, err contains the status of the response. If err is a busy error,
// refuseBusy writes the response. After any other error refuse writes no
// response: the client has left, or the connection has ended between two requests.
func (c *conn) refuse(err error) {
	c.in.drop() // free the memory of a large incomplete head before the response is written
	if isBusy(err) {
		c.refuseBusy()
		return
	}
	r, ok := errors.AsType[*refusal](err)
	if !ok {
		return // there is no request to respond to, or the client has left
	}
	if c.server.Refused != nil {
		c.server.Refused(c.remote, r.status, r.text)
	}
	text := "hmaproxy: " + r.text + "\n"
	b := []byte("HTTP/1.1 " + itoa(r.status) + " " + http.StatusText(r.status) + "\r\n" +
		"Content-Type: text/plain; charset=utf-8\r\nConnection: close\r\nContent-Length: " + itoa(len(text)) + "\r\n\r\n" + text)
	_ = c.conn.SetWriteDeadline(time.Now().Add(refuseTime))
	if _, err := c.conn.Write(b); err == nil {
		c.linger(false)
	}
}

// setWatched calls the method SetWatched(bool) of the connection, if there is
// one. watched is true while a read only detects that the client leaves, and false
// while a read waits for a part of a request.
func (c *conn) setWatched(watched bool) {
	if w, ok := c.raw().(interface{ SetWatched(bool) }); ok {
		w.SetWatched(watched)
	}
}

// peerClosed reports whether the client has closed its sending side, without reading.
// It returns false if the connection has no method PeerClosed.
func (c *conn) peerClosed() bool {
	p, ok := c.raw().(interface{ PeerClosed() bool })
	return ok && p.PeerClosed()
}

// isThere reports whether the client is still connected after the end of its body. If
// the client has left, isThere ends the context of the request. It waits for at most
// leaveWait. Only the goroutine that reads the body may call isThere.
func (c *conn) isThere() bool {
	if len(c.in.buffered()) > 0 {
		return true // the beginning of the next request
	}
	c.in.setDeadline(time.Now().Add(leaveWait))
	c.setWatched(true)
	err := c.in.fill(readSize)
	c.setWatched(false)
	c.in.setDeadline(time.Time{})
	if isGone(err) {
		c.watch.leave()
		return false
	}
	return true
}

// raw returns the connection below TLS.
func (c *conn) raw() net.Conn {
	if t, ok := c.conn.(*tls.Conn); ok {
		return t.NetConn()
	}
	return c.conn
}

// A closeWriter is a connection whose sending side can be closed separately.
type closeWriter interface{ CloseWrite() error }

// linger closes the sending side of the connection, and discards what still
// arrives until the client closes its side or lingerTime has passed. If a
// connection is closed while bytes arrive, the system resets it, and the client
// loses what it has not read. complete says that the request's body was read to
// its end. In this case linger does not wait, unless bytes after the body have
// already arrived.
func (c *conn) linger(complete bool) {
	w, ok := c.conn.(closeWriter)
	if !ok || w.CloseWrite() != nil || complete && len(c.in.buffered()) == 0 {
		return
	}
	if l, ok := c.raw().(interface{ SetLingering() }); ok {
		l.SetLingering() // from now on the listener may close the connection to make room for another
	}
	c.in.setDeadline(time.Now().Add(lingerTime))
	c.setIdle(true) // Shutdown closes idle connections
	rest := buffers.Get().(*[readSize]byte)
	defer buffers.Put(rest)
	for {
		if _, err := c.in.readConn(rest[:]); err != nil {
			return
		}
	}
}

// A lingerer is a connection that can be reset instead of closed.
type lingerer interface{ SetLinger(seconds int) error }

// abort ends the connection in the middle of a response. A client of HTTP/1.0 may
// treat the end of the connection as the end of the response, so abort resets its
// connection. Without the reset, the client could mistake a part of the response for the
// whole. With TLS it resets the TCP connection, because a TLS close_notify would
// mark the response as complete.
func (c *conn) abort() {
	c.resp.out.discard()
	if c.resp.head.minor > 0 {
		return // a chunked response, or one with a length, shows that it is incomplete
	}
	if l, ok := c.raw().(lingerer); ok {
		_ = l.SetLinger(0)
	}
	c.raw().Close()
}

package proxy

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
)

// connKey is the context key under which a request finds its connection.
type connKey struct{}

// A lingerer is a connection that can be reset instead of closed.
type lingerer interface{ SetLinger(sec int) error }

// abort panics with http.ErrAbortHandler, which makes the server close the
// client's connection. So the client cannot read the bytes sent so far as a
// complete response. An HTTP/1.0 client reads the end of the connection as the end
// of the response, so abort first resets such a client's connection. If that
// connection uses TLS, abort resets the TCP connection below it, because an orderly
// end of the TLS connection would mean that everything was sent.
func abort(r *http.Request) {
	if c, ok := r.Context().Value(connKey{}).(net.Conn); ok && !r.ProtoAtLeast(1, 1) {
		if t, ok := c.(*tls.Conn); ok {
			c = t.NetConn()
		}
		if l, ok := c.(lingerer); ok {
			_ = l.SetLinger(0)
		}
		c.Close()
	}
	panic(http.ErrAbortHandler)
}

// hangUp makes net/http close the connection after the response, even if the
// response's header has been written. The only way to do this is to exceed the
// limit of a MaxBytesReader. With EnableFullDuplex, net/http would otherwise
// read the rest of an unread body as the next request. hmaproxy's own HTTP server
// closes the connection in any case; hangUp serves other programs, which call the
// Handler from net/http.
func hangUp(w http.ResponseWriter) {
	overrun := http.MaxBytesReader(w, io.NopCloser(strings.NewReader("x")), 0)
	_, _ = overrun.Read(make([]byte, 1))
}

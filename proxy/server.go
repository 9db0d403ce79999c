package proxy

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
)

// Server returns the http.Server that h is meant to run in: HTTP/1 only, no
// answers of net/http's own to OPTIONS, and bounds on what a client may cost.
// The caller sets nothing but what belongs to its listeners.
func (h *Handler) Server(errors *log.Logger) *http.Server {
	var http1 http.Protocols
	http1.SetHTTP1(true)
	return &http.Server{
		Handler:                      h,
		DisableGeneralOptionsHandler: true,
		ReadHeaderTimeout:            headerTimeout,
		IdleTimeout:                  idleTimeout,
		MaxHeaderBytes:               serverHeaders,
		Protocols:                    &http1,
		ErrorLog:                     errors,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, c)
		},
	}
}

// connKey is the context key under which a request finds its connection.
type connKey struct{}

// lingerer is a connection that can be reset instead of closed.
type lingerer interface{ SetLinger(sec int) error }

// abort ends the client's connection so that nobody can take what was sent for
// a whole answer: an HTTP/1.0 client knows the end of an answer only by the
// connection's end, so the connection is reset. Below TLS, that is: its orderly
// end would say that all was sent.
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

// hangUp makes net/http close the connection when the answer has gone, also
// after the answer's header has been written: overrunning a MaxBytesReader is
// the one way to ask for that. Where a body was not read to its end, net/http
// would otherwise read the rest of it as the next request; it sees to that by
// itself only without EnableFullDuplex.
func hangUp(w http.ResponseWriter) {
	overrun := http.MaxBytesReader(w, io.NopCloser(strings.NewReader("x")), 0)
	_, _ = overrun.Read(make([]byte, 1))
}

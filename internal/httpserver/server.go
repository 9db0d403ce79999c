package httpserver

import (
	"cmp"
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// A Server serves HTTP/1.1. Set its fields before the first call of Serve.
type Server struct {
	// Handler serves the requests. It may panic with http.ErrAbortHandler to close
	// the connection in the middle of a response. When it returns, nothing may read
	// the request's body or use the ResponseWriter.
	Handler http.Handler

	HeadTimeout  time.Duration // limit for a TLS handshake, for the wait for the first request, and for a head from its first byte on; 0: none
	IdleTimeout  time.Duration // limit for the wait for each further request; 0: none
	MaxHeadBytes int           // maximum size of a request's head; 0 means http.DefaultMaxHeaderBytes

	// ConnState is called when a connection is new, begins to receive a
	// request, is idle, and is closed. nil means no call.
	ConnState func(net.Conn, http.ConnState)
	ErrorLog  *log.Logger // nil: no log

	// Busy writes a response on a connection from which no request was read, when
	// the listener closes it to make room for another connection. Reads of such a
	// connection fail with an error whose method Busy() bool returns true. The
	// connection ends after the response. If Busy is nil, the connection is closed
	// without a response.
	Busy func(w http.ResponseWriter, remote string)

	// Refused is called for each request whose head is refused, before the response
	// is sent. The handler is not called for such a request. reason is a text of
	// this package, without anything that the client sent. Refused may be called
	// concurrently. nil: no call.
	Refused func(remote string, status int, reason string)

	watchDelay time.Duration // zero: the constant watchDelay

	date    date
	mu      sync.Mutex
	open    map[*conn]struct{}
	listen  map[net.Listener]struct{}
	stopped atomic.Bool // the server serves no further requests
	closed  atomic.Bool
	ended   chan struct{} // closed when no connection is open any more; nil unless a call of Shutdown waits for that
}

// From returns a Server with the Handler, ReadHeaderTimeout, IdleTimeout,
// MaxHeaderBytes, ConnState and ErrorLog of s. It ignores the other fields of s.
func From(s *http.Server) *Server {
	return &Server{
		Handler: s.Handler, HeadTimeout: s.ReadHeaderTimeout, IdleTimeout: s.IdleTimeout, MaxHeadBytes: s.MaxHeaderBytes,
		ConnState: s.ConnState, ErrorLog: s.ErrorLog,
	}
}

// Serve accepts connections and serves them. It returns http.ErrServerClosed after
// Shutdown or Close, and closes the listener.
func (s *Server) Serve(l net.Listener) error {
	defer l.Close()
	if !s.track(l) {
		return http.ErrServerClosed
	}
	for delay, accepted := time.Duration(0), 0; ; {
		c, err := l.Accept()
		var temporary interface{ Temporary() bool }
		switch {
		case err == nil:
			delay = 0
			if k := newConn(s, c); s.remember(k) {
				go k.serve()
			} else {
				c.Close()
			}
			if accepted++; accepted%acceptBatch == 0 {
				runtime.Gosched() // otherwise thousands of new connections delay all goroutines that are already runnable
			}
		case s.stopping():
			return http.ErrServerClosed
		case errors.As(err, &temporary) && temporary.Temporary():
			delay = min(max(2*delay, minAcceptIn), maxAcceptIn)
			time.Sleep(delay)
		default:
			return err
		}
	}
}

// track adds a listener. It returns false when the server stops.
func (s *Server) track(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listen == nil {
		s.listen = make(map[net.Listener]struct{})
	}
	s.listen[l] = struct{}{}
	return !s.stopping()
}

// remember adds a connection. It returns false when the server stops.
func (s *Server) remember(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping() {
		return false
	}
	if s.open == nil {
		s.open = make(map[*conn]struct{})
	}
	s.open[c] = struct{}{}
	return true
}

// forget removes a connection that is closed.
func (s *Server) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
	if s.ended != nil && len(s.open) == 0 {
		close(s.ended)
		s.ended = nil
	}
}

func (s *Server) watchAfter() time.Duration { return cmp.Or(s.watchDelay, watchDelay) }

func (s *Server) stopping() bool { return s.stopped.Load() }

// stop closes the listeners and returns the connections that are open.
func (s *Server) stop() []*conn {
	s.stopped.Store(true)
	s.mu.Lock()
	defer s.mu.Unlock()
	for l := range s.listen {
		l.Close()
	}
	clear(s.listen)
	all := make([]*conn, 0, len(s.open))
	for c := range s.open {
		all = append(all, c)
	}
	return all
}

// Shutdown closes the listeners and the idle connections. It waits until the
// requests in progress have ended. It returns ctx.Err() when ctx ends before that.
func (s *Server) Shutdown(ctx context.Context) error {
	open := s.stop()
	ended := s.end()
	for _, c := range open {
		c.endIdle()
	}
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// end returns a channel that is closed when no connection is open. All calls of
// Shutdown in progress share the channel.
func (s *Server) end() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.open) == 0 {
		ended := make(chan struct{})
		close(ended)
		return ended
	}
	if s.ended == nil {
		s.ended = make(chan struct{})
	}
	return s.ended
}

// Close closes the listeners and all connections, and cancels the contexts of the
// requests in progress. It does not wait for their handlers.
func (s *Server) Close() error {
	s.closed.Store(true)
	for _, c := range s.stop() {
		c.end()
	}
	return nil
}

func (s *Server) report(c net.Conn, state http.ConnState) {
	if s.ConnState != nil {
		s.ConnState(c, state)
	}
}

func (s *Server) logPanic(remote string, v any) {
	if s.ErrorLog != nil {
		s.ErrorLog.Printf("panic while serving %s: %T\n%s", remote, v, debug.Stack())
	}
}

// A date caches the value of the Date header for a second.
type date struct{ last atomic.Pointer[dateText] }

type dateText struct {
	second int64
	text   string
}

func (d *date) now() string {
	now := time.Now()
	last := d.last.Load()
	if last == nil || last.second != now.Unix() {
		last = &dateText{now.Unix(), now.UTC().Format(http.TimeFormat)}
		d.last.Store(last)
	}
	return last.text
}

func itoa(n int) string { return strconv.Itoa(n) }

package upstream_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"hmaproxy/internal/upstream"
)

const responseTimeout = 10 * time.Minute

// bounded makes responseTimeout the timeout of all requests.
func bounded(u *upstream.Config) {
	u.ResponseTimeout = func(*http.Request) time.Duration { return responseTimeout }
}

func TestResponseTimeout(t *testing.T) {
	silence := pause(time.Hour)
	for _, c := range []struct {
		name    string
		script  []step
		request testRequest
		adjust  func(*upstream.Config)
		fails   bool
		took    time.Duration
	}{
		{"no response", []step{head, body, silence}, post, bounded, true, responseTimeout},
		{"no response to an upload", []step{head, body, silence}, testRequest{body: large[:100000], stream: true}, bounded, true, responseTimeout},
		{"upload that takes longer than the timeout", []step{head, some(1000), pause(15 * time.Minute), body, pause(9 * time.Minute), say(ok)}, testRequest{body: large[:100000], stream: true}, bounded, false, 24 * time.Minute},
		{"part of a head", []step{head, body, say("HTTP/1.1 200 OK\r\nContent-"), silence}, post, bounded, true, responseTimeout},
		{"interim responses", []step{head, body, pause(9 * time.Minute), say("HTTP/1.1 102 Processing\r\n\r\n"), silence}, post, bounded, true, responseTimeout},
		{"response just in time", []step{head, body, pause(responseTimeout - 1), say(ok)}, post, bounded, false, responseTimeout - 1},
		{"slow response body", []step{head, body, say(ok[:len(ok)-2]), pause(30 * time.Minute), say(ok[len(ok)-2:])}, post, bounded, false, 30 * time.Minute},
		{"no timeout", []step{head, body, pause(30 * time.Minute), say(ok)}, post, func(*upstream.Config) {}, false, 30 * time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			inSynctest(t, func(t *testing.T) {
				s := newServer(memoryNetwork{}, c.script...)
				transport := newTestTransport(t, s, c.adjust)
				began := time.Now()
				r, sent := c.request.request(t.Context())
				resp, err := transport.RoundTrip(r)
				if err == nil {
					_, err = io.Copy(io.Discard, resp.Body)
				}
				if took := time.Since(began); (err != nil) != c.fails || took != c.took {
					t.Errorf("%v after %v, want failure %v after %v", err, took, c.fails, c.took)
				}
				var timeout net.Error
				var notSent interface{ NotSent() bool }
				if c.fails && (!errors.As(err, &timeout) || !timeout.Timeout() || !errors.As(err, &notSent) || notSent.NotSent()) {
					t.Errorf("%v is not a timeout of a request that was sent", err)
				}
				time.Sleep(time.Second)
				if !sent.closed.Load() {
					t.Error("the request's body is open")
				}
				transport.CloseIdleConnections()
				if !s.waitClosed(2 * time.Hour) {
					t.Error("a connection is still open")
				}
			})
		})
	}
}

// TestResponseTimeoutOnReusedConnection checks that each request on a connection
// has at least nine tenths of the timeout.
func TestResponseTimeoutOnReusedConnection(t *testing.T) {
	inSynctest(t, func(t *testing.T) {
		var script []step
		for range 30 {
			script = append(script, head, body, say(ok))
		}
		s := newServer(memoryNetwork{}, append(script, head, body, pause(9*time.Minute), say(ok), head, body, pause(time.Hour))...)
		transport := newTestTransport(t, s, bounded)
		for range 30 {
			mustFetch(t, transport, post)
			time.Sleep(50 * time.Second)
		}
		mustFetch(t, transport, post)
		began := time.Now()
		r, _ := post.request(t.Context())
		if _, err := transport.RoundTrip(r); err == nil || s.conns != 1 || time.Since(began) < 9*time.Minute || time.Since(began) > responseTimeout {
			t.Errorf("%v after %v on %d connections", err, time.Since(began), s.conns)
		}
		s.waitClosed(2 * time.Hour)
	})
}

// A lostConn, once armed, fails like a connection whose peer has vanished.
type lostConn struct {
	net.Conn
	armed *atomic.Bool
	err   error
}

func (c lostConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) && c.armed.Load() {
		err = &net.OpError{Op: "read", Net: "tcp", Err: c.err}
	}
	return n, err
}

// A meeting makes two requests wait for each other at the server. So each needs its
// own connection, and both connections are idle afterwards.
type meeting struct{ arrived, all chan bool }

func newMeeting() meeting { return meeting{make(chan bool), make(chan bool)} }

// wait is the step of a server's script at which the requests wait.
func (m meeting) wait(*peer) error {
	m.arrived <- true
	<-m.all
	return nil
}

// fetch sends both requests and waits for their responses.
func (m meeting) fetch(t *testing.T, transport *upstream.Transport) {
	done := make(chan bool)
	for range 2 {
		go func() { mustFetch(t, transport, post); done <- true }()
	}
	<-m.arrived
	<-m.arrived
	close(m.all)
	<-done
	<-done
}

// TestIdleConnectionsAfterLostPeer checks that idle connections are not used
// after another connection has lost its peer. After a reset they are used,
// because the peer has sent the reset and so is not lost.
func TestIdleConnectionsAfterLostPeer(t *testing.T) {
	for _, c := range []struct {
		name  string
		err   error
		conns int
	}{
		{"lost", syscall.ETIMEDOUT, 3},
		{"no route", syscall.EHOSTUNREACH, 3},
		{"reset", syscall.ECONNRESET, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			inSynctest(t, func(t *testing.T) {
				var armed atomic.Bool
				s := newServer(memoryNetwork{})
				both := newMeeting()
				s.scripts = [][]step{{head, body, both.wait, say(ok), head, body, closeRaw}, {head, body, both.wait, say(ok), head, body, closeRaw}, {head, body, say(ok)}}
				transport := newTestTransport(t, s, func(u *upstream.Config) {
					u.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
						conn, err := s.net.open(ctx, s)
						return lostConn{conn, &armed, c.err}, err
					}
				})
				both.fetch(t, transport)
				armed.Store(true)
				r, _ := post.request(t.Context())
				if _, err := transport.RoundTrip(r); err == nil {
					t.Fatal("the request succeeded")
				}
				armed.Store(false)
				r, _ = post.request(t.Context())
				if resp, err := transport.RoundTrip(r); err == nil {
					resp.Body.Close()
				}
				if s.conns != c.conns {
					t.Errorf("%d connections, want %d", s.conns, c.conns)
				}
				transport.CloseIdleConnections()
				s.waitClosed(time.Hour)
			})
		})
	}
}

// A lostWriteConn fails in the next Write, once the flag armed is set, like a
// connection on Linux whose peer has vanished: only one call returns the error, later
// ones see a closed connection.
type lostWriteConn struct {
	net.Conn
	armed  *atomic.Bool
	failed *atomic.Bool
	err    error
}

func (c lostWriteConn) Write(p []byte) (int, error) {
	if c.armed.CompareAndSwap(true, false) {
		c.failed.Store(true)
		c.Conn.Close()
		return 0, &net.OpError{Op: "write", Net: "tcp", Err: c.err}
	}
	return c.Conn.Write(p)
}

func (c lostWriteConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil && c.failed.Load() {
		err = io.EOF
	}
	return n, err
}

// TestIdleConnectionsAfterFailedWrite checks that idle connections are not used after
// a write has failed because the peer is lost, although the read of the response
// fails with another error. The request is then sent on a new connection.
func TestIdleConnectionsAfterFailedWrite(t *testing.T) {
	for _, c := range []struct {
		name    string
		request testRequest
		err     error
		conns   int
	}{
		{"lost", post, syscall.ETIMEDOUT, 3},
		{"lost, long body", testRequest{body: large}, syscall.ETIMEDOUT, 3},
		{"reset", post, syscall.ECONNRESET, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			inSynctest(t, func(t *testing.T) {
				var armed atomic.Bool
				s := newServer(memoryNetwork{})
				both := newMeeting()
				first := []step{head, body, both.wait, say(ok), head, body, say(ok)}
				s.scripts = [][]step{first, first, {head, body, say(ok)}}
				transport := newTestTransport(t, s, func(u *upstream.Config) {
					u.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
						conn, err := s.net.open(ctx, s)
						return lostWriteConn{conn, &armed, new(atomic.Bool), c.err}, err
					}
				})
				both.fetch(t, transport)
				armed.Store(true)
				mustFetch(t, transport, c.request)
				if conns, _ := s.counts(); conns != c.conns {
					t.Errorf("%d connections, want %d", conns, c.conns)
				}
				transport.CloseIdleConnections()
				s.waitClosed(time.Hour)
			})
		})
	}
}

package upstream_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"hmaproxy/internal/upstream"
)

// A failingConn, once armed, accepts a limited number of bytes and then fails.
type failingConn struct {
	net.Conn
	armed   *atomic.Bool
	accepts int
}

var errConnFailed = errors.New("the connection failed")

func (d *failingConn) Write(p []byte) (int, error) {
	if !d.armed.Load() {
		return d.Conn.Write(p)
	}
	n, _ := d.Conn.Write(p[:min(len(p), d.accepts)])
	d.accepts -= n
	return n, errConnFailed
}

// TestRetry uses a connection that serves one request and fails during the second
// request. It checks whether the second request is retried. If the system accepted
// a byte of that request, only a GET is retried.
func TestRetry(t *testing.T) {
	for _, c := range []struct {
		name    string
		accepts int
		request testRequest
		retried bool
	}{
		{"POST, no byte accepted", 0, post, true},
		{"POST, one byte accepted", 1, post, false},
		{"POST, most bytes accepted", 100, post, false},
		{"POST of a stream, no byte accepted", 0, testRequest{body: "<a/>", stream: true}, false},
		{"long POST, no byte accepted", 0, testRequest{body: large[:100000]}, true},
		{"long POST, some bytes accepted", 20000, testRequest{body: large[:100000]}, false},
		{"GET, no byte accepted", 0, get, true},
		{"GET, one byte accepted", 1, get, true},
		{"DELETE, one byte accepted", 1, testRequest{method: http.MethodDelete}, false},
		{"PUT, one byte accepted", 1, testRequest{method: http.MethodPut, body: "<a/>"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			inSynctest(t, func(t *testing.T) {
				s := newServer(memoryNetwork{}, head, body, say(ok), head, body, say(ok))
				var armed atomic.Bool
				first := true
				transport := newTestTransport(t, s, func(u *upstream.Config) {
					u.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
						conn, err := s.net.open(ctx, s)
						if first {
							first = false
							conn = &failingConn{conn, &armed, c.accepts}
						}
						return conn, err
					}
				})
				mustFetch(t, transport, get)
				armed.Store(true)
				r, sent := c.request.request(t.Context())
				resp, err := transport.RoundTrip(r)
				if retried := err == nil; retried != c.retried || !retried && !strings.HasSuffix(err.Error(), errConnFailed.Error()) {
					t.Errorf("retried: %v (%v)", retried, err)
				}
				if err == nil {
					_, _ = io.Copy(io.Discard, resp.Body)
				}
				synctest.Wait()
				if sent != nil && !sent.closed.Load() {
					t.Error("the request's body is open")
				}
				transport.CloseIdleConnections()
				if !s.waitClosed(20*time.Second) || s.requests > 2 {
					t.Errorf("%d requests", s.requests)
				}
			})
		})
	}
}

// TestFailedConnectionIsNotUsedAgain uses a connection on which nothing more can be
// sent after some bytes of a request. The server responds nevertheless. The client
// gets the response, and the connection is closed.
func TestFailedConnectionIsNotUsedAgain(t *testing.T) {
	for _, c := range []struct {
		name    string
		request testRequest
	}{
		{"short POST", post},
		{"long POST", testRequest{body: large[:100000]}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inSynctest(t, func(t *testing.T) {
				const accepted = 20
				s := newServer(memoryNetwork{}, head, body, say(ok), func(p *peer) error {
					_, err := io.ReadFull(p.raw, make([]byte, accepted))
					return err
				}, say(ok))
				var armed atomic.Bool
				transport := newTestTransport(t, s, func(u *upstream.Config) {
					u.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
						conn, err := s.net.open(ctx, s)
						return &failingConn{conn, &armed, accepted}, err
					}
				})
				mustFetch(t, transport, get)
				armed.Store(true)
				if _, text := mustFetch(t, transport, c.request); text != "<ok/>" {
					t.Errorf("the response is %q", text)
				}
				if !s.waitClosed(time.Second) {
					t.Error("the connection is open")
				}
			})
		})
	}
}

// TestBodyThatFailsAtItsFirstByte checks a body of unknown length whose first
// Read fails. RoundTrip returns the error of that Read and opens no connection.
func TestBodyThatFailsAtItsFirstByte(t *testing.T) {
	inSynctest(t, func(t *testing.T) {
		s := newServer(memoryNetwork{}, head, body, say(ok))
		r, sent := testRequest{length: -1, fails: true, stream: true}.request(t.Context())
		r.ContentLength = 0 // with a Body, 0 means an unknown length
		resp, err := newTestTransport(t, s).RoundTrip(r)
		if resp != nil || !errors.Is(err, errBody) {
			t.Errorf("%v, %v", resp, err)
		}
		if conns, _ := s.counts(); conns != 0 || !sent.closed.Load() {
			t.Errorf("%d connections; the body is closed: %v", conns, sent.closed.Load())
		}
	})
}

// TestContinueTimeout checks that the body is sent after ContinueTimeout if the
// server does not send 100 Continue.
func TestContinueTimeout(t *testing.T) {
	inSynctest(t, func(t *testing.T) {
		var waited time.Duration
		begun := time.Now()
		s := newServer(memoryNetwork{}, head, some(1), func(*peer) error { waited = time.Since(begun); return nil }, body, say(ok))
		transport := newTestTransport(t, s)
		mustFetch(t, transport, expectContinue("<a/>"))
		transport.CloseIdleConnections()
		if !s.waitClosed(20*time.Second) || waited != 2*time.Second {
			t.Errorf("the body was sent after %v", waited)
		}
	})
}

// TestConcurrent sends requests concurrently, short and long ones, and cancels
// some of them. It is for the race detector.
func TestConcurrent(t *testing.T) {
	steps := []step{head, body, say(ok)}
	for range 50 {
		steps = append(steps, head, body, say(ok[:len(ok)-2], ok[len(ok)-2:]))
	}
	s := newServer(listen(t), steps...)
	transport := newTestTransport(t, s, func(u *upstream.Config) { u.MaxIdle = 2 })
	requests := []testRequest{get, post, {body: large[:50000], stream: true}, {body: large[:50000]}, {body: "<a/>", length: -1}}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 20 {
				ctx, cancel := context.WithCancel(t.Context())
				r, _ := requests[(i+j)%len(requests)].request(ctx)
				if j%5 == 4 {
					time.AfterFunc(time.Duration(i*j)*time.Microsecond, cancel)
				}
				resp, err := transport.RoundTrip(r)
				if err == nil {
					if j%7 == 6 {
						go resp.Body.Close()
					}
					text, err := io.ReadAll(resp.Body)
					resp.Body.Close()
					if err == nil && string(text) != "<ok/>" {
						t.Errorf("got %q", text)
					}
				} else if ctx.Err() == nil {
					t.Error(err)
				}
				cancel()
			}
		})
	}
	wg.Wait()
	transport.CloseIdleConnections()
	if !s.waitClosed(20 * time.Second) {
		t.Error("a connection is left over")
	}
}

// TestUploadEndsAfterTheResponse uses a server that responds completely and
// does not read the rest of the body. It checks that the upload ends 50 ms later,
// as with http.Transport, although the context has not ended.
func TestUploadEndsAfterTheResponse(t *testing.T) {
	inSynctest(t, func(t *testing.T) {
		s := newServer(memoryNetwork{}, head, say(ok), readNothing)
		transport := newTestTransport(t, s)
		r, sent := testRequest{body: large[:200000], stream: true}.request(t.Context())
		resp, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(resp.Body); err != nil || string(text) != "<ok/>" {
			t.Errorf("got %q, %v", text, err)
		}
		time.Sleep(50 * time.Millisecond)
		synctest.Wait()
		if !sent.closed.Load() {
			t.Error("the request's body is still open")
		}
		if !s.waitClosed(20 * time.Second) {
			t.Error("the connection is left over")
		}
	})
}

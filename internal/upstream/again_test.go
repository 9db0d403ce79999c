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

// A dying connection takes so many more bytes once it is armed, and then none.
type dying struct {
	net.Conn
	armed *atomic.Bool
	takes int
}

var errDead = errors.New("the connection is dead")

func (d *dying) Write(p []byte) (int, error) {
	if !d.armed.Load() {
		return d.Conn.Write(p)
	}
	n, _ := d.Conn.Write(p[:min(len(p), d.takes)])
	d.takes -= n
	return n, errDead
}

// TestSentAgain: a connection that had served before dies as it is used again.
// What the system took a byte of is not sent again, unless it is a GET.
func TestSentAgain(t *testing.T) {
	for _, c := range []struct {
		name  string
		takes int
		ask   ask
		again bool
	}{
		{"POST, nothing taken", 0, post, true},
		{"POST, a byte taken", 1, post, false},
		{"POST, all but taken", 100, post, false},
		{"POST of a stream, nothing taken", 0, ask{body: "<a/>", stream: true}, false},
		{"a long POST, nothing taken", 0, ask{body: large[:100000]}, true},
		{"a long POST, some taken", 20000, ask{body: large[:100000]}, false},
		{"GET, nothing taken", 0, get, true},
		{"GET, a byte taken", 1, get, true},
		{"DELETE, a byte taken", 1, ask{method: http.MethodDelete}, false},
		{"PUT, a byte taken", 1, ask{method: http.MethodPut, body: "<a/>"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := scripted(bubble{}, head, body, say(ok), head, body, say(ok))
				var armed atomic.Bool
				first := true
				lean := newLean(t, s, func(u *upstream.Config) {
					u.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
						conn, err := s.net.open(ctx, s)
						if first {
							first = false
							conn = &dying{conn, &armed, c.takes}
						}
						return conn, err
					}
				})
				fetch(t, lean, get)
				armed.Store(true)
				r, sent := c.ask.request(t.Context())
				resp, err := lean.RoundTrip(r)
				if again := err == nil; again != c.again || !again && !strings.HasSuffix(err.Error(), errDead.Error()) {
					t.Errorf("sent again: %v (%v)", again, err)
				}
				if err == nil {
					_, _ = io.Copy(io.Discard, resp.Body)
				}
				synctest.Wait()
				if sent != nil && !sent.closed.Load() {
					t.Error("the request's body is open")
				}
				lean.CloseIdleConnections()
				if !s.gone(20*time.Second) || s.requests > 2 {
					t.Errorf("%d requests", s.requests)
				}
			})
		})
	}
}

// TestWaitFor100: the body goes when the server has said nothing for so long.
func TestWaitFor100(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var waited time.Duration
		begun := time.Now()
		s := scripted(bubble{}, head, some(1), func(*peer) error { waited = time.Since(begun); return nil }, body, say(ok))
		lean := newLean(t, s)
		fetch(t, lean, expecting("<a/>"))
		lean.CloseIdleConnections()
		if !s.gone(20*time.Second) || waited != 2*time.Second {
			t.Errorf("the body went after %v", waited)
		}
	})
}

// TestConcurrent is for the race detector: requests of all kinds, some given
// up while they are under way.
func TestConcurrent(t *testing.T) {
	steps := []step{head, body, say(ok)}
	for range 50 {
		steps = append(steps, head, body, say(ok[:len(ok)-2], ok[len(ok)-2:]))
	}
	s := scripted(listen(t), steps...)
	lean := newLean(t, s, func(u *upstream.Config) { u.MaxIdle = 2 })
	asks := []ask{get, post, {body: large[:50000], stream: true}, {body: large[:50000]}, {body: "<a/>", length: -1}}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 20 {
				ctx, cancel := context.WithCancel(t.Context())
				r, _ := asks[(i+j)%len(asks)].request(ctx)
				if j%5 == 4 {
					time.AfterFunc(time.Duration(i*j)*time.Microsecond, cancel)
				}
				resp, err := lean.RoundTrip(r)
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
	lean.CloseIdleConnections()
	if !s.gone(20 * time.Second) {
		t.Error("a connection is left over")
	}
}

// TestAnsweredAndDeaf: a server that has answered to the end and reads no more
// of a body does not hold the request for longer than 50 ms, as http.Transport
// has it, though nobody ends the context.
func TestAnsweredAndDeaf(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := scripted(bubble{}, head, say(ok), deaf)
		lean := newLean(t, s)
		r, sent := ask{body: large[:200000], stream: true}.request(t.Context())
		resp, err := lean.RoundTrip(r)
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
		if !s.gone(20 * time.Second) {
			t.Error("the connection is left over")
		}
	})
}

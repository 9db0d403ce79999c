package upstream_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hmaproxy/internal/upstream"
)

// scripted returns a server with one script for all connections.
func scripted(n network, steps ...step) *server {
	cert, _ := identity()
	return &server{net: n, scripts: [][]step{steps}, tls: &tls.Config{Certificates: []tls.Certificate{cert}}}
}

// inBubble runs f in a bubble of its own.
func inBubble(t *testing.T, f func(*testing.T)) {
	identity() // outside of it
	synctest.Test(t, f)
}

// fetch sends a request and reads the answer to its end.
func fetch(t *testing.T, c client, a ask) (*http.Response, string) {
	t.Helper()
	r, _ := a.request(t.Context())
	resp, err := c.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}

// TestCancelledAtEveryStage: wherever a request is cancelled, it says why, lets
// go of its body and leaves no connection. Goroutines that stayed would fail
// the bubble.
func TestCancelledAtEveryStage(t *testing.T) {
	reason := errors.New("the client left")
	upload := ask{body: large, stream: true}
	for _, c := range []struct {
		name string
		raw  bool
		dial bool
		ask  ask
		do   []step
	}{
		{name: "dialling", dial: true, ask: post},
		{name: "shaking hands", raw: true, ask: upload},
		{name: "writing", do: []step{head, some(100000), deaf}, ask: upload},
		{name: "waiting for 100 Continue", do: []step{head}, ask: expecting("<a/>")},
		{name: "waiting for the answer", do: []step{head, body}, ask: post},
		{name: "reading the answer's head", do: []step{head, body, say("HTTP/1.1 2")}, ask: post},
		{name: "reading interim answers", do: []step{head, body, say("HTTP/1.1 102 Processing\r\n\r\n")}, ask: post},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := scripted(bubble{}, c.do...)
				s.raw = c.raw
				lean := newLean(t, s, func(u *upstream.Config) {
					if c.dial {
						u.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }
					}
				})
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(time.Second, func() { cancel(reason) })
				r, sent := c.ask.request(ctx)
				begun := time.Now()
				_, err := lean.RoundTrip(r)
				if !errors.Is(err, reason) || time.Since(begun) != time.Second {
					t.Errorf("%v after %v", err, time.Since(begun))
				}
				synctest.Wait()
				if !sent.closed.Load() {
					t.Error("the request's body is open")
				}
				if !s.gone(20 * time.Second) {
					t.Error("a connection is left over")
				}
			})
		})
	}
}

// TestCancelledBeforeTheDialEnds: a connection that comes when nobody waits
// for it any more is closed.
func TestCancelledBeforeTheDialEnds(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := scripted(bubble{}, head, body, say(ok))
		lean := newLean(t, s, func(u *upstream.Config) {
			u.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
				time.Sleep(5 * time.Second)
				return s.net.open(ctx, s)
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		r, _ := post.request(ctx)
		if _, err := lean.RoundTrip(r); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		time.Sleep(10 * time.Second)
		if !s.gone(20*time.Second) || s.conns != 1 || s.requests != 0 {
			t.Errorf("%d connections, %d requests", s.conns, s.requests)
		}
	})
}

// TestCancelledWhileTheAnswerIsRead: the reader learns why, and no end that
// could be taken for the proper one.
func TestCancelledWhileTheAnswerIsRead(t *testing.T) {
	for _, framing := range []string{"Content-Length: 9\r\n\r\n<half", "Transfer-Encoding: chunked\r\n\r\n5\r\n<half\r\n", "\r\n<half"} {
		inBubble(t, func(t *testing.T) {
			s := scripted(bubble{}, head, body, say("HTTP/1.1 200 OK\r\n"+framing))
			reason := errors.New("the client left")
			ctx, cancel := context.WithCancelCause(t.Context())
			r, _ := post.request(ctx)
			resp, err := newLean(t, s).RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			time.AfterFunc(time.Second, func() { cancel(reason) })
			if text, err := io.ReadAll(resp.Body); !errors.Is(err, reason) || string(text) != "<half" {
				t.Errorf("%q: %q, %v", framing, text, err)
			}
			if !s.gone(20 * time.Second) {
				t.Error("a connection is left over")
			}
		})
	}
}

// TestCloseWhileTheAnswerIsRead: Close ends another goroutine's Read.
func TestCloseWhileTheAnswerIsRead(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := scripted(bubble{}, head, body, say("HTTP/1.1 200 OK\r\n\r\n<half"))
		r, _ := post.request(t.Context())
		resp, err := newLean(t, s).RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Second, func() { resp.Body.Close() })
		if _, err := io.ReadAll(resp.Body); err == nil {
			t.Error("the answer looks whole")
		}
		if !s.gone(20 * time.Second) {
			t.Error("a connection is left over")
		}
	})
}

func TestHandshakeThatTakesTooLong(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := scripted(bubble{})
		s.raw = true
		r, _ := post.request(t.Context())
		begun := time.Now()
		_, err := newLean(t, s).RoundTrip(r)
		var slow net.Error
		if !errors.As(err, &slow) || !slow.Timeout() || time.Since(begun) != 10*time.Second {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
	})
}

// TestWrongCertificate: the token goes to nobody whose name is not proven.
func TestWrongCertificate(t *testing.T) {
	for _, c := range []struct {
		name   string
		adjust func(*upstream.Config)
	}{
		{"another name", func(c *upstream.Config) { c.TLS.ServerName = "mail.contoso.com" }},
		{"an unknown root", func(c *upstream.Config) { c.TLS.RootCAs = nil }},
	} {
		s := scripted(listen(t), head, body, say(ok))
		r, sent := post.request(t.Context())
		_, err := newLean(t, s, c.adjust).RoundTrip(r)
		var untrusted *tls.CertificateVerificationError
		if !errors.As(err, &untrusted) || s.requests != 0 || !sent.closed.Load() {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestResumption(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		s := scripted(listen(t), head, body, say("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n<ok/>"))
		s.tls.MaxVersion = version
		lean := newLean(t, s)
		first, _ := fetch(t, lean, post)
		second, _ := fetch(t, lean, post)
		if first.TLS.DidResume || !second.TLS.DidResume || second.TLS.Version != version {
			t.Errorf("%s: resumed %v, %v", tls.VersionName(version), first.TLS.DidResume, second.TLS.DidResume)
		}
	}
}

// TestIdle: unused connections are kept, so many and so long.
func TestIdle(t *testing.T) {
	for _, c := range []struct {
		name  string
		then  func(*upstream.Transport)
		conns int // that were opened for two rounds of three requests
	}{
		{"a moment later", func(*upstream.Transport) { time.Sleep(54 * time.Second) }, 4},
		{"the idle time is over", func(*upstream.Transport) { time.Sleep(55 * time.Second); synctest.Wait() }, 6},
		{"closed", func(u *upstream.Transport) { u.CloseIdleConnections(); synctest.Wait() }, 6},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := scripted(bubble{}, head, body, pause(time.Millisecond), say(ok), head, body, pause(time.Millisecond), say(ok))
				lean := newLean(t, s, func(u *upstream.Config) { u.MaxIdle = 2 })
				for i := range 2 {
					if i > 0 {
						c.then(lean)
					}
					done := make(chan bool)
					for range 3 {
						go func() { fetch(t, lean, post); done <- true }()
					}
					for range 3 {
						<-done
					}
				}
				synctest.Wait()
				lean.CloseIdleConnections()
				if !s.gone(20*time.Second) || s.conns != c.conns {
					t.Errorf("%d connections, want %d", s.conns, c.conns)
				}
			})
		})
	}
}

// TestRefused: what could not be sent as it is meant, or is for somebody else,
// is not sent at all.
func TestRefused(t *testing.T) {
	for name, change := range map[string]func(*http.Request){
		"another host":       func(r *http.Request) { r.URL.Host = "example.org" },
		"another port":       func(r *http.Request) { r.URL.Host = "example.com:444" },
		"plain HTTP":         func(r *http.Request) { r.URL.Scheme = "http" },
		"no URL":             func(r *http.Request) { r.URL = nil },
		"CONNECT":            func(r *http.Request) { r.Method = http.MethodConnect },
		"a method's space":   func(r *http.Request) { r.Method = "GET /" },
		"a method's line":    func(r *http.Request) { r.Method = "GET\r\n" },
		"no method":          func(r *http.Request) { r.Method = "" },
		"a host's line":      func(r *http.Request) { r.Host = "example.com\r\nX: y" },
		"a path's line":      func(r *http.Request) { r.URL = &url.URL{Scheme: "https", Host: "example.com", Opaque: "/\r\nX: y"} },
		"a query's space":    func(r *http.Request) { r.URL.RawQuery = "a b" },
		"a query's line":     func(r *http.Request) { r.URL.RawQuery = "a\r\nX: y" },
		"a name's line":      func(r *http.Request) { r.Header["A\r\nX"] = []string{"b"} },
		"a name's colon":     func(r *http.Request) { r.Header["A:"] = []string{"b"} },
		"a name's space":     func(r *http.Request) { r.Header["A "] = []string{"b"} },
		"no name":            func(r *http.Request) { r.Header[""] = []string{"b"} },
		"a value's CR":       func(r *http.Request) { r.Header["A"] = []string{"b\rX: y"} },
		"a value's LF":       func(r *http.Request) { r.Header["A"] = []string{"b\nX: y"} },
		"a value's NUL":      func(r *http.Request) { r.Header["A"] = []string{"b\x00"} },
		"the second value's": func(r *http.Request) { r.Header["A"] = []string{"b", "c\n"} },
		"trailers":           func(r *http.Request) { r.Trailer = http.Header{"A": nil} },
	} {
		t.Run(name, func(t *testing.T) {
			s := scripted(listen(t), head, body, say(ok))
			r, sent := post.request(t.Context())
			change(r)
			_, err := newLean(t, s).RoundTrip(r)
			if err == nil || s.conns != 0 || !sent.closed.Load() {
				t.Errorf("%v, %d connections", err, s.conns)
			}
			if err != nil && strings.Contains(err.Error(), "y") && strings.Contains(err.Error(), "X:") {
				t.Errorf("the error quotes the value: %v", err)
			}
		})
	}
}

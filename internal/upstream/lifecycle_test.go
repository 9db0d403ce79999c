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

// newServer returns a server with one script for all connections.
func newServer(n network, steps ...step) *server {
	cert, _ := serverIdentity()
	return &server{net: n, scripts: [][]step{steps}, tls: &tls.Config{Certificates: []tls.Certificate{cert}}}
}

// inSynctest runs f in a synctest bubble.
func inSynctest(t *testing.T, f func(*testing.T)) {
	serverIdentity() // must be called outside of the bubble
	synctest.Test(t, f)
}

// mustFetch sends a request and reads the response to its end.
func mustFetch(t *testing.T, c client, a testRequest) (*http.Response, string) {
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

// TestCancelledAtEveryStage checks that a cancelled request returns the cause,
// closes its body and leaves no connection. A leaked goroutine fails the bubble.
func TestCancelledAtEveryStage(t *testing.T) {
	reason := errors.New("the client left")
	upload := testRequest{body: large, stream: true}
	for _, c := range []struct {
		name    string
		raw     bool
		dial    bool
		request testRequest
		do      []step
	}{
		{name: "while dialling", dial: true, request: post},
		{name: "during the TLS handshake", raw: true, request: upload},
		{name: "while writing", do: []step{head, some(100000), readNothing}, request: upload},
		{name: "while waiting for 100 Continue", do: []step{head}, request: expectContinue("<a/>")},
		{name: "while waiting for the response", do: []step{head, body}, request: post},
		{name: "while reading the response's head", do: []step{head, body, say("HTTP/1.1 2")}, request: post},
		{name: "while reading interim responses", do: []step{head, body, say("HTTP/1.1 102 Processing\r\n\r\n")}, request: post},
	} {
		t.Run(c.name, func(t *testing.T) {
			inSynctest(t, func(t *testing.T) {
				s := newServer(memoryNetwork{}, c.do...)
				s.raw = c.raw
				transport := newTestTransport(t, s, func(u *upstream.Config) {
					if c.dial {
						u.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }
					}
				})
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(time.Second, func() { cancel(reason) })
				r, sent := c.request.request(ctx)
				begun := time.Now()
				_, err := transport.RoundTrip(r)
				if !errors.Is(err, reason) || time.Since(begun) != time.Second {
					t.Errorf("%v after %v", err, time.Since(begun))
				}
				synctest.Wait()
				if !sent.closed.Load() {
					t.Error("the request's body is open")
				}
				if !s.waitClosed(20 * time.Second) {
					t.Error("a connection is still open")
				}
			})
		})
	}
}

// TestCancelledBeforeTheDialEnds checks that a connection that is opened after
// the request was cancelled is closed.
func TestCancelledBeforeTheDialEnds(t *testing.T) {
	inSynctest(t, func(t *testing.T) {
		s := newServer(memoryNetwork{}, head, body, say(ok))
		transport := newTestTransport(t, s, func(u *upstream.Config) {
			u.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
				time.Sleep(5 * time.Second)
				return s.net.open(ctx, s)
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		r, _ := post.request(ctx)
		if _, err := transport.RoundTrip(r); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		time.Sleep(10 * time.Second)
		if !s.waitClosed(20*time.Second) || s.conns != 1 || s.requests != 0 {
			t.Errorf("%d connections, %d requests", s.conns, s.requests)
		}
	})
}

// TestCancelledWhileReading checks the error of a read from a response whose
// request is cancelled. It must be the cause of the cancellation, and never
// io.EOF.
func TestCancelledWhileReading(t *testing.T) {
	for _, framing := range []string{"Content-Length: 9\r\n\r\n<half", "Transfer-Encoding: chunked\r\n\r\n5\r\n<half\r\n", "\r\n<half"} {
		inSynctest(t, func(t *testing.T) {
			s := newServer(memoryNetwork{}, head, body, say("HTTP/1.1 200 OK\r\n"+framing))
			reason := errors.New("the client left")
			ctx, cancel := context.WithCancelCause(t.Context())
			r, _ := post.request(ctx)
			resp, err := newTestTransport(t, s).RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			time.AfterFunc(time.Second, func() { cancel(reason) })
			if text, err := io.ReadAll(resp.Body); !errors.Is(err, reason) || string(text) != "<half" {
				t.Errorf("%q: %q, %v", framing, text, err)
			}
			if !s.waitClosed(20 * time.Second) {
				t.Error("a connection is still open")
			}
		})
	}
}

// TestCloseWhileReading checks that Close ends another goroutine's Read.
func TestCloseWhileReading(t *testing.T) {
	inSynctest(t, func(t *testing.T) {
		s := newServer(memoryNetwork{}, head, body, say("HTTP/1.1 200 OK\r\n\r\n<half"))
		r, _ := post.request(t.Context())
		resp, err := newTestTransport(t, s).RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Second, func() { resp.Body.Close() })
		if _, err := io.ReadAll(resp.Body); err == nil {
			t.Error("the response looks complete")
		}
		if !s.waitClosed(20 * time.Second) {
			t.Error("a connection is still open")
		}
	})
}

// TestWrongCertificate checks that no request is sent to a server that is not
// trusted.
func TestWrongCertificate(t *testing.T) {
	for _, c := range []struct {
		name   string
		adjust func(*upstream.Config)
	}{
		{"another name", func(c *upstream.Config) { c.TLS.ServerName = "mail.contoso.com" }},
		{"an unknown root", func(c *upstream.Config) { c.TLS.RootCAs = nil }},
	} {
		s := newServer(listen(t), head, body, say(ok))
		r, sent := post.request(t.Context())
		_, err := newTestTransport(t, s, c.adjust).RoundTrip(r)
		var untrusted *tls.CertificateVerificationError
		if !errors.As(err, &untrusted) || s.requests != 0 || !sent.closed.Load() {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestResumption(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		s := newServer(listen(t), head, body, say("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n<ok/>"))
		s.tls.MaxVersion = version
		transport := newTestTransport(t, s)
		first, _ := mustFetch(t, transport, post)
		second, _ := mustFetch(t, transport, post)
		if first.TLS.DidResume || !second.TLS.DidResume || second.TLS.Version != version {
			t.Errorf("%s: resumed %v, %v", tls.VersionName(version), first.TLS.DidResume, second.TLS.DidResume)
		}
	}
}

// TestIdle checks how many idle connections are kept and for how long.
func TestIdle(t *testing.T) {
	for _, c := range []struct {
		name  string
		then  func(*upstream.Transport)
		conns int // number of connections opened for three requests at the same time, a call of the function "then", and three more requests
	}{
		{"a moment later", func(*upstream.Transport) { time.Sleep(54 * time.Second) }, 4},
		{"the idle time is over", func(*upstream.Transport) { time.Sleep(55 * time.Second); synctest.Wait() }, 6},
		{"closed", func(u *upstream.Transport) { u.CloseIdleConnections(); synctest.Wait() }, 6},
	} {
		t.Run(c.name, func(t *testing.T) {
			inSynctest(t, func(t *testing.T) {
				s := newServer(memoryNetwork{}, head, body, pause(time.Millisecond), say(ok), head, body, pause(time.Millisecond), say(ok))
				transport := newTestTransport(t, s, func(u *upstream.Config) { u.MaxIdle = 2 })
				for i := range 2 {
					if i > 0 {
						c.then(transport)
					}
					done := make(chan bool)
					for range 3 {
						go func() { mustFetch(t, transport, post); done <- true }()
					}
					for range 3 {
						<-done
					}
				}
				synctest.Wait()
				transport.CloseIdleConnections()
				if !s.waitClosed(20*time.Second) || s.conns != c.conns {
					t.Errorf("%d connections, want %d", s.conns, c.conns)
				}
			})
		})
	}
}

// TestRefused checks that a request which is for another server, or cannot be
// sent unchanged, is not sent at all.
func TestRefused(t *testing.T) {
	for name, change := range map[string]func(*http.Request){
		"another host":           func(r *http.Request) { r.URL.Host = "example.org" },
		"another port":           func(r *http.Request) { r.URL.Host = "example.com:444" },
		"plain HTTP":             func(r *http.Request) { r.URL.Scheme = "http" },
		"no URL":                 func(r *http.Request) { r.URL = nil },
		"CONNECT":                func(r *http.Request) { r.Method = http.MethodConnect },
		"space in the method":    func(r *http.Request) { r.Method = "GET /" },
		"line end in the method": func(r *http.Request) { r.Method = "GET\r\n" },
		"empty method":           func(r *http.Request) { r.Method = "" },
		"line end in the host":   func(r *http.Request) { r.Host = "example.com\r\nX: y" },
		"line end in the path":   func(r *http.Request) { r.URL = &url.URL{Scheme: "https", Host: "example.com", Opaque: "/\r\nX: y"} },
		"space in the query":     func(r *http.Request) { r.URL.RawQuery = "a b" },
		"line end in the query":  func(r *http.Request) { r.URL.RawQuery = "a\r\nX: y" },
		"line end in a name":     func(r *http.Request) { r.Header["A\r\nX"] = []string{"b"} },
		"colon in a name":        func(r *http.Request) { r.Header["A:"] = []string{"b"} },
		"space in a name":        func(r *http.Request) { r.Header["A "] = []string{"b"} },
		"empty name":             func(r *http.Request) { r.Header[""] = []string{"b"} },
		"CR in a value":          func(r *http.Request) { r.Header["A"] = []string{"b\rX: y"} },
		"LF in a value":          func(r *http.Request) { r.Header["A"] = []string{"b\nX: y"} },
		"NUL in a value":         func(r *http.Request) { r.Header["A"] = []string{"b\x00"} },
		"LF in a second value":   func(r *http.Request) { r.Header["A"] = []string{"b", "c\n"} },
		"trailers":               func(r *http.Request) { r.Trailer = http.Header{"A": nil} },
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(listen(t), head, body, say(ok))
			r, sent := post.request(t.Context())
			change(r)
			_, err := newTestTransport(t, s).RoundTrip(r)
			if err == nil || s.conns != 0 || !sent.closed.Load() {
				t.Errorf("%v, %d connections", err, s.conns)
			}
			if err != nil && strings.Contains(err.Error(), "y") && strings.Contains(err.Error(), "X:") {
				t.Errorf("the error quotes the value: %v", err)
			}
		})
	}
}

package upstream_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hmaproxy/internal/upstream"
)

// TestLongestHead checks both sides of MaxHead, which bounds all heads of a response
// together.
func TestLongestHead(t *testing.T) {
	const final = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
	const interim = "HTTP/1.1 102 Processing\r\n\r\n"
	for _, heads := range []string{final, interim + final, interim + interim + final} {
		for _, c := range []struct {
			limit    int
			accepted bool
		}{{len(heads), true}, {len(heads) - 1, false}, {1, false}} {
			inSynctest(t, func(t *testing.T) {
				s := newServer(memoryNetwork{}, head, body, say(heads+"<ok/>"))
				transport := newTestTransport(t, s, func(u *upstream.Config) { u.MaxHead = int64(c.limit) })
				r, _ := post.request(t.Context())
				resp, err := transport.RoundTrip(r)
				if accepted := err == nil; accepted != c.accepted {
					t.Errorf("heads of %d bytes, a limit of %d: %v", len(heads), c.limit, err)
				}
				if resp != nil {
					resp.Body.Close()
				}
				transport.CloseIdleConnections()
			})
		}
	}
}

// TestMostRecentConnection checks that the connection that became idle last is used
// first, and that its expiry does not depend on that of the others.
func TestMostRecentConnection(t *testing.T) {
	inSynctest(t, func(t *testing.T) {
		var served []net.Conn // the connection of each request, as the server sees it
		note := func(p *peer) error { served = append(served, p.raw); return nil }
		var script []step
		for range 10 {
			script = append(script, head, note, body, pause(time.Millisecond), say(ok))
		}
		s := newServer(memoryNetwork{}, script...)
		transport := newTestTransport(t, s)
		done := make(chan bool)
		for i := range 2 { // two requests at the same time open two connections; the second one becomes idle later
			go func() {
				time.Sleep(time.Duration(i) * time.Microsecond)
				mustFetch(t, transport, post)
				done <- true
			}()
		}
		<-done
		<-done
		for range 3 { // during this time the first connection expires
			time.Sleep(25 * time.Second)
			mustFetch(t, transport, post)
		}
		if conns, requests := s.counts(); conns != 2 || requests != 5 {
			t.Fatalf("%d connections, %d requests", conns, requests)
		}
		for i, c := range served[2:] {
			if c != served[1] {
				t.Errorf("request %d was sent on the connection that has been idle for longer", i+2)
			}
		}
		time.Sleep(54 * time.Second)
		mustFetch(t, transport, post)
		time.Sleep(55 * time.Second)
		synctest.Wait()
		if !s.waitClosed(time.Second) {
			t.Error("an idle connection has not expired")
		}
		if conns, _ := s.counts(); conns != 2 {
			t.Errorf("%d connections", conns)
		}
	})
}

// TestHooksOfAResponse checks the hooks that are called for interim responses and for
// the first byte.
func TestHooksOfAResponse(t *testing.T) {
	inSynctest(t, func(t *testing.T) {
		var calls []string
		trace := &httptrace.ClientTrace{
			GotConn: func(i httptrace.GotConnInfo) {
				calls = append(calls, map[bool]string{false: "new connection", true: "used connection"}[i.Reused])
			},
			GotFirstResponseByte: func() { calls = append(calls, "first byte") },
			Got100Continue:       func() { calls = append(calls, "100") },
			Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
				calls = append(calls, "1xx "+http.StatusText(code)+" "+h.Get("X-A"))
				return nil
			},
		}
		s := newServer(memoryNetwork{}, head, say("HTTP/1.1 102 Processing\r\nX-A: b\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n"), body, say(ok), head, body, say(ok))
		transport := newTestTransport(t, s)
		for _, c := range []struct {
			request testRequest
			want    string
		}{
			{expectContinue("<a/>"), "new connection, first byte, 1xx Processing b, 100, 1xx Continue "},
			{post, "used connection, first byte"},
		} {
			calls = nil
			r, _ := c.request.request(httptrace.WithClientTrace(context.Background(), trace))
			resp, err := transport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			if text, err := io.ReadAll(resp.Body); string(text) != "<ok/>" || err != nil {
				t.Errorf("%q, %v", text, err)
			}
			if got := strings.Join(calls, ", "); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
			resp.Body.Close()
			if n, err := resp.Body.Read(make([]byte, 1)); n != 0 || err != io.EOF {
				t.Errorf("a read after the end: %d bytes, %v", n, err)
			}
			synctest.Wait() // until the upload has ended too, and the connection is idle
		}
		transport.CloseIdleConnections()
	})
}

// TestNoTimeoutAfterATimeout checks that a request without a time limit for its
// response, such as GetStreamingEvents, has none on a connection whose last request
// had one.
func TestNoTimeoutAfterATimeout(t *testing.T) {
	for _, c := range []struct {
		name    string
		request testRequest
	}{{"short request", post}, {"upload", testRequest{body: large[:100000], stream: true}}} {
		t.Run(c.name, func(t *testing.T) {
			inSynctest(t, func(t *testing.T) {
				s := newServer(memoryNetwork{}, head, body, say(ok), head, body, pause(time.Hour), say(ok))
				limit := responseTimeout
				transport := newTestTransport(t, s, func(u *upstream.Config) {
					u.ResponseTimeout = func(*http.Request) time.Duration { return limit }
				})
				mustFetch(t, transport, post)
				limit = 0
				began := time.Now()
				_, text := mustFetch(t, transport, c.request)
				if took := time.Since(began); text != "<ok/>" || took != time.Hour {
					t.Errorf("%q after %v", text, took)
				}
				synctest.Wait()
				transport.CloseIdleConnections()
				if conns, _ := s.counts(); conns != 1 || !s.waitClosed(time.Minute) {
					t.Errorf("%d connections", conns)
				}
			})
		})
	}
}

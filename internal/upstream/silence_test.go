package upstream

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"hmaproxy/internal/socket"
)

func TestSilenceLimit(t *testing.T) {
	const limit = 63500 * time.Millisecond
	for _, c := range []struct {
		name    string
		pending bool
		silence time.Duration
		upload  time.Duration // time since the upload began
		written bool
		want    silenceLimit
	}{
		{"acknowledged a moment ago", true, time.Second, 10 * time.Minute, false, limitedByWatch},
		{"silent for less than the limit", true, limit - time.Millisecond, 10 * time.Minute, false, limitedByWatch},
		{"silent for the limit", true, limit, 10 * time.Minute, false, serverLost},
		{"silent for the limit after the last byte was written", true, limit, 10 * time.Minute, true, serverLost},
		{"silent before the upload", true, time.Hour, limit - time.Millisecond, false, limitedByWatch},
		{"silent since the upload began", true, time.Hour, limit, false, serverLost},
		{"last bytes not acknowledged", true, time.Second, 10 * time.Minute, true, limitedByWatch},
		{"client sends nothing", false, limit, 10 * time.Minute, false, limitedBySystem},
		{"everything acknowledged, server works on it", false, limit, 10 * time.Minute, true, watchEnds},
	} {
		t.Run(c.name, func(t *testing.T) {
			written := make(chan struct{})
			if c.written {
				close(written)
			}
			now := time.Now()
			u := watchedUpload{written: written, since: now.Add(-c.upload)}
			if got := u.check(socket.Sending{Pending: c.pending, Silence: c.silence}, now); got != c.want {
				t.Errorf("silenceLimit %d, want %d", got, c.want)
			}
		})
	}
}

func TestDoubtIdleConnections(t *testing.T) {
	for _, c := range []struct {
		name    string
		reused  bool
		pending bool
		silence time.Duration
		upload  time.Duration // time since the upload began
		want    bool
	}{
		{"nothing acknowledged for a second", true, true, time.Minute, time.Second, true},
		{"not yet a second", true, true, time.Minute, time.Second - time.Millisecond, false},
		{"acknowledged since the upload began", true, true, 2*time.Second - time.Millisecond, 2 * time.Second, false},
		{"new connection", false, true, time.Minute, time.Second, false},
		{"nothing was sent", true, false, time.Minute, time.Second, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			now := time.Now()
			u := watchedUpload{since: now.Add(-c.upload), reused: c.reused}
			s := socket.Sending{Pending: c.pending, Silence: c.silence}
			if got := u.doubts(s, now); got != c.want {
				t.Errorf("doubted %t, want %t", got, c.want)
			}
			if u.doubts(s, now) {
				t.Error("doubted twice")
			}
		})
	}
}

// TestDoubtedUpload uses an upload on a connection that was idle before. If
// nothing is acknowledged, the idle connections must be closed once.
func TestDoubtedUpload(t *testing.T) {
	for _, silent := range []bool{true, false} {
		t.Run(fmt.Sprintf("silent %t", silent), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				closed := 0
				w := silenceWatch{closeIdle: func() { closed++ }, sockets: sockets{
					sending: func(net.Conn) (socket.Sending, bool) {
						if silent {
							return socket.Sending{Pending: true, Silence: time.Minute}, true
						}
						return socket.Sending{Pending: true}, true
					},
					relax: func(net.Conn) {}, restore: func(net.Conn) {},
				}}
				c := &conn{reused: true}
				w.begin(c, nil)
				time.Sleep(10 * time.Second)
				synctest.Wait()
				w.end(c)
				if want := map[bool]int{true: 1, false: 0}[silent]; closed != want {
					t.Errorf("closed %d times, want %d", closed, want)
				}
				time.Sleep(time.Minute)
			})
		})
	}
}

// TestSilentUpload checks that an upload fails if the server has acknowledged
// nothing for 63.5 s, and only then. The function "sending" of each case
// simulates the acknowledgements.
func TestSilentUpload(t *testing.T) {
	certificate, roots := newCertificate()
	silent := func(since time.Duration) socket.Sending { return socket.Sending{Pending: true, Silence: since} }
	const lost = 64 * time.Second // 63.5 s, and up to a second until the next check
	for _, c := range []struct {
		name     string
		reads    time.Duration // time at which the server reads the body
		responds time.Duration // time from the read until the server responds
		sending  func(sinceBegin time.Duration) socket.Sending
		took     time.Duration
		fails    bool
	}{
		{"nothing is acknowledged", time.Hour, 0, silent, lost, true},
		{"the end is not acknowledged", 0, time.Hour, silent, lost, true},
		{"silent before the upload", time.Hour, 0, func(d time.Duration) socket.Sending { return silent(d + time.Hour) }, lost, true},
		{"acknowledged once a minute", 9 * time.Minute, 0, func(d time.Duration) socket.Sending { return silent(d % time.Minute) }, 9 * time.Minute, false},
		{"silent after five minutes", time.Hour, 0, func(d time.Duration) socket.Sending { return silent(max(0, d-5*time.Minute)) }, 5*time.Minute + lost, true},
		{"server works for five minutes", 0, 5 * time.Minute, func(d time.Duration) socket.Sending {
			return socket.Sending{Pending: d < 2*time.Second, Silence: d}
		}, 5 * time.Minute, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tr, err := New(newConfig(roots, func(context.Context, string, string) (net.Conn, error) {
					ours, theirs := net.Pipe()
					go takeLate(tls.Server(theirs, &tls.Config{Certificates: []tls.Certificate{certificate}}), c.reads, c.responds)
					return ours, nil
				}))
				if err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				var relaxed atomic.Int32
				tr.silence.sockets = sockets{
					sending: func(net.Conn) (socket.Sending, bool) { return c.sending(time.Since(began)), true },
					relax:   func(net.Conn) { relaxed.Add(1) },
					restore: func(net.Conn) { relaxed.Add(-1) },
				}
				text, err := roundTrip(tr, post(strings.Repeat("x", 100<<10)))
				if took := time.Since(began); took != c.took || (err != nil) != c.fails {
					t.Errorf("%q, %v after %v, want failure %t after %v", text, err, took, c.fails, c.took)
				}
				if c.fails && (err == nil || !strings.Contains(err.Error(), "acknowledged nothing for 1m3.5s")) {
					t.Errorf("the error %v does not have the reason", err)
				}
				synctest.Wait()
				if n := relaxed.Load(); !c.fails && n != 0 {
					t.Errorf("the system's limit was not restored: %d", n)
				}
				tr.CloseIdleConnections()
				time.Sleep(2 * time.Hour) // lets the server's goroutines end
			})
		})
	}
}

// TestSilentIdleConnectionIsNotUsed checks which idle connections serve another
// request: not those on which keep-alive probes were not acknowledged.
func TestSilentIdleConnectionIsNotUsed(t *testing.T) {
	certificate, roots := newCertificate()
	for _, test := range []struct {
		name          string
		idle, silence time.Duration
		reports       bool // the system reports the silence
		dials         int
	}{
		{"used a moment ago", 5 * time.Second, 5 * time.Second, true, 1},
		{"probes are acknowledged", 30 * time.Second, 5 * time.Second, true, 1},
		{"four probes were not acknowledged", 6 * time.Second, 6 * time.Second, true, 2},
		{"no probe was acknowledged", 30 * time.Second, 30 * time.Second, true, 2},
		{"a system without reports", 30 * time.Second, 30 * time.Second, false, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			dials := 0
			tr, err := New(newConfig(roots, func(context.Context, string, string) (net.Conn, error) {
				dials++
				ours, theirs := net.Pipe()
				go respondToAll(tls.Server(theirs, &tls.Config{Certificates: []tls.Certificate{certificate}}))
				return ours, nil
			}))
			if err != nil {
				t.Fatal(err)
			}
			tr.silence.sockets.sending = func(net.Conn) (socket.Sending, bool) {
				return socket.Sending{Silence: test.silence}, test.reports
			}
			for range 2 {
				if _, err := roundTrip(tr, post("short")); err != nil {
					t.Errorf("%s: %v", test.name, err)
				}
				time.Sleep(test.idle)
			}
			if dials != test.dials {
				t.Errorf("%s: %d connections, want %d", test.name, dials, test.dials)
			}
			tr.CloseIdleConnections()
		})
	}
}

// newCertificate returns a server's certificate and the roots that trust it. It must
// be called outside of bubbles.
func newCertificate() (tls.Certificate, *x509.CertPool) {
	s := httptest.NewTLSServer(nil) // only its certificate is used
	defer s.Close()
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return s.TLS.Certificates[0], roots
}

// respondToAll serves requests until the connection ends.
func respondToAll(c net.Conn) {
	defer c.Close()
	in := bufio.NewReader(c)
	for {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	}
}

// takeLate serves one request. The argument "reads" is how long it waits before it
// reads the body. The argument "responds" is how long it then waits before it
// responds.
func takeLate(c net.Conn, reads, responds time.Duration) {
	defer c.Close()
	r, err := http.ReadRequest(bufio.NewReader(c))
	if err != nil {
		return
	}
	time.Sleep(reads)
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return
	}
	time.Sleep(responds)
	_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	_, _ = io.Copy(io.Discard, c)
}

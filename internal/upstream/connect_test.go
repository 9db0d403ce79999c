package upstream_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http/httptrace"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"hmaproxy/internal/upstream"
)

// maxSegment is the size, in bytes, of the longest TLS hello that the devices in the
// tests below accept.
const maxSegment = 1400

// helloFilter returns a step for a server, before the TLS handshake. The step
// reads the client's hello. If the hello is longer than one TCP segment, it
// continues with the step "refuse", else it passes the hello on.
func helloFilter(refuse step) step {
	return func(p *peer) error {
		header := make([]byte, 5)
		if _, err := io.ReadFull(p.raw, header); err != nil {
			return err
		}
		hello := make([]byte, int(header[3])<<8|int(header[4]))
		if _, err := io.ReadFull(p.raw, hello); err != nil {
			return err
		}
		if len(header)+len(hello) > maxSegment {
			return refuse(p)
		}
		p.raw = replayConn{p.raw, io.MultiReader(bytes.NewReader(header), bytes.NewReader(hello), p.raw)}
		p.batcher.Conn = p.raw
		return nil
	}
}

// A replayConn reads from r.
type replayConn struct {
	net.Conn
	r io.Reader
}

func (c replayConn) Read(p []byte) (int, error) { return c.r.Read(p) }

// The step "silent" reads until the client gives up, and sends nothing.
func silent(p *peer) error { _, _ = io.Copy(io.Discard, p.raw); return errOver }

// closeSilently closes the connection without a TLS message.
func closeSilently(p *peer) error { p.raw.Close(); return errOver }

// TestHelloThatIsTooLong uses a device that does not pass a hello with
// post-quantum key exchange. It checks that a second connection is opened with a
// shorter hello, unless the configuration names the groups.
func TestHelloThatIsTooLong(t *testing.T) {
	for _, c := range []struct {
		name   string
		refuse step
		took   time.Duration
	}{
		{"close", closeSilently, 0},
		{"silence", silent, 5 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			inSynctest(t, func(t *testing.T) {
				var log bytes.Buffer
				once := []step{helloFilter(c.refuse), head, body, say("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n<ok/>")}
				s := newServer(memoryNetwork{}, once...)
				transport := newTestTransport(t, s, func(u *upstream.Config) { u.Log = slog.New(slog.NewTextHandler(&log, nil)) })
				for i, want := range []struct {
					took  time.Duration
					conns int
				}{{c.took, 2}, {0, 3}} {
					began := time.Now()
					mustFetch(t, transport, post)
					if took := time.Since(began); took != want.took || s.conns != want.conns {
						t.Errorf("request %d took %v and %d connections in total, want %v and %d", i+1, took, s.conns, want.took, want.conns)
					}
				}
				if n := strings.Count(log.String(), "post-quantum"); n != 1 {
					t.Errorf("logged %d times:\n%s", n, &log)
				}
			})
		})
	}
	t.Run("reset", func(t *testing.T) {
		s := newServer(listen(t), helloFilter(reset), head, body, say(ok))
		if _, text := mustFetch(t, newTestTransport(t, s), post); text != "<ok/>" {
			t.Errorf("got %q", text)
		}
		if conns, _ := s.counts(); conns != 2 {
			t.Errorf("%d connections", conns)
		}
	})
	t.Run("groups that the configuration names", func(t *testing.T) {
		s := newServer(listen(t), helloFilter(reset), head, body, say(ok))
		transport := newTestTransport(t, s, func(u *upstream.Config) { u.TLS.CurvePreferences = []tls.CurveID{tls.X25519} })
		if _, text := mustFetch(t, transport, post); text != "<ok/>" {
			t.Errorf("got %q", text)
		}
		if conns, _ := s.counts(); conns != 1 {
			t.Errorf("%d connections", conns)
		}
	})
}

// TestSilentServer checks that the two handshakes with a silent server together
// take no longer than HandshakeTimeout, and that the next request tries both
// again.
func TestSilentServer(t *testing.T) {
	inSynctest(t, func(t *testing.T) {
		var log bytes.Buffer
		s := newServer(memoryNetwork{})
		s.raw = true
		transport := newTestTransport(t, s, func(u *upstream.Config) { u.Log = slog.New(slog.NewTextHandler(&log, nil)) })
		for range 2 {
			began := time.Now()
			r, _ := post.request(t.Context())
			_, err := transport.RoundTrip(r)
			if !isConnectError(err, upstream.Handshake) || time.Since(began) != 10*time.Second {
				t.Errorf("%v after %v", err, time.Since(began))
			}
		}
		if log.Len() > 0 || s.conns != 4 {
			t.Errorf("%d connections, logged %q", s.conns, &log)
		}
	})
}

// TestHandshakeBecomesSilent uses a server that completes the first handshake,
// with the long hello, and does not respond to the second one. It checks that
// the second handshake has the whole timeout, and that the next request tries
// both hellos.
func TestHandshakeBecomesSilent(t *testing.T) {
	inSynctest(t, func(t *testing.T) {
		s := newServer(memoryNetwork{})
		s.scripts = [][]step{{head, body, say(ok), end}, {silent}, {silent}, {head, body, say(ok), end}}
		transport := newTestTransport(t, s)
		mustFetch(t, transport, post)
		synctest.Wait()
		began := time.Now()
		r, _ := post.request(t.Context())
		if _, err := transport.RoundTrip(r); !isConnectError(err, upstream.Handshake) || time.Since(began) != 10*time.Second || s.conns != 2 {
			t.Errorf("%v after %v on %d connections", err, time.Since(began), s.conns)
		}
		began = time.Now()
		mustFetch(t, transport, post)
		if took := time.Since(began); took != 5*time.Second || s.conns != 4 {
			t.Errorf("succeeded after %v on %d connections", took, s.conns)
		}
	})
}

func isConnectError(err error, step upstream.Step) bool {
	var failed *upstream.ConnectError
	var notSent interface{ NotSent() bool }
	return errors.As(err, &failed) && failed.Step == step && errors.As(err, &notSent) && notSent.NotSent()
}

// TestConnectErrors checks that each failure before a request is sent is a
// ConnectError that names the cause or a remedy.
func TestConnectErrors(t *testing.T) {
	alert := func(code byte) step { // RFC 8446, section 6: a fatal alert in a record
		return func(p *peer) error {
			_, _ = p.raw.Read(make([]byte, 4096))
			_, err := p.raw.Write([]byte{21, 3, 3, 0, 2, 2, code})
			return err
		}
	}
	for _, c := range []struct {
		name   string
		server func(*server)
		adjust func(*upstream.Config)
		step   upstream.Step
		text   string
	}{
		{"refused", nil, func(u *upstream.Config) {
			u.Dial = func(context.Context, string, string) (net.Conn, error) {
				return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
			}
		}, upstream.Dial, "refused"},
		{"unknown authority", nil, func(u *upstream.Config) { u.TLS.RootCAs = nil }, upstream.Handshake, `the issuer is "O=Acme Co": add its certificate to HMA_CA_FILE`},
		{"another name", nil, func(u *upstream.Config) { u.TLS.ServerName = "mail.contoso.com" }, upstream.Handshake, "HMA_EWS_CONNECT"},
		{"TLS 1.1", func(s *server) { s.tls.MaxVersion = tls.VersionTLS11; s.tls.MinVersion = tls.VersionTLS10 }, nil, upstream.Handshake, "enable TLS 1.2"},
		{"cipher suites", func(s *server) {
			s.tls.MaxVersion = tls.VersionTLS12
			s.tls.CipherSuites = []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}
		}, nil, upstream.Handshake, "HMA_TLS_COMPATIBILITY"},
		{"alert: internal error", func(s *server) { s.scripts = [][]step{{alert(80)}} }, nil, upstream.Handshake, "internal error"},
		{"reset", func(s *server) { s.scripts = [][]step{{reset}} }, nil, upstream.Handshake, "does not respond to the TLS handshake"},
		{"not TLS", func(s *server) { s.raw = true; s.scripts = [][]step{{say("HTTP/1.1 400 Bad Request\r\n\r\n")}} }, nil, upstream.Handshake, "does not speak TLS"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newServer(listen(t), head, body, say(ok))
			if c.server != nil {
				c.server(s)
			}
			transport := newTestTransport(t, s, func(u *upstream.Config) {
				if c.adjust != nil {
					c.adjust(u)
				}
			})
			r, sent := post.request(t.Context())
			_, err := transport.RoundTrip(r)
			if !isConnectError(err, c.step) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%v (%T), want %s: %s", err, err, c.step, c.text)
			}
			if _, requests := s.counts(); requests != 0 || !sent.closed.Load() {
				t.Errorf("%d requests; body closed: %v", requests, sent.closed.Load())
			}
		})
	}
}

// TestCipherSuitesOfTheConfiguration checks that a connection to a server with
// RSA key exchange succeeds when the configuration offers it.
func TestCipherSuitesOfTheConfiguration(t *testing.T) {
	s := newServer(listen(t), head, body, say(ok))
	s.tls.MaxVersion = tls.VersionTLS12
	s.tls.CipherSuites = []uint16{tls.TLS_RSA_WITH_AES_256_CBC_SHA}
	transport := newTestTransport(t, s, func(u *upstream.Config) {
		u.TLS.CipherSuites = []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_256_CBC_SHA}
	})
	if _, text := mustFetch(t, transport, post); text != "<ok/>" {
		t.Errorf("got %q", text)
	}
}

// TestConnectionThatIsNotCurrent checks that an idle connection is not used again
// when its address is no longer current.
func TestConnectionThatIsNotCurrent(t *testing.T) {
	for _, c := range []struct {
		name    string
		current bool
		conns   int
	}{{"current", true, 1}, {"not current", false, 2}} {
		t.Run(c.name, func(t *testing.T) {
			s := newServer(listen(t), head, body, say(ok), head, body, say(ok))
			current := true
			transport := newTestTransport(t, s, func(u *upstream.Config) { u.Current = func(net.Conn) bool { return current } })
			mustFetch(t, transport, post)
			current = c.current
			mustFetch(t, transport, post)
			transport.CloseIdleConnections()
			if !s.waitClosed(20*time.Second) || s.conns != c.conns {
				t.Errorf("%d connections, want %d", s.conns, c.conns)
			}
		})
	}
}

// TestAbortResets checks that bytes which are unsent when a request is
// cancelled are not delivered later.
func TestAbortResets(t *testing.T) {
	cancelled := make(chan bool)
	received := make(chan error, 1)
	s := newServer(listen(t), head, func(p *peer) error {
		<-cancelled
		_, err := io.Copy(io.Discard, p.raw)
		received <- err
		return errOver
	})
	ctx, cancel := context.WithCancel(t.Context())
	r, _ := testRequest{body: large, stream: true}.request(ctx)
	time.AfterFunc(100*time.Millisecond, cancel)
	if _, err := newTestTransport(t, s).RoundTrip(r); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	close(cancelled)
	if err := <-received; !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the server's read ended with %v, want a reset", err)
	}
}

// TestHandshakeHooks checks that httptrace's hooks report the certificates of a
// server that is not trusted.
func TestHandshakeHooks(t *testing.T) {
	s := newServer(listen(t), head, body, say(ok))
	transport := newTestTransport(t, s, func(u *upstream.Config) { u.TLS.RootCAs = nil })
	var started bool
	var handshakeErr error
	r, _ := post.request(withHandshakeHooks(t.Context(), func() { started = true }, func(_ tls.ConnectionState, err error) { handshakeErr = err }))
	_, _ = transport.RoundTrip(r)
	var untrusted *tls.CertificateVerificationError
	if !started || !errors.As(handshakeErr, &untrusted) || len(untrusted.UnverifiedCertificates) != 1 {
		t.Errorf("started %v, %v", started, handshakeErr)
	}
}

func withHandshakeHooks(ctx context.Context, start func(), done func(tls.ConnectionState, error)) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{TLSHandshakeStart: start, TLSHandshakeDone: done})
}

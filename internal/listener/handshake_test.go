//go:build unix

package listener

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hmaproxy/internal/config"
)

// A lineLog sends each line of a log to a channel.
type lineLog struct{ lines chan string }

func (l lineLog) Write(p []byte) (int, error) {
	l.lines <- string(p)
	return len(p), nil
}

// serveLoggedTLS starts a server with TLS on a TCP address. It returns the address and
// the lines that the listener logs.
func serveLoggedTLS(t *testing.T) (address string, lines <-chan string) {
	t.Helper()
	files := newPairFiles(t)
	files.renew(t, 1)
	c := &config.Config{
		TLSCertFiles: config.Paths{config.Path(files.certificate)}, TLSKeyFiles: config.Paths{config.Path(files.key)},
		Listen: config.Listeners{{TCP: netip.MustParseAddrPort("127.0.0.1:0")}},
	}
	k, err := NewKeyPairs(c)
	if err != nil {
		t.Fatal(err)
	}
	l := lineLog{make(chan string, 100)}
	listeners, err := OpenAll(t.Context(), Config{TLS: k.TLSConfig(), Log: slog.New(slog.NewJSONHandler(l, nil))}, c.Listen)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ConnState: ConnState, ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: 10 * time.Second}
	go server.Serve(listeners[0])
	t.Cleanup(func() { server.Close() })
	return listeners[0].Addr().String(), l.lines
}

// TestFailedHandshakesAreLogged checks that the log says why a handshake failed,
// because the client gets no response that says so.
func TestFailedHandshakesAreLogged(t *testing.T) {
	versions := func(least, most uint16) func(net.Conn) {
		return func(c net.Conn) {
			_ = tls.Client(c, &tls.Config{InsecureSkipVerify: true, MinVersion: least, MaxVersion: most}).Handshake()
		}
	}
	config := func(c *tls.Config) func(net.Conn) {
		return func(conn net.Conn) { _ = tls.Client(conn, c).Handshake() }
	}
	for _, tc := range []struct {
		name        string
		client      func(net.Conn)
		err, remedy string // "" for no line
	}{
		{"TLS 1.0 only", versions(tls.VersionTLS10, tls.VersionTLS10), "unsupported versions", "TLS 1.1 at most"},
		{"TLS 1.1 only", versions(tls.VersionTLS11, tls.VersionTLS11), "unsupported versions", "TLS 1.1 at most"},
		{"RSA key exchange only", config(&tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}}), "no cipher suite", "forward secrecy"},
		{"HTTP/2 only", config(&tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}}), "application protocol", "HTTP/1.1"},
		{"an unknown authority", config(&tls.Config{ServerName: "localhost", MaxVersion: tls.VersionTLS12, RootCAs: x509.NewCertPool()}), "remote error: tls: ", "certificate of HMA_TLS_CERT_FILE"},
		{"plain HTTP", func(c net.Conn) {
			_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
			_, _ = io.ReadAll(c)
		}, "does not look like a TLS handshake", "https URL"},
		{"the hello of SSL 2.0", func(c net.Conn) {
			_, _ = io.WriteString(c, "\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10")
			_, _ = io.ReadAll(c)
		}, "SSLv2 handshake", "SSLv2Hello"},

		{"TLS 1.2", versions(tls.VersionTLS12, tls.VersionTLS12), "", ""},
		{"TLS 1.3", versions(tls.VersionTLS13, tls.VersionTLS13), "", ""},
		{"a probe of the port", func(net.Conn) {}, "", ""},
		{"a probe that resets", func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) }, "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			address, lines := serveLoggedTLS(t)
			connect := func(client func(net.Conn)) {
				c, err := net.Dial("tcp", address)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				client(c)
			}
			connect(tc.client)
			last := tc.err == ""
			if last {
				// This handshake is logged. If its line is the next one in the
				// log, the handshakes before it were not logged.
				connect(versions(tls.VersionTLS10, tls.VersionTLS10))
				tc.err, tc.remedy = "unsupported versions", "TLS 1.1 at most"
			}
			var line struct{ Level, Msg, Remote, Listen, Error, Remedy string }
			var text string
			select {
			case text = <-lines:
			case <-time.After(20 * time.Second):
				t.Fatal("no line")
			}
			if err := json.Unmarshal([]byte(text), &line); err != nil {
				t.Fatal(err)
			}
			if line.Level != "WARN" || line.Msg != "TLS handshake with a client failed" || line.Listen != address ||
				!strings.HasPrefix(line.Remote, "127.0.0.1:") || !strings.Contains(line.Error, tc.err) || !strings.Contains(line.Remedy, tc.remedy) {
				t.Errorf("%s", text)
			}
		})
	}
}

// TestFailedHandshakesAreThinned checks that a client that keeps trying does not
// fill the log, and does not suppress lines about another client.
func TestFailedHandshakesAreThinned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHandshakeLog()
		peer := func(last byte, port int) net.Addr {
			return &net.TCPAddr{IP: net.IPv4(10, 0, byte(port>>8), last), Port: port & 0xff}
		}
		written := func(n int, a net.Addr) (lines int) {
			for range n {
				if omit, _ := h.of(a).Count(); !omit {
					lines++
				}
			}
			return lines
		}
		if n := written(100, peer(1, 7)); n != 3 {
			t.Errorf("%d lines of the first 100, want 3", n)
		}
		if n := written(100, peer(1, 8)); n != 0 {
			t.Errorf("%d lines of another port of the same host, want 0", n)
		}
		if n := written(100, peer(2, 7)); n != 3 {
			t.Errorf("%d lines of another host, want 3", n)
		}
		time.Sleep(time.Minute)
		omit, omitted := h.of(peer(1, 7)).Count()
		if omit || omitted != 197 {
			t.Errorf("after a minute: omit %v, %d omitted; want a line that says 197", omit, omitted)
		}
		for i := range 10_000 {
			h.of(&net.TCPAddr{IP: net.IPv4(10, 1, byte(i>>8), byte(i))})
		}
		if len(h.peers) != 256 {
			t.Errorf("%d peers are kept, want 256", len(h.peers))
		}
		if n := written(100, &net.TCPAddr{IP: net.IPv4(10, 2, 0, 1)}); n != 3 {
			t.Errorf("%d lines of a host without a place, want 3", n)
		}
	})
}

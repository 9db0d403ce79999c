package upstream_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hmaproxy/internal/upstream"
)

// A testProxy is a corporate proxy on TCP. Its tunnels lead to one server.
type testProxy struct {
	url      *url.URL
	requests chan *http.Request
	opened   chan struct{} // receives a value for each connection to the server
	conns    atomic.Int32
}

// startProxy starts a proxy for the server s. The proxy responds to each CONNECT
// with the text in the argument "response". If the status is 200, it then forwards
// the connection to s.
func startProxy(t *testing.T, s *server, scheme, response string) *testProxy {
	l := net.Listener(listen(t).Listener)
	cert, _ := serverIdentity()
	if scheme == "https" {
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}})
	}
	p := &testProxy{url: &url.URL{Scheme: scheme, Host: l.Addr().String()}, requests: make(chan *http.Request, 9), opened: make(chan struct{}, 99)}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.conns.Add(1)
			go p.serve(c, s, response)
		}
	}()
	return p
}

func (p *testProxy) serve(c net.Conn, s *server, response string) {
	defer c.Close()
	br := bufio.NewReader(c)
	r, err := http.ReadRequest(br)
	if err != nil {
		return
	}
	p.requests <- r
	if _, err := io.WriteString(c, response); err != nil || !strings.Contains(response, " 200 ") {
		return
	}
	there, err := s.net.open(context.Background(), s)
	if err != nil {
		return
	}
	p.opened <- struct{}{}
	go func() { _, _ = io.Copy(there, br); there.Close() }()
	_, _ = io.Copy(c, there)
}

// The method "through" configures the transport to use the proxy.
func (p *testProxy) through(u *upstream.Config) {
	u.Proxy = p.url
	u.Address = "mail.contoso.com:443"
	u.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		if address != p.url.Host {
			return nil, errors.New("dialled " + address)
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}
}

func TestCorporateProxy(t *testing.T) {
	for _, scheme := range []string{"http", "https"} {
		t.Run(scheme, func(t *testing.T) {
			s := newServer(listen(t), head, body, say(ok), head, body, say(ok))
			p := startProxy(t, s, scheme, "HTTP/1.1 200 Connection established\r\n\r\n")
			p.url.User = url.UserPassword("DOMAIN\\user", "pa:ss")
			transport := newTestTransport(t, s, p.through)
			for range 2 {
				if _, text := mustFetch(t, transport, post); text != "<ok/>" {
					t.Errorf("got %q", text)
				}
			}
			r := <-p.requests
			// RFC 9110, section 11; RFC 7617: base64 of "DOMAIN\user:pa:ss"
			if r.Method != http.MethodConnect || r.Host != "mail.contoso.com:443" || r.Header.Get("Proxy-Authorization") != "Basic RE9NQUlOXHVzZXI6cGE6c3M=" {
				t.Errorf("%s %s %v", r.Method, r.Host, r.Header)
			}
			if p.conns.Load() != 1 {
				t.Errorf("%d connections", p.conns.Load())
			}
			transport.CloseIdleConnections()
			<-p.opened
			if !s.waitClosed(20 * time.Second) {
				t.Error("a connection is still open")
			}
		})
	}
}

func TestCorporateProxyFails(t *testing.T) {
	for _, c := range []struct {
		name, response string
		text           []string
	}{
		{"407", "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Negotiate\r\nContent-Length: 0\r\n\r\n", []string{"(407)", "HTTPS_PROXY", `offers "Negotiate"`}},
		{"403", "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", []string{`refused to connect: "403 Forbidden"`}},
		{"not HTTP", "\x05\x00garbage\r\n\r\n", []string{"not HTTP"}},
		{"closed", "", []string{"no response to CONNECT"}},
		{"endless head", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 70<<10), []string{"not HTTP"}},
		{"data before the handshake", "HTTP/1.1 200 OK\r\n\r\nhello", []string{"before the TLS handshake"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newServer(listen(t), head, body, say(ok))
			p := startProxy(t, s, "http", c.response)
			p.url.User = url.UserPassword("user", "secret")
			r, sent := post.request(t.Context())
			var status int
			_, err := newTestTransport(t, s, p.through, func(u *upstream.Config) { u.ProxyResponse = func(s int) { status = s } }).RoundTrip(r)
			if _, requests := s.counts(); !isConnectError(err, upstream.CorporateProxy) || requests > 0 || !sent.closed.Load() {
				t.Fatalf("%v, %d requests", err, requests)
			}
			for _, text := range append(c.text, p.url.Host) {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("%q does not contain %q", err, text)
				}
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("%q contains the password", err)
			}
			if c.name == "407" && status != 407 {
				t.Errorf("the status was reported as %d", status)
			}
		})
	}
}

func TestCorporateProxyIsSilent(t *testing.T) {
	inSynctest(t, func(t *testing.T) {
		s := newServer(memoryNetwork{})
		s.raw = true
		transport := newTestTransport(t, s, func(u *upstream.Config) { u.Proxy = &url.URL{Scheme: "http", Host: "proxy.contoso.com:3128"} })
		r, _ := post.request(t.Context())
		began := time.Now()
		_, err := transport.RoundTrip(r)
		if !isConnectError(err, upstream.CorporateProxy) || time.Since(began) > 10*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

// TestSOCKS checks a request through a SOCKS5 proxy that requires a user name and
// a password. The proxy follows RFC 1928 and RFC 1929.
func TestSOCKS(t *testing.T) {
	s := newServer(listen(t), head, body, say(ok))
	l := listen(t)
	var asked []byte
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		read := func(n int) []byte { b := make([]byte, n); _, _ = io.ReadFull(c, b); return b }
		read(int(read(2)[1]))         // methods
		_, _ = c.Write([]byte{5, 2})  // user name and password
		read(int(read(2)[1]))         // user name
		read(int(read(1)[0]))         // password
		_, _ = c.Write([]byte{1, 0})  // accepted
		asked = read(int(read(5)[4])) // CONNECT to a name
		read(2)                       // port
		_, _ = c.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
		there, err := s.net.open(context.Background(), s)
		if err != nil {
			return
		}
		go func() { _, _ = io.Copy(there, c); there.Close() }()
		_, _ = io.Copy(c, there)
	}()
	p := &testProxy{url: &url.URL{Scheme: "socks5", Host: l.Addr().String(), User: url.UserPassword("user", "secret")}}
	if _, text := mustFetch(t, newTestTransport(t, s, p.through), post); text != "<ok/>" || string(asked) != "mail.contoso.com" {
		t.Errorf("got %q through a connection to %q", text, asked)
	}
}

// TestSerialNumbers checks that a server's certificate may have a serial number
// that RFC 5280 does not allow. Some private authorities issue such certificates.
// The certificate is its own root, so its signature is not verified.
func TestSerialNumbers(t *testing.T) {
	certificate, key, _ := writeCertificate(t)
	pair := must(tls.LoadX509KeyPair(certificate, key))
	for name, serial := range map[string]byte{"negative": 0x81, "zero": 0} {
		t.Run(name, func(t *testing.T) {
			// These bytes are the DER of version 3, followed by the DER of
			// serial number 1.
			der := bytes.Replace(pair.Certificate[0], []byte{0xa0, 3, 2, 1, 2, 2, 1, 1}, []byte{0xa0, 3, 2, 1, 2, 2, 1, serial}, 1)
			root, err := x509.ParseCertificate(der)
			if err != nil {
				t.Fatal(err)
			}
			if root.SerialNumber.Sign() > 0 {
				t.Fatalf("the serial number is %v", root.SerialNumber)
			}
			s := newServer(listen(t), head, body, say(ok))
			s.tls.Certificates = []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: pair.PrivateKey}}
			transport := newTestTransport(t, s, func(u *upstream.Config) {
				u.TLS.RootCAs = x509.NewCertPool()
				u.TLS.RootCAs.AddCert(root)
			})
			if _, text := mustFetch(t, transport, post); text != "<ok/>" {
				t.Errorf("got %q", text)
			}
		})
	}
}

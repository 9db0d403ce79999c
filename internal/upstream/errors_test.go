package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestConnectErrorMethods checks the methods by which callers ask about an error of
// connecting.
func TestConnectErrorMethods(t *testing.T) {
	for _, c := range []struct {
		err     error
		timeout bool
	}{
		{timeoutError("no response within 5s"), true},
		{fmt.Errorf("dial: %w", context.DeadlineExceeded), true},
		{syscall.ECONNREFUSED, false},
		{errors.New("other"), false},
	} {
		e := &ConnectError{Step: Dial, Server: "mail.contoso.com:443", Err: c.err}
		if e.Timeout() != c.timeout || e.Temporary() != c.timeout || !e.NotSent() || errors.Unwrap(e) != c.err {
			t.Errorf("%v: timeout %v, temporary %v, not sent %v", c.err, e.Timeout(), e.Temporary(), e.NotSent())
		}
		if want := "upstream: connect mail.contoso.com:443: " + c.err.Error(); e.Error() != want {
			t.Errorf("%q, want %q", e.Error(), want)
		}
	}
}

// TestRemedies checks the advice for each kind of failure. A failure without a known
// remedy gets none.
func TestRemedies(t *testing.T) {
	untrusted := func(issuers ...string) error {
		e := &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}
		for _, name := range issuers {
			e.UnverifiedCertificates = append(e.UnverifiedCertificates, &x509.Certificate{Issuer: pkix.Name{CommonName: name}})
		}
		return e
	}
	remote := func(op, text string) error { return &net.OpError{Op: op, Err: errors.New(text)} }
	for _, c := range []struct {
		name         string
		err          error
		helloIgnored bool
		want         string // a part of the remedy; "": there is none
	}{
		{"root that is not known", untrusted("leaf's issuer", "root"), false, `the issuer is "CN=root": add its certificate to HMA_CA_FILE`},
		{"one certificate", untrusted("own root"), false, `"CN=own root"`},
		{"no certificate", untrusted(), false, "the issuer is unknown"},
		{"another error", x509.UnknownAuthorityError{}, false, "the issuer is unknown"},
		{"name", x509.HostnameError{Certificate: new(x509.Certificate), Host: "mail.contoso.com"}, false, "use a name of the certificate in HMA_EWS_URL"},
		{"expired", x509.CertificateInvalidError{Reason: x509.Expired}, false, "renew the certificate"},
		{"not for servers", x509.CertificateInvalidError{Reason: x509.IncompatibleUsage}, false, ""},
		{"not TLS", tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}, false, "does not speak TLS"},
		{"serial number", errors.New("x509: negative serial number"), false, "serial number is not valid"},
		{"malformed certificate", errors.New("tls: failed to parse certificate from server"), false, "malformed"},
		{"protocol version", remote("remote error", "tls: protocol version not supported"), false, "enable TLS 1.2"},
		{"cipher suites", remote("remote error", "tls: handshake failure"), false, "HMA_TLS_COMPATIBILITY"},
		{"failure on this side", remote("local error", "tls: handshake failure"), false, ""},
		{"another alert", remote("remote error", "tls: internal error"), false, ""},
		{"silence", io.EOF, true, "does not respond to the TLS handshake"},
		{"reset later", io.EOF, false, ""},
	} {
		e := &ConnectError{Step: Handshake, Server: "mail.contoso.com:443", Err: c.err, helloIgnored: c.helloIgnored}
		got := e.Remedy()
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		if ends := strings.HasSuffix(e.Error(), ": "+got); ends != (got != "") {
			t.Errorf("%s: %q", c.name, e.Error())
		}
	}
}

// TestSilenceOrClose checks after which errors of a handshake another hello is sent.
func TestSilenceOrClose(t *testing.T) {
	expired, cancel := context.WithDeadline(t.Context(), time.Unix(1, 0))
	defer cancel()
	left, cancel := context.WithCancel(t.Context())
	cancel()
	other := errors.New("tls: handshake failure")
	for _, c := range []struct {
		ctx  context.Context
		err  error
		want bool
	}{
		{t.Context(), other, false}, {left, other, false}, {expired, other, true},
		{t.Context(), io.EOF, true}, {t.Context(), io.ErrUnexpectedEOF, true}, {t.Context(), io.ErrClosedPipe, true},
		{t.Context(), syscall.ECONNRESET, true}, {t.Context(), syscall.EPIPE, true}, {t.Context(), syscall.ECONNABORTED, true},
		{t.Context(), syscall.ECONNREFUSED, false}, {t.Context(), &net.OpError{Op: "read", Err: syscall.ECONNRESET}, true},
	} {
		if got := isSilenceOrClose(c.ctx, c.err); got != c.want {
			t.Errorf("%v, %v: %v", c.ctx.Err(), c.err, got)
		}
	}
}

// TestSmallestConfig checks that New accepts the smallest limits, and refuses values
// that are one less, and URLs of corporate proxies that cannot be used.
func TestSmallestConfig(t *testing.T) {
	smallest := func() Config {
		return Config{
			Host: "mail.contoso.com", Address: "mail.contoso.com:443", TLS: &tls.Config{ServerName: "mail.contoso.com"},
			Dial:             func(context.Context, string, string) (net.Conn, error) { return nil, syscall.ECONNREFUSED },
			HandshakeTimeout: 1, ContinueTimeout: 1, IdleTimeout: 1, MaxIdle: 1, MaxHead: 1,
		}
	}
	for name, change := range map[string]func(*Config){
		"nothing more":   func(*Config) {},
		"an http proxy":  func(c *Config) { c.Proxy = &url.URL{Scheme: "http", Host: "proxy"} },
		"an https proxy": func(c *Config) { c.Proxy = &url.URL{Scheme: "https", Host: "proxy"} },
		"SOCKS":          func(c *Config) { c.Proxy = &url.URL{Scheme: "socks5", Host: "proxy"} },
		"SOCKS, names":   func(c *Config) { c.Proxy = &url.URL{Scheme: "socks5h", Host: "proxy"} },
	} {
		config := smallest()
		change(&config)
		if _, err := New(config); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, change := range map[string]func(*Config){
		"ServerName":       func(c *Config) { c.TLS.ServerName = "" },
		"HandshakeTimeout": func(c *Config) { c.HandshakeTimeout-- },
		"ContinueTimeout":  func(c *Config) { c.ContinueTimeout-- },
		"IdleTimeout":      func(c *Config) { c.IdleTimeout-- },
		"MaxIdle":          func(c *Config) { c.MaxIdle-- },
		"MaxHead":          func(c *Config) { c.MaxHead-- },
		"proxy's scheme":   func(c *Config) { c.Proxy = &url.URL{Scheme: "ftp", Host: "proxy"} },
		"proxy's host":     func(c *Config) { c.Proxy = &url.URL{Scheme: "http", Host: ":3128"} },
	} {
		config := smallest()
		change(&config)
		if _, err := New(config); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestDialAddress checks the address that is dialled: that of the corporate proxy,
// with the default port of its scheme, or that of the server.
func TestDialAddress(t *testing.T) {
	for proxy, want := range map[string]string{
		"": "mail.contoso.com:443", "http://proxy": "proxy:80", "https://proxy": "proxy:443", "socks5://proxy": "proxy:1080", "socks5h://proxy": "proxy:1080",
		"http://proxy:3128": "proxy:3128", "http://[2001:db8::1]": "[2001:db8::1]:80",
	} {
		config := Config{Address: "mail.contoso.com:443"}
		if proxy != "" {
			u, err := url.Parse(proxy)
			if err != nil {
				t.Fatal(err)
			}
			config.Proxy = u
		}
		if got := config.DialAddress(); got != want {
			t.Errorf("%q: %s, want %s", proxy, got, want)
		}
	}
}

// A writesConn records its writes.
type writesConn struct {
	net.Conn
	writes []string
}

func (c *writesConn) Write(p []byte) (int, error) {
	c.writes = append(c.writes, string(p))
	return len(p), nil
}

// TestGatheredRecords checks when records are written. The first byte of a TLS
// record is its content type (RFC 8446, section 5.1): 23 is application data, 22 is
// a handshake message, which is sent together with what was gathered before it.
func TestGatheredRecords(t *testing.T) {
	conn := new(writesConn)
	w := &wire{Conn: conn}
	write := func(p ...string) {
		for _, s := range p {
			if n, err := w.Write([]byte(s)); n != len(s) || err != nil {
				t.Errorf("%q: %d, %v", s, n, err)
			}
		}
	}
	write("\x17one")
	w.gather(make([]byte, 10))
	write("\x17two", "\x17", "\x16hello", "\x17three")
	if err := w.flush(); err != nil {
		t.Error(err)
	}
	write("\x16four", "\x17five")
	want := []string{"\x17one", "\x17two\x17\x16hello", "\x17three", "\x16four", "\x17five"}
	if !slices.Equal(conn.writes, want) {
		t.Errorf("%q, want %q", conn.writes, want)
	}
	if n := len(strings.Join(want, "")); w.sent.Load() != int64(n) {
		t.Errorf("%d bytes were counted, want %d", w.sent.Load(), n)
	}
}

package proxy_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	lean "hmaproxy/internal/upstream"
)

// A transport is one of the two transports that the product uses: the transport
// of internal/upstream, or http.Transport behind a corporate proxy.
type transport interface {
	http.RoundTripper
	CloseIdleConnections()
}

// A dial opens a connection, as in package net.
type dial = func(ctx context.Context, network, address string) (net.Conn, error)

// newTransport returns internal/upstream's transport to a server. The parameter
// root is the authority that has issued the server's certificate.
func newTransport(t testing.TB, host, address string, root *x509.Certificate, open dial) transport {
	roots := x509.NewCertPool()
	roots.AddCert(root)
	made, err := lean.New(lean.Config{
		Host: host, Address: address, Dial: open,
		TLS:              &tls.Config{RootCAs: roots, ServerName: "example.com"},
		HandshakeTimeout: 10 * time.Second, ContinueTimeout: 2 * time.Second, IdleTimeout: 55 * time.Second,
		MaxIdle: 256, MaxHead: 256 << 10,
	})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// identity returns the certificate of httptest's TLS servers.
var identity = sync.OnceValue(func() tls.Certificate {
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	return s.TLS.Certificates[0]
})

// lean returns internal/upstream's transport, connected by TLS to an upstream that
// follows the script.
func (l *scripted) lean(upstream script) transport {
	server := &tls.Config{Certificates: []tls.Certificate{identity()}}
	root, err := x509.ParseCertificate(identity().Certificate[0])
	if err != nil {
		l.t.Fatal(err)
	}
	return newTransport(l.t, "mail.contoso.com", "mail.contoso.com:443", root, l.dialer(func(n int, c net.Conn, _ *bufio.Reader) {
		inside := tls.Server(c, server)
		defer inside.Close()
		upstream(n, inside, bufio.NewReader(inside))
	}))
}

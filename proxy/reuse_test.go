package proxy_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"

	"hmaproxy/proxy"
	"hmaproxy/proxy/policy"
)

// TestBufferedBodiesKeepTheirConnection checks over a real network that no connection
// ends after a request with a buffered body. The response may arrive before the
// transport has noticed that the body was sent.
func TestBufferedBodiesKeepTheirConnection(t *testing.T) {
	id := identity()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{id}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var ended atomic.Int32 // number of connections
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				defer ended.Add(1)
				for r := bufio.NewReader(c); readBodyOf(r, max(1, contentLength(readHead(r)))); {
					_, _ = io.WriteString(c, shortOK)
				}
			}()
		}
	}()
	root, err := x509.ParseCertificate(id.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	dial := func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("tcp", l.Addr().String())
	}
	transport := newTransport(t, "mail.contoso.com", "mail.contoso.com:443", root, dial)
	defer transport.CloseIdleConnections()
	alice := only(t, "alice@contoso.com")
	handler, err := proxy.New(proxy.Config{
		EWS:    &url.URL{Scheme: "https", Host: "mail.contoso.com", Path: "/EWS/Exchange.asmx"},
		Tokens: &tokens{current: goodToken}, Transport: transport, Policy: func() *policy.Policy { return alice },
	})
	if err != nil {
		t.Fatal(err)
	}
	body := envelope("alice@contoso.com", createItem(150<<10))
	for range 150 {
		w := newWriter()
		handler.ServeHTTP(w, newRequest(body))
		if w.Code != http.StatusOK {
			t.Fatal(w.Code, w.Body)
		}
	}
	if n := ended.Load(); n != 0 {
		t.Errorf("%d connections have ended", n)
	}
}

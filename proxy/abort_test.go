package proxy_test

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"hmaproxy/proxy"
)

// TestTruncatedResponseOverTLSNeverLooksComplete checks that the TLS session of a
// truncated response ends without close_notify. An HTTP/1.0 client would treat a
// close_notify as the end of a complete response.
func TestTruncatedResponseOverTLSNeverLooksComplete(t *testing.T) {
	var config proxy.Config
	r := newTestProxy(t, testConfig{
		adjust: func(c *proxy.Config) { config = *c },
		respond: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/xml")
			_, _ = io.WriteString(w, "<half")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		},
	})
	handler, err := proxy.New(config)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := newServer(handler)
	defer server.Close()
	go server.Serve(tls.NewListener(l, &tls.Config{Certificates: r.TLS.Certificates}))

	c, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = io.WriteString(c, "POST /EWS/Exchange.asmx HTTP/1.0\r\nHost: localhost\r\nContent-Type: text/xml\r\nContent-Length: 5\r\n\r\n<a/> ")
	text, err := io.ReadAll(c)
	if err == nil && strings.Contains(string(text), "<half") {
		t.Errorf("the client sees a complete response: %q", text)
	}
}

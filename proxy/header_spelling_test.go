package proxy_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"hmaproxy/proxy"
)

// A spellingTransport is a transport that reports the server's spelling of header
// names.
type spellingTransport struct{ names []string }

type spelledBody struct {
	io.Reader
	names []string
}

func (spelledBody) Close() error { return nil }
func (b spelledBody) HeaderName(canonical string) string {
	for _, name := range b.names {
		if strings.EqualFold(name, canonical) {
			return name
		}
	}
	return canonical
}

func (t spellingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	_, _ = io.Copy(io.Discard, r.Body)
	r.Body.Close()
	header := http.Header{}
	for _, name := range t.names {
		header.Set(name, "text/xml")
	}
	header.Set("Content-Length", "11")
	header.Set("Connection", "x-hop-BY-hop")
	return &http.Response{StatusCode: 200, Header: header, ContentLength: 11, Body: spelledBody{strings.NewReader("<Envelope/>"), t.names}}, nil
}

// TestHeaderSpelling checks that clients get header names in the server's
// spelling. A header about the framing or the media type must be sent once, in
// canonical spelling, even if the server spells it differently.
func TestHeaderSpelling(t *testing.T) {
	r := newTestProxy(t, testConfig{adjust: func(c *proxy.Config) {
		c.Transport = spellingTransport{[]string{"X-FEServer", "request-id", "content-length", "content-type", "date", "X-Hop-By-hop", "WWW-authenticate"}}
	}})
	request := string(envelope("alice@contoso.com", getFolder))
	conn, err := net.Dial("tcp", r.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /EWS/Exchange.asmx HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(request), request)
	text, _ := io.ReadAll(conn)
	head, _, _ := strings.Cut(string(text), "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	for _, want := range []string{"X-FEServer: text/xml", "request-id: text/xml", "Content-Length: 11", "Content-Type: text/xml"} {
		n := 0
		for _, line := range lines {
			name, _, _ := strings.Cut(want, ":")
			if got, _, _ := strings.Cut(line, ":"); strings.EqualFold(got, name) {
				if n++; line != want {
					t.Errorf("got %q, want %q", line, want)
				}
			}
		}
		if n != 1 {
			t.Errorf("%d lines like %q in\n%s", n, want, head)
		}
	}
	for _, unwanted := range []string{"hop-by-hop", "www-authenticate"} {
		if strings.Contains(strings.ToLower(head), unwanted) {
			t.Errorf("%s was relayed:\n%s", unwanted, head)
		}
	}
}

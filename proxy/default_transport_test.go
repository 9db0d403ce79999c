package proxy_test

import (
	"compress/gzip"
	"crypto/x509"
	"io"
	"net/http"
	"testing"

	"hmaproxy/proxy"
)

// newDefaultTransport returns the transport of NewTransport, changed to trust the
// certificate of u.
func newDefaultTransport(u *upstream) *http.Transport {
	transport := proxy.NewTransport()
	transport.TLSClientConfig.RootCAs = x509.NewCertPool()
	transport.TLSClientConfig.RootCAs.AddCert(u.Certificate())
	return transport
}

func TestDefaultTransportUsesHTTP1AndDoesNotDecompress(t *testing.T) {
	u := newUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("X-Protocol", r.Proto)
		w.Header().Set("X-Accepts", r.Header.Get("Accept-Encoding"))
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Content-Type", "text/xml; charset=utf-8")
		z := gzip.NewWriter(w)
		_, _ = io.WriteString(z, okDocument)
		z.Close()
	})
	transport := newDefaultTransport(u)
	defer transport.CloseIdleConnections()
	req, _ := http.NewRequest(http.MethodPost, u.URL, http.NoBody)
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	magic := make([]byte, 2)
	_, _ = io.ReadFull(resp.Body, magic)
	if resp.Header.Get("X-Protocol") != "HTTP/1.1" || resp.Header.Get("X-Accepts") != "" || magic[0] != 0x1f || magic[1] != 0x8b {
		t.Errorf("headers %v, body begins with % x", resp.Header, magic)
	}
}

func TestDefaultTransportDoesNotFollowRedirects(t *testing.T) {
	u := newUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	})
	transport := newDefaultTransport(u)
	defer transport.CloseIdleConnections()
	req, _ := http.NewRequest(http.MethodPost, u.URL, http.NoBody)
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusTemporaryRedirect || len(u.seen()) != 1 {
		t.Errorf("status %d after %d requests", resp.StatusCode, len(u.seen()))
	}
}

// TestNilTransport checks that a Handler without a transport uses one that verifies
// certificates. The test server's certificate is not trusted.
func TestNilTransport(t *testing.T) {
	r := newTestProxy(t, testConfig{adjust: func(c *proxy.Config) { c.Transport = nil }})
	resp, _ := r.post(t, envelope("alice@contoso.com", getFolder))
	if reason := resp.Header.Get("X-Hmaproxy-Error"); reason != "upstream-unreachable" || len(r.seen()) != 0 {
		t.Errorf("reason %q, %d requests reached the server", reason, len(r.seen()))
	}
}

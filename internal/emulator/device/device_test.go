package device_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"hmaproxy/internal/emulator/device"
)

// exchange responds to a request with "exchange read " and the request's body. The
// response has the media type of EWS.
var exchange = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	_, _ = w.Write(append([]byte("exchange read "), body...))
})

// start serves a device at a loopback address.
func start(t *testing.T, name string) (address string, roots *x509.CertPool) {
	t.Helper()
	d, err := device.Named(name)
	if err != nil {
		t.Fatal(err)
	}
	id := newIdentity(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go d.Serve(l, id, exchange)
	roots = x509.NewCertPool()
	roots.AddCert(id.Authority)
	return l.Addr().String(), roots
}

func newIdentity(t *testing.T) device.Identity {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test Root"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	root, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return device.Identity{Authority: root, Key: key, Names: []string{"mail.contoso.com"}, LeafKey: leafKey()}
}

// leafKey is shared, because making RSA keys takes longer than everything else.
var leafKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func config(roots *x509.CertPool) *tls.Config {
	return &tls.Config{RootCAs: roots, ServerName: "mail.contoso.com"}
}

// TestHandshakes connects to each device with the default configuration of
// crypto/tls, or with a changed configuration, and checks the result.
func TestHandshakes(t *testing.T) {
	classical := func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256} }
	for _, c := range []struct {
		device string
		change func(*tls.Config)
		fails  string // part of the error; "" for success
	}{
		{"tls-rsa-key-exchange", nil, "handshake failure"},
		{"tls-rsa-key-exchange", func(c *tls.Config) { c.CipherSuites = []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256} }, ""},
		{"tls-2012r2-hardened", nil, "handshake failure"},
		{"tls-2012r2-hardened", func(c *tls.Config) { c.CipherSuites = []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256} }, ""},
		{"tls-2012r2-default", nil, ""},
		{"tls-1.0-only", nil, "protocol version"},
		{"tls-1.0-only", func(c *tls.Config) { c.MinVersion = tls.VersionTLS10 }, ""},
		{"hello-in-two-packets-reset", nil, "reset"},
		{"hello-in-two-packets-reset", classical, ""},
		{"hello-in-two-packets-dropped", nil, "timeout"},
		{"hello-in-two-packets-dropped", classical, ""},
		{"client-certificate-accepted", nil, ""},
		{"client-certificate-required", func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, "handshake failure"},
		{"certificate-negative-serial", nil, ""}, // go.mod permits negative serial numbers
		{"certificate-sha1", nil, "SHA1"},
		{"certificate-without-san", nil, "Common Name"},
		{"certificate-rsa1024", nil, ""},
	} {
		t.Run(c.device, func(t *testing.T) {
			address, roots := start(t, c.device)
			cfg := config(roots)
			if c.change != nil {
				c.change(cfg)
			}
			dialer := &net.Dialer{}
			raw, err := dialer.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer raw.Close()
			if c.fails == "timeout" {
				_ = raw.SetDeadline(time.Now().Add(200 * time.Millisecond))
			}
			err = tls.Client(raw, cfg).Handshake()
			if c.fails == "" && err != nil || c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)) {
				t.Errorf("handshake: %v, want %q", err, c.fails)
			}
		})
	}
}

func TestNegativeSerialNumber(t *testing.T) {
	t.Setenv("GODEBUG", "x509negativeserial=0") // the default of Go, which go.mod changes
	address, roots := start(t, "certificate-negative-serial")
	if _, err := tls.Dial("tcp", address, config(roots)); err == nil || !strings.Contains(err.Error(), "negative serial number") {
		t.Errorf("handshake: %v", err)
	}
}

func TestResponses(t *testing.T) {
	for _, c := range []struct {
		device, expect string
		status         int
		body           string
	}{
		{"expect-417", "100-continue", 417, "Expectation Failed"},
		{"expect-417", "", 200, "exchange read <x/>"},
		{"expect-501-kemp", "100-continue", 501, ""},
		{"expect-501-kemp", "", 200, "exchange read <x/>"},
		{"expect-swallowed", "100-continue", 200, "exchange read <x/>"},
		{"page-200", "", 200, "Sign in"},
		{"empty-200", "", 200, ""},
		{"status-440", "", 440, "Sign in"},
		{"status-404-page", "", 404, "404"},
		{"redirect-owa", "", 302, ""},
		{"401-negotiate-only", "", 401, ""},
		{"401-forms", "", 401, "Sign in"},
		{"tls-2012r2-default", "", 200, "exchange read <x/>"},
		{"head-space-before-colon", "", 200, "exchange read <x/>"},
		{"head-latin1", "", 200, "exchange read <x/>"},
		{"head-folded", "", 200, "exchange read <x/>"},
		{"head-no-reason", "", 200, "exchange read <x/>"},
		{"head-cl-twice", "", 200, "exchange read <x/>"},
		{"head-cl-and-te", "", 200, "exchange read <x/>"},
		{"head-lf", "", 200, "exchange read <x/>"},
		{"head-http10", "", 200, "exchange read <x/>"},
		{"head-unasked-100", "", 200, "exchange read <x/>"},
		{"head-trailing-crlf", "", 200, "exchange read <x/>"},
	} {
		t.Run(c.device+" "+c.expect, func(t *testing.T) {
			address, roots := start(t, c.device)
			transport := &http.Transport{TLSClientConfig: config(roots), ExpectContinueTimeout: 50 * time.Millisecond}
			defer transport.CloseIdleConnections()
			r, err := http.NewRequest(http.MethodPost, "https://"+address+"/EWS/Exchange.asmx", bytes.NewReader([]byte("<x/>")))
			if err != nil {
				t.Fatal(err)
			}
			if c.expect != "" {
				r.Header.Set("Expect", c.expect)
			}
			resp, err := transport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != c.status || !strings.Contains(string(body), c.body) || c.body == "" && len(body) > 0 {
				t.Errorf("%d %q, want %d %q", resp.StatusCode, body, c.status, c.body)
			}
			if c.device == "empty-200" && resp.Header["Content-Type"] != nil {
				t.Errorf("Content-Type %q", resp.Header["Content-Type"])
			}
		})
	}
}

// TestHeaderWithoutColon checks that Go's client refuses a header line without a
// colon.
func TestHeaderWithoutColon(t *testing.T) {
	address, roots := start(t, "head-nocolon")
	transport := &http.Transport{TLSClientConfig: config(roots)}
	defer transport.CloseIdleConnections()
	r, err := http.NewRequest(http.MethodGet, "https://"+address+"/EWS/Exchange.asmx", nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := transport.RoundTrip(r); err == nil {
		resp.Body.Close()
		t.Errorf("the response was read: %s", resp.Status)
	}
}

func TestDevicesAreDescribed(t *testing.T) {
	seen := map[string]bool{}
	for _, d := range device.Table() {
		if d.Name == "" || d.Does == "" || d.Source == "" || seen[d.Name] {
			t.Errorf("%+v is not described, or its name is used twice", d.Name)
		}
		seen[d.Name] = true
	}
	if _, err := device.Named("no-such-device"); err == nil {
		t.Error("an unknown name was accepted")
	}
}

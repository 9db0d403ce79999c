//go:build unix

package listener

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"hmaproxy/internal/config"
)

// pairFiles are the paths of a certificate and its key.
type pairFiles struct{ certificate, key string }

func newPairFiles(t testing.TB) pairFiles {
	dir := t.TempDir()
	return pairFiles{filepath.Join(dir, "tls.pem"), filepath.Join(dir, "tls-key.pem")}
}

// renew writes a new key pair for localhost with the given serial number.
func (p pairFiles) renew(t testing.TB, serial int64) { p.issue(t, serial, "localhost") }

// issue writes a new key pair for the given names.
func (p pairFiles) issue(t testing.TB, serial int64, names ...string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), DNSNames: names}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	p.write(t, p.certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	p.write(t, p.key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
}

func (pairFiles) write(t testing.TB, file string, data []byte) {
	t.Helper()
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// serveTLS starts a server that uses TLS with the key pairs in files on a TCP
// address, and plain HTTP on a Unix socket. It returns the key pairs that it read
// and both addresses.
func serveTLS(t *testing.T, files ...pairFiles) (k *KeyPairs, tcp, unix string) {
	t.Helper()
	c := &config.Config{
		Listen: config.Listeners{{TCP: netip.MustParseAddrPort("127.0.0.1:0")}, {Unix: filepath.Join(socketDir(t, 0o700), "s")}},
	}
	for _, f := range files {
		c.TLSCertFiles, c.TLSKeyFiles = append(c.TLSCertFiles, config.Path(f.certificate)), append(c.TLSKeyFiles, config.Path(f.key))
	}
	k, err := NewKeyPairs(c)
	if err != nil {
		t.Fatal(err)
	}
	listeners, err := OpenAll(t.Context(), Config{TLS: k.TLSConfig(), Log: slog.New(slog.DiscardHandler)}, c.Listen)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Proto)
	})}
	for _, l := range listeners {
		go server.Serve(l)
	}
	t.Cleanup(func() { server.Close() })
	return k, listeners[0].Addr().String(), c.Listen[1].Unix
}

// serial connects and returns the serial number of the server's certificate.
func serial(t *testing.T, address string) int64 { return serialFor(t, address, "") }

// serialFor connects with name as the server name (SNI). It returns the serial number
// of the server's certificate.
func serialFor(t *testing.T, address, name string) int64 {
	t.Helper()
	c, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, ServerName: name})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

func TestKeyPairIsReloaded(t *testing.T) {
	files := newPairFiles(t)
	files.renew(t, 1)
	k, address, _ := serveTLS(t, files)
	if n := serial(t, address); n != 1 {
		t.Fatalf("serial number %d", n)
	}
	if changed, err := k.Reload(); changed || err != nil {
		t.Errorf("Reload of the same files = %v, %v", changed, err)
	}
	files.renew(t, 2)
	if changed, err := k.Reload(); !changed || err != nil {
		t.Errorf("Reload of a new pair = %v, %v", changed, err)
	}
	if n := serial(t, address); n != 2 {
		t.Errorf("serial number %d after the change", n)
	}
	other := newPairFiles(t)
	other.renew(t, 3)
	foreign, err := os.ReadFile(other.key)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string][]byte{"another's key": foreign, "no key": []byte("x"), "an empty file": {}} {
		files.write(t, files.key, key)
		if changed, err := k.Reload(); changed || err == nil {
			t.Errorf("%s: Reload = %v, %v", name, changed, err)
		}
		if n := serial(t, address); n != 2 {
			t.Errorf("%s: serial number %d", name, n)
		}
	}
}

// TestCertificateIsThatOfTheName checks that the listener chooses among three
// certificates by the server name (SNI).
func TestCertificateIsThatOfTheName(t *testing.T) {
	files := []pairFiles{newPairFiles(t), newPairFiles(t), newPairFiles(t)}
	files[0].issue(t, 1, "ews-proxy.contoso.com")
	files[1].issue(t, 2, "autodiscover.contoso.com", "contoso.com")
	files[2].issue(t, 3, "*.fabrikam.com")
	k, address, _ := serveTLS(t, files...)
	for name, want := range map[string]int64{
		"": 1, "ews-proxy.contoso.com": 1, "autodiscover.contoso.com": 2, "AUTODISCOVER.contoso.com": 2, "contoso.com": 2,
		"autodiscover.fabrikam.com": 3, "fabrikam.com": 1, "a.autodiscover.contoso.com": 1, "evil.example": 1,
	} {
		if got := serialFor(t, address, name); got != want {
			t.Errorf("%q gets certificate %d, want %d", name, got, want)
		}
	}
	files[1].issue(t, 4, "autodiscover.contoso.com")
	if changed, err := k.Reload(); !changed || err != nil {
		t.Fatalf("Reload = %v, %v", changed, err)
	}
	for name, want := range map[string]int64{"autodiscover.contoso.com": 4, "ews-proxy.contoso.com": 1, "contoso.com": 1} {
		if got := serialFor(t, address, name); got != want {
			t.Errorf("after the change %q gets certificate %d, want %d", name, got, want)
		}
	}
}

func TestTLSVersionsAndProtocols(t *testing.T) {
	files := newPairFiles(t)
	files.renew(t, 1)
	_, address, _ := serveTLS(t, files)
	cases := []struct {
		name   string
		client *tls.Config
		want   string // negotiated protocol; "-": no connection
	}{
		{"nothing asked for", &tls.Config{}, ""},
		{"HTTP/1.1", &tls.Config{NextProtos: []string{"http/1.1"}}, "http/1.1"},
		{"HTTP/2 preferred", &tls.Config{NextProtos: []string{"h2", "http/1.1"}}, "http/1.1"},
		{"HTTP/2 alone", &tls.Config{NextProtos: []string{"h2"}}, "-"},
		{"TLS 1.2", &tls.Config{MaxVersion: tls.VersionTLS12}, ""},
		{"TLS 1.1", &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, "-"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			tc.client.InsecureSkipVerify = true
			c, err := tls.Dial("tcp", address, tc.client)
			if err != nil {
				if tc.want != "-" {
					t.Error(err)
				}
				return
			}
			defer c.Close()
			if got := c.ConnectionState().NegotiatedProtocol; got != tc.want {
				t.Errorf("negotiated %q, want %q", got, tc.want)
			}
		})
	}
}

func TestTLSAppliesToTCPOnly(t *testing.T) {
	files := newPairFiles(t)
	files.renew(t, 1)
	_, address, socket := serveTLS(t, files)
	overSocket := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	plain := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, tc := range []struct {
		name   string
		client http.Client
		want   int
	}{{"socket", overSocket, http.StatusOK}, {"TCP", plain, http.StatusBadRequest}} {
		resp, err := tc.client.Get("http://" + address + "/")
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		resp.Body.Close()
		if resp.StatusCode != tc.want {
			t.Errorf("%s: plain HTTP gets %s", tc.name, resp.Status)
		}
	}
}

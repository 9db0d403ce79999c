package certsource

import (
	"context"
	"crypto/fips140"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// overTLS serves f at the services' real names, over TLS with a private root.
// It returns a client that trusts that root and resolves the names.
func overTLS(t *testing.T, f *testVault) *http.Client {
	t.Helper()
	key := testKey(t, "bad/key-of-another.pem")
	template := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "private root"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, DNSNames: []string{vaultHost, loginHost}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	root, _ := x509.ParseCertificate(der)
	srv := httptest.NewUnstartedServer(f)
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // some handshakes fail on purpose
	srv.StartTLS()
	t.Cleanup(srv.Close)
	pool := x509.NewCertPool()
	pool.AddCert(root)
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, srv.Listener.Addr().String())
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// TestOverTLS sends all requests over real connections: the challenge, the
// log-in, and the requests for a PFX in Key Vault's form and its previous
// version.
func TestOverTLS(t *testing.T) {
	newest := "keyvault-secret.b64"
	if fips140.Enforced() {
		newest = "leaf-last.pem"
	}
	f := newTestVault(t,
		&testVersion{id: "v2", value: string(fixture(t, "good/"+newest)), previous: "v1"},
		&testVersion{id: "v1", value: string(fixture(t, "good/key-first.pem"))})
	client := overTLS(t, f)
	k := f.open(func(c *KeyVaultConfig) { c.HTTPClient = client })
	for range 2 {
		list, err := k.Certificates(t.Context())
		if err != nil || len(list) != 2 {
			t.Fatal(len(list), err)
		}
		for _, row := range fixtures(t, "good") {
			if got, _ := Thumbprints(list[0].Leaf); row[0] == newest && got != row[3] {
				t.Errorf("thumbprint %s, OpenSSL says %s", got, row[3])
			}
		}
		if len(list[0].Certificate) != 3 {
			t.Errorf("%d certificates", len(list[0].Certificate))
		}
	}
	want := "GET " + loginHost + "/" + tenant + "/v2.0/.well-known/openid-configuration POST " + loginHost + "/" + tenant + "/oauth2/v2.0/token"
	want += " " + want // every poll logs in, to test the client secret
	if got := strings.Join(f.take(loginHost), " "); got != want {
		t.Errorf("log-in: %s", got)
	}
}

// TestLoopbackVault checks that an emulator on loopback may name any resource
// in its challenge.
func TestLoopbackVault(t *testing.T) {
	f := newTestVault(t, &testVersion{id: "v1", value: string(fixture(t, "good/key-first.pem"))})
	client := overTLS(t, f)
	k := f.open(func(c *KeyVaultConfig) {
		c.HTTPClient = client
		c.Vault, _ = url.Parse("https://127.0.0.1:8443/")
	})
	if list, err := k.Certificates(t.Context()); len(list) != 1 || err != nil {
		t.Error(len(list), err)
	}
}

func TestUntrustedVault(t *testing.T) {
	f := newTestVault(t)
	client := overTLS(t, f)
	client.Transport.(*http.Transport).TLSClientConfig = nil
	k := f.open(func(c *KeyVaultConfig) { c.HTTPClient = client })
	e := wantCode(t, k, "", CodeUntrusted)
	if e.Host != vaultHost || !strings.Contains(e.Error(), "unknown authority") {
		t.Error(e)
	}
}

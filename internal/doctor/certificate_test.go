package doctor

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"hmaproxy/certsource"
	"hmaproxy/internal/config"
	"hmaproxy/token"
)

// TestStoreCodesAreExplained checks that these error codes about a certificate in a
// Windows store have the right cause and a repair.
func TestStoreCodesAreExplained(t *testing.T) {
	c := &config.Config{AppAuth: config.AppCertificate, CertStore: config.CertStore{Location: "LocalMachine", Name: "My"}, CertSubject: "CN=HMA-Cert"}
	for code, want := range map[string]string{
		certsource.CodeNotInStore:     "no certificate of LocalMachine/My has this thumbprint or subject",
		certsource.CodeNoStore:        "the store LocalMachine/My does not exist",
		certsource.CodeKeyAccess:      "may not read the private key",
		certsource.CodeLegacyKey:      "legacy provider (CSP)",
		certsource.CodeKeyPrompts:     "asks a person for consent",
		certsource.CodeNoPrivateKey:   "without its private key",
		certsource.CodeStoreFailed:    "Windows failed to open",
		certsource.CodeExpired:        "has expired",
		certsource.CodeNotRSA:         "wrong type (not RSA)",
		certsource.CodeNegativeSerial: "negative serial number",
		certsource.CodeNotFIPS:        "FIPS 140-3 is enforced",
		certsource.CodeBlocked:        "does not respond",
	} {
		f := &facts{config: c}
		f.names = names{"{store}", c.CertStore.String(), "{cert-file}", "", "{issue}", "issue a certificate", "{register}", "register it"}
		r := explainCertificate(f, &certsource.Error{Op: "read store", Code: code, Remedy: "do this"})
		if !strings.Contains(r.Cause, want) || len(r.Repair) == 0 || strings.Contains(strings.Join(r.Repair, r.Cause), "{") {
			t.Errorf("%s: cause %q, repair %q", code, r.Cause, r.Repair)
		}
	}
}

// A failingSigner is a private key whose provider refuses to sign.
type failingSigner struct {
	crypto.Signer
	err error
}

func (s failingSigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return nil, s.err }

// tenantDiscovery responds to requests for a tenant's endpoints as Entra ID
// does.
type tenantDiscovery struct{}

func (tenantDiscovery) RoundTrip(req *http.Request) (*http.Response, error) {
	const base = "https://login.microsoftonline.com/0f3c9a52-6b1d-4b7e-9d0e-2f6a1c5b8e47"
	body := `{"issuer":"` + base + `/v2.0","authorization_endpoint":"` + base + `/oauth2/v2.0/authorize","token_endpoint":"` + base + `/oauth2/v2.0/token"}`
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), Request: req}, nil
}

// TestSigningFailureOfStoreIsExplained checks a key of a Windows store that
// fails only when it signs. The result must contain the repair for the store once:
// as the repair, and not in the detail.
func TestSigningFailureOfStoreIsExplained(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	const repair = "issue the certificate with another provider"
	refused := &certsource.Error{Op: "sign", Name: "LocalMachine/My CN=HMA-Cert", Code: certsource.CodeSaltLength, Remedy: repair}
	_, err = token.Acquire(t.Context(), token.Config{
		Authority: &url.URL{Scheme: "https", Host: "login.microsoftonline.com"}, HTTPClient: &http.Client{Transport: tenantDiscovery{}},
		TenantID: "0f3c9a52-6b1d-4b7e-9d0e-2f6a1c5b8e47", ClientID: "5f1d8a1e-0000-4000-8000-000000000000", Resource: "https://mail.contoso.com",
	}, &tls.Certificate{Certificate: [][]byte{der}, Leaf: leaf, PrivateKey: failingSigner{key, refused}})
	var failure *token.Error
	if !errors.As(err, &failure) {
		t.Fatal(err)
	}
	c := &config.Config{AppAuth: config.AppCertificate, CertStore: config.CertStore{Location: "LocalMachine", Name: "My"}, CertSubject: "CN=HMA-Cert"}
	r := explainToken(&facts{config: c}, tokenAttempt{cert: leaf, err: failure})
	if !strings.Contains(r.Cause, "Windows store") || len(r.Repair) != 1 || r.Repair[0] != repair || strings.Contains(r.Detail, repair) || !strings.Contains(r.Detail, "SaltLength") {
		t.Errorf("%+v", r)
	}
}

package doctor_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	"hmaproxy/internal/emulator"
)

func TestWrongChains(t *testing.T) {
	none := emulator.Config{}
	browsers, err := x509.OIDFromInts([]uint64{2, 23, 140, 1, 2, 2}) // policy of the CA/Browser Forum for organisation-validated certificates
	if err != nil {
		t.Fatal(err)
	}
	run(t, []misconfiguration{
		{"intermediate not sent, private root trusted", none, func(r *testSetup) { r.serveLeaf(&x509.Certificate{}, true, nil) }, "exchange", "or, if its root is trusted here, the server's chain is incomplete", "Intermediate Certification Authorities"},
		{"intermediate not sent, public authority", none, func(r *testSetup) { r.serveLeaf(&x509.Certificate{Policies: []x509.OID{browsers}}, true, nil) }, "exchange", "^the server's chain is incomplete", "^on the server import .*Contoso Issuing CA"},
		{"signed with SHA-1", none, func(r *testSetup) {
			r.serveLeaf(&x509.Certificate{SignatureAlgorithm: x509.SHA1WithRSA}, false, nil)
		}, "exchange", "clients refuse certificates signed with SHA-1", "New-ExchangeCertificate"},
		{"for clients, not for servers", none, func(r *testSetup) {
			r.serveLeaf(&x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}, false, nil)
		}, "exchange", "not one for server authentication", "New-ExchangeCertificate"},
		{"authority not for this name", none, func(r *testSetup) {
			r.serveLeaf(&x509.Certificate{}, false, &x509.Certificate{PermittedDNSDomainsCritical: true, PermittedDNSDomains: []string{"fabrikam.com"}})
		}, "exchange", "not authorised for this host's name", "issued"},
		{"common name alone", none, func(r *testSetup) { r.serveLeaf(&x509.Certificate{DNSNames: []string{}}, false, nil) }, "exchange", "common name alone", "New-ExchangeCertificate"},
		{"self-signed, right name", none, func(r *testSetup) {
			self := newAuthority(r.t, "mail.contoso.com", certKey(), &x509.Certificate{DNSNames: []string{"mail.contoso.com"}})
			r.serve("mail.contoso.com:443", &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{self.Raw}, PrivateKey: certKey()}}}, r.e.Exchange())
		}, "exchange", "self-signed certificate, as Exchange has it", "Enable-ExchangeCertificate"},
		{"root renewed with another key", none, func(r *testSetup) {
			r.serveLeaf(&x509.Certificate{}, false, nil)
			r.trust(newAuthority(r.t, "Contoso Root CA", newKey(), &x509.Certificate{}))
		}, "exchange", "an authority of the same name with another key", "export the root certificate"},
		{"server's certificate in the place of its authority's", none, func(r *testSetup) {
			c := r.tlsConfig("ex01.corp.contoso.com")
			leaf, err := x509.ParseCertificate(c.Certificates[0].Certificate[0])
			if err != nil {
				r.t.Fatal(err)
			}
			r.env["HMA_CA_FILE"] = r.file("leaf.pem", pemOf(leaf))
		}, "vault", "which is a server's certificate and not an authority", "export the root certificate"},
		{"Microsoft's name with an expired certificate", none, func(r *testSetup) {
			r.serve("login.microsoftonline.com:443", dated(r, -2), r.e.Entra())
		}, "entra", "responds in place of login.microsoftonline.com", "without inspection"},
	})
}

// newAuthority makes a self-signed authority. form holds the fields that differ
// from the fields of an ordinary authority.
func newAuthority(t *testing.T, name string, key *rsa.PrivateKey, form *x509.Certificate) *x509.Certificate {
	t.Helper()
	form.IsCA, form.KeyUsage = true, x509.KeyUsageCertSign|x509.KeyUsageDigitalSignature
	return issue(t, name, key, form, nil, key)
}

// issue makes a certificate, self-signed if issuer is nil.
func issue(t *testing.T, name string, key *rsa.PrivateKey, form, issuer *x509.Certificate, issuerKey *rsa.PrivateKey) *x509.Certificate {
	t.Helper()
	form.SerialNumber, form.Subject = big.NewInt(1), pkix.Name{CommonName: name}
	form.NotBefore, form.NotAfter, form.BasicConstraintsValid = time.Now().Add(-time.Hour), time.Now().AddDate(1, 0, 0), true
	if issuer == nil {
		issuer = form
	}
	der, err := x509.CreateCertificate(rand.Reader, form, issuer, &key.PublicKey, issuerKey)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// serveLeaf makes Exchange serve one certificate without its chain. The issuer
// of the certificate is a trusted root, or an intermediate below that root.
// form and rootForm hold the fields of leaf and root that differ from the
// fields of ordinary certificates.
func (r *testSetup) serveLeaf(form *x509.Certificate, intermediate bool, rootForm *x509.Certificate) {
	r.t.Helper()
	if rootForm == nil {
		rootForm = &x509.Certificate{}
	}
	issuer, key := newAuthority(r.t, "Contoso Root CA", certKey(), rootForm), certKey()
	r.trust(issuer)
	if intermediate {
		below := &x509.Certificate{IsCA: true, KeyUsage: x509.KeyUsageCertSign}
		issuer, key = issue(r.t, "Contoso Issuing CA", signingKey(), below, issuer, key), signingKey()
	}
	if form.DNSNames == nil {
		form.DNSNames = []string{"mail.contoso.com"}
	}
	if form.ExtKeyUsage == nil {
		form.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}
	leafKey := certKey()
	leaf := issue(r.t, "mail.contoso.com", leafKey, form, issuer, key)
	r.serve("mail.contoso.com:443", &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.Raw}, PrivateKey: leafKey}}}, r.e.Exchange())
}

// trust sets HMA_CA_FILE to a file with the emulator's authority and c.
func (r *testSetup) trust(c *x509.Certificate) {
	r.env["HMA_CA_FILE"] = r.file("roots.pem", append(r.e.CAPEM(), pemOf(c)...))
}

func pemOf(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

package pki_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"software.sslmate.com/src/go-pkcs12"

	"hmaproxy/internal/emulator/pki"
)

func TestPFXIsReadByAnotherImplementation(t *testing.T) {
	for name, o := range map[string]pki.Options{
		"self-signed":  {},
		"with issuer":  {Issued: true},
		"leaf last":    {Issued: true, LeafLast: true},
		"elliptic key": {EC: true},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCertificate(t, o)
			der, err := c.PFX()
			if err != nil {
				t.Fatal(err)
			}
			key, first, rest, err := pkcs12.DecodeChain(der, "")
			if err != nil {
				t.Fatal(err)
			}
			private, ok := c.Key.(interface{ Equal(crypto.PrivateKey) bool })
			if !ok || !private.Equal(key) {
				t.Error("another key was returned")
			}
			certs := append([]*x509.Certificate{first}, rest...)
			if len(certs) != 1+len(c.Issuers) {
				t.Fatalf("%d certificates", len(certs))
			}
			at := 0
			if o.LeafLast {
				at = len(certs) - 1
			}
			if !certs[at].Equal(c.Leaf) {
				t.Error("the leaf is not at the configured position")
			}
		})
	}
}

func TestPFXIsReadByOpenSSL(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not on PATH: ", err)
	}
	c := newCertificate(t, pki.Options{Issued: true})
	der, err := c.PFX()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "cert.pfx")
	if err := os.WriteFile(file, der, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(openssl, "pkcs12", "-in", file, "-passin", "pass:", "-nodes", "-info").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, want := range []string{"MAC: sha256", "PBES2, PBKDF2, AES-256-CBC, Iteration 2000, PRF hmacWithSHA256", "BEGIN PRIVATE KEY"} {
		if !bytes.Contains(out, []byte(want)) {
			t.Errorf("openssl does not print %q", want)
		}
	}
	if n := bytes.Count(out, []byte("BEGIN CERTIFICATE")); n != 2 {
		t.Errorf("openssl finds %d certificates", n)
	}
}

func TestPEMOfNonExportableCertificateHasNoKey(t *testing.T) {
	text, err := newCertificate(t, pki.Options{NonExportable: true}).PEM()
	if err != nil {
		t.Fatal(err)
	}
	block, rest := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" || len(rest) != 0 {
		t.Errorf("PEM: %s", text)
	}
}

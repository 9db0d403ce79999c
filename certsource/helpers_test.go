package certsource

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"
)

// testKey returns the private key in the fixture path. Tests use the keys of
// fixtures, because generating a key takes long.
func testKey(t *testing.T, path string) *rsa.PrivateKey {
	t.Helper()
	for rest := fixture(t, path); ; {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil {
			t.Fatal("no key in", path)
		}
		if key, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
			return key.(*rsa.PrivateKey)
		}
	}
}

// certPEM returns a self-signed certificate as PEM. It is valid between the
// given dates. If withKey is true, its private key is included.
func certPEM(t *testing.T, cn string, from, to time.Time, withKey bool) string {
	t.Helper()
	key := testKey(t, "good/key-first.pem")
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: cn}, NotBefore: from, NotAfter: to}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	out := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if withKey {
		der, _ := x509.MarshalPKCS8PrivateKey(key)
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})...)
	}
	return string(out)
}

// ver returns a version of the given age. The version's certificate is valid for
// a year from its creation. The common name of the certificate is the version's
// id.
func ver(t *testing.T, id string, age time.Duration) *testVersion {
	from := time.Now().Add(-age)
	return &testVersion{id: id, created: from, value: certPEM(t, id, from, from.Add(365*24*time.Hour), true)}
}

// names calls k.Certificates once. It returns the certificates' common names,
// newest first, separated by spaces.
func names(t *testing.T, k interface {
	Certificates(context.Context) ([]*tls.Certificate, error)
}) (string, error) {
	t.Helper()
	list, err := k.Certificates(t.Context())
	var cn []string
	for _, c := range list {
		cn = append(cn, c.Leaf.Subject.CommonName)
	}
	if err != nil {
		noCanary(t, err.Error())
	}
	return strings.Join(cn, " "), err
}

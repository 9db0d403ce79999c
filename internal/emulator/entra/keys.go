package entra

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"time"

	"hmaproxy/internal/emulator/jwt"
	"hmaproxy/internal/emulator/pki"
)

// A signingKey signs access tokens.
type signingKey struct {
	key  *rsa.PrivateKey
	cert *x509.Certificate
	id   string
}

// newSigningKey returns a signingKey with the given key, or with a new one if
// key is nil.
func newSigningKey(key *rsa.PrivateKey) *signingKey {
	if key == nil {
		var err error
		if key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			panic(err) // cannot fail: the size is constant and permitted
		}
	}
	template := &x509.Certificate{
		SerialNumber: pki.SerialNumber(),
		Subject:      pkix.Name{CommonName: "accounts.accesscontrol.windows.net"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().AddDate(5, 0, 0),
	}
	cert, err := pki.SignCertificate(template, template, key.Public(), key)
	if err != nil {
		panic(err) // cannot fail: the template is constant
	}
	sum := pki.SHA1(cert.Raw)
	return &signingKey{key, cert, base64.RawURLEncoding.EncodeToString(sum[:])}
}

// public returns the part of the key that verifies tokens.
func (k *signingKey) public() jwt.Key { return jwt.Key{ID: k.id, Public: &k.key.PublicKey} }

package emulator

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"math/big"
	"net/http"
	"time"
)

// A signingKey signs access tokens.
type signingKey struct {
	key  *rsa.PrivateKey
	cert *x509.Certificate
	id   string
}

// newSigningKey makes a key unless it is given one.
func newSigningKey(key *rsa.PrivateKey) *signingKey {
	if key == nil {
		var err error
		if key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			panic(err) // a fixed, permitted size
		}
	}
	template := &x509.Certificate{
		SerialNumber: serialNumber(),
		Subject:      pkix.Name{CommonName: "accounts.accesscontrol.windows.net"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().AddDate(5, 0, 0),
	}
	cert, err := signCertificate(template, template, key.Public(), key)
	if err != nil {
		panic(err) // a constant template
	}
	sum := sha1Sum(cert.Raw)
	return &signingKey{key, cert, base64.RawURLEncoding.EncodeToString(sum[:])}
}

// signers returns the keys and makes the first if there is none.
func (n *Entra) signers() []*signingKey {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.keys == nil {
		n.keys = []*signingKey{newSigningKey(n.emulator.config.SigningKey)}
	}
	return append([]*signingKey(nil), n.keys...)
}

// RollSigningKey makes Entra sign with a new key from now on. Exchange does
// not know it until Exchange.RefreshAuthMetadata.
func (n *Entra) RollSigningKey() {
	n.signers()
	key := newSigningKey(nil)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.keys = append(n.keys, key)
}

// Sign signs claims with Entra's current key, as a token is signed.
func (n *Entra) Sign(claims map[string]any) (string, error) {
	keys := n.signers()
	k := keys[len(keys)-1]
	return signJWT(k.key, map[string]any{"typ": "JWT", "alg": "RS256", "x5t": k.id, "kid": k.id}, claims)
}

func (n *Entra) serveKeys(w http.ResponseWriter) {
	list := []any{}
	for _, k := range n.signers() {
		list = append(list, map[string]any{
			"kty": "RSA", "use": "sig", "kid": k.id, "x5t": k.id,
			"n":   base64.RawURLEncoding.EncodeToString(k.key.N.Bytes()),
			"e":   base64.RawURLEncoding.EncodeToString(big.NewInt(int64(k.key.E)).Bytes()),
			"x5c": []string{base64.StdEncoding.EncodeToString(k.cert.Raw)},
		})
	}
	writeJSON(w, http.StatusOK, map[string]any{"keys": list})
}

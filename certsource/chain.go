package certsource

import (
	"bytes"
	"crypto"
	"crypto/fips140"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"slices"
	"time"
)

// minKeyBits is the size of the smallest accepted RSA key. For a decade,
// certificate authorities have issued no certificates for smaller keys.
const minKeyBits = 2048

// maxChain limits the number of certificates in a chain, including the leaf.
const maxChain = 10

// Thumbprints returns the SHA-1 and SHA-256 hashes of the DER of a certificate,
// in upper-case hexadecimal. Administrators and portals identify a certificate
// by these hashes; the Azure portal shows the SHA-1 hash.
func Thumbprints(cert *x509.Certificate) (sha1Hex, sha256Hex string) {
	// SHA-1 only names the certificate here, so FIPS 140-3 does not concern it.
	fips140.WithoutEnforcement(func() { sha1Hex = fmt.Sprintf("%X", sha1.Sum(cert.Raw)) })
	return sha1Hex, fmt.Sprintf("%X", sha256.Sum256(cert.Raw))
}

// assemble joins the bundle's only key with the certificate for that key.
func (b bundle) assemble() (*tls.Certificate, *Error) {
	switch {
	case len(b.keys) == 0 && len(b.certs) == 0:
		return nil, parseError(CodeUnknownFormat)
	case len(b.keys) == 0:
		return nil, parseError(CodeNoPrivateKey)
	case len(b.keys) > 1:
		return nil, parseError(CodeSeveralKeys)
	}
	key, ok := b.keys[0].(*rsa.PrivateKey)
	if !ok {
		return nil, parseError(CodeNotRSA)
	}
	return b.join(key)
}

// join returns the certificate for key, with its chain. The private key may
// stay in a vault.
func (b bundle) join(key crypto.Signer) (*tls.Certificate, *Error) {
	pub, ok := key.Public().(*rsa.PublicKey)
	switch {
	case !ok:
		return nil, parseError(CodeNotRSA)
	case pub.N.BitLen() < minKeyBits:
		return nil, parseError(CodeWeakKey)
	case len(b.certs) == 0:
		return nil, parseError(CodeNoCertificate)
	}
	leaf := b.newestOf(pub)
	if leaf == nil {
		return nil, parseError(CodeKeyMismatch)
	}
	cert := &tls.Certificate{PrivateKey: key, Leaf: leaf}
	for _, c := range b.chain(leaf) {
		cert.Certificate = append(cert.Certificate, c.Raw)
	}
	return cert, nil
}

// newestOf returns the newest certificate of a public key. A file may contain
// two certificates with the same key, because a certificate can be renewed
// without a new key.
func (b bundle) newestOf(pub *rsa.PublicKey) *x509.Certificate {
	var newest *x509.Certificate
	for _, c := range b.certs {
		own, ok := c.PublicKey.(*rsa.PublicKey)
		if ok && own.Equal(pub) && (newest == nil || c.NotBefore.After(newest.NotBefore)) {
			newest = c
		}
	}
	return newest
}

// chain returns leaf and its issuers, each certificate followed by its issuer.
func (b bundle) chain(leaf *x509.Certificate) []*x509.Certificate {
	chain := []*x509.Certificate{leaf}
	for len(chain) < maxChain {
		last := chain[len(chain)-1]
		i := slices.IndexFunc(b.certs, func(c *x509.Certificate) bool {
			return !slices.ContainsFunc(chain, c.Equal) && issued(c, last)
		})
		if i < 0 {
			break
		}
		chain = append(chain, b.certs[i])
	}
	return chain
}

// leaf returns the leaf of a bundle without a key: the only certificate that
// did not issue another certificate of the bundle.
func (b bundle) leaf() (*x509.Certificate, *Error) {
	var leaf *x509.Certificate
	for _, c := range b.certs {
		if slices.ContainsFunc(b.certs, func(o *x509.Certificate) bool { return !o.Equal(c) && issued(c, o) }) {
			continue
		}
		if leaf != nil {
			return nil, parseError(CodeAmbiguous)
		}
		leaf = c
	}
	if leaf == nil {
		return nil, parseError(CodeNoCertificate)
	}
	return leaf, nil
}

// issued reports whether c names issuer as its issuer, by name and, if both
// have one, by key id. It does not check the signature, because the receiver of
// the chain checks it, and because Go does not verify the SHA-1 signatures of
// old roots.
func issued(issuer, c *x509.Certificate) bool {
	ids := len(issuer.SubjectKeyId) > 0 && len(c.AuthorityKeyId) > 0
	return bytes.Equal(issuer.RawSubject, c.RawIssuer) &&
		(!ids || bytes.Equal(issuer.SubjectKeyId, c.AuthorityKeyId))
}

// dateError returns an error when leaf is not valid by this machine's clock.
func dateError(leaf *x509.Certificate) *Error {
	now := time.Now()
	switch {
	case now.Before(leaf.NotBefore):
		e := parseError(CodeNotYetValid)
		e.NotBefore = leaf.NotBefore
		return e
	case now.After(leaf.NotAfter):
		return parseError(CodeExpired)
	}
	return nil
}

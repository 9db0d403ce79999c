package certsource

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"slices"
	"time"
)

// minKeyBits is the smallest RSA key that is accepted; nothing smaller has been
// issued by anybody for a decade.
const minKeyBits = 2048

// maxChain bounds the certificates that are kept with the leaf.
const maxChain = 10

// Thumbprints names a certificate as people meet it: by the upper-case
// hexadecimal SHA-1, which the Azure portal shows, and SHA-256 of its DER.
func Thumbprints(cert *x509.Certificate) (sha1Hex, sha256Hex string) {
	return fmt.Sprintf("%X", sha1.Sum(cert.Raw)), fmt.Sprintf("%X", sha256.Sum256(cert.Raw))
}

// assemble joins the bundle's one key with its certificate.
func (b bundle) assemble() (*tls.Certificate, *Error) {
	switch {
	case len(b.keys) == 0 && len(b.certs) == 0:
		return nil, problem(CodeUnknownFormat)
	case len(b.keys) == 0:
		return nil, problem(CodeNoPrivateKey)
	case len(b.keys) > 1:
		return nil, problem(CodeSeveralKeys)
	}
	key, ok := b.keys[0].(*rsa.PrivateKey)
	if !ok {
		return nil, problem(CodeNotRSA)
	}
	return b.join(key)
}

// join makes the certificate whose private key is key, which need not be here.
func (b bundle) join(key crypto.Signer) (*tls.Certificate, *Error) {
	pub, ok := key.Public().(*rsa.PublicKey)
	switch {
	case !ok:
		return nil, problem(CodeNotRSA)
	case pub.N.BitLen() < minKeyBits:
		return nil, problem(CodeWeakKey)
	case len(b.certs) == 0:
		return nil, problem(CodeNoCertificate)
	}
	leaf := b.newestOf(pub)
	if leaf == nil {
		return nil, problem(CodeKeyMismatch)
	}
	cert := &tls.Certificate{PrivateKey: key, Leaf: leaf}
	for _, c := range b.chain(leaf) {
		cert.Certificate = append(cert.Certificate, c.Raw)
	}
	return cert, nil
}

// newestOf returns the certificate of a public key. A file may hold two where a
// certificate was renewed with its old key.
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

// chain orders the certificates from leaf upwards, each followed by its issuer.
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

// leaf returns the certificate of a bundle whose key is elsewhere: the only one
// that none of the others was issued by.
func (b bundle) leaf() (*x509.Certificate, *Error) {
	var leaf *x509.Certificate
	for _, c := range b.certs {
		if slices.ContainsFunc(b.certs, func(o *x509.Certificate) bool { return !o.Equal(c) && issued(c, o) }) {
			continue
		}
		if leaf != nil {
			return nil, problem(CodeAmbiguous)
		}
		leaf = c
	}
	if leaf == nil {
		return nil, problem(CodeNoCertificate)
	}
	return leaf, nil
}

// issued goes by names and key ids: the order is a convenience for the receiver,
// who checks the signatures, and old roots signed with SHA-1 belong to it too.
func issued(issuer, c *x509.Certificate) bool {
	ids := len(issuer.SubjectKeyId) > 0 && len(c.AuthorityKeyId) > 0
	return bytes.Equal(issuer.RawSubject, c.RawIssuer) &&
		(!ids || bytes.Equal(issuer.SubjectKeyId, c.AuthorityKeyId))
}

// datesProblem judges a certificate's dates by the clock.
func datesProblem(leaf *x509.Certificate) *Error {
	now := time.Now()
	switch {
	case now.Before(leaf.NotBefore):
		e := problem(CodeNotYetValid)
		e.NotBefore = leaf.NotBefore
		return e
	case now.After(leaf.NotAfter):
		return problem(CodeExpired)
	}
	return nil
}

// Package pki makes the emulator's certificates: the certificates of its TLS
// listeners, and the certificates in the vault, in PEM and PKCS#12.
package pki

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"strings"
	"sync"
	"time"
)

// A Format is the form of a certificate's secret in the vault.
type Format int

const (
	PFX          Format = iota // application/x-pkcs12, base64 of DER, empty password
	PEM                        // application/x-pem-file
	PFXUnlabeled               // PFX uploaded as a plain secret, without a content type
	PEMUnlabeled               // PEM uploaded as a plain secret, without a content type
)

// Options describe a certificate to make. The zero value describes the
// certificate that a vault makes by default: RSA 2048, self-signed, exportable as
// PFX.
type Options struct {
	CommonName    string    // default: "HMA-Cert"
	NotBefore     time.Time // default: an hour ago
	NotAfter      time.Time // default: a year after NotBefore
	Bits          int       // size of an RSA key; default: 2048
	EC            bool      // a P-256 key in place of RSA; Entra does not accept such keys
	NonExportable bool      // the vault's secret does not contain the key; the vault can still sign
	Format        Format
	Issued        bool // issued by a new authority, whose certificate the secret includes
	LeafLast      bool // with Issued: the secret lists the leaf after its issuer

	// Key is used instead of a new key. Tests that need many certificates share
	// one.
	Key crypto.Signer
}

// A Certificate is a key pair with its certificate.
type Certificate struct {
	Leaf    *x509.Certificate
	Issuers []*x509.Certificate
	Key     crypto.Signer

	options Options
	pfx     func() ([]byte, error) // returns the PFX, which it encodes only once, because each encoding derives several keys
}

// New makes a certificate, and a key if o has none.
func New(o Options) (*Certificate, error) {
	o = o.withDefaults()
	c := &Certificate{Key: o.Key, options: o}
	c.pfx = sync.OnceValues(c.encodePFX)
	var err error
	if c.Key == nil {
		if c.Key, err = o.newKey(); err != nil {
			return nil, fmt.Errorf("emulator: certificate key: %w", err)
		}
	}
	template := &x509.Certificate{
		SerialNumber: SerialNumber(),
		Subject:      pkix.Name{CommonName: o.CommonName},
		NotBefore:    o.NotBefore,
		NotAfter:     o.NotAfter,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	parent, signer := template, c.Key
	if o.Issued {
		ca, err := NewAuthority()
		if err != nil {
			return nil, fmt.Errorf("emulator: certificate issuer: %w", err)
		}
		parent, signer = ca.Cert, ca.Key
		c.Issuers = []*x509.Certificate{ca.Cert}
	}
	if c.Leaf, err = SignCertificate(template, parent, c.Key.Public(), signer); err != nil {
		return nil, fmt.Errorf("emulator: certificate: %w", err)
	}
	return c, nil
}

func (o Options) withDefaults() Options {
	if o.CommonName == "" {
		o.CommonName = "HMA-Cert"
	}
	if o.NotBefore.IsZero() {
		o.NotBefore = time.Now().Add(-time.Hour)
	}
	if o.NotAfter.IsZero() {
		o.NotAfter = o.NotBefore.AddDate(1, 0, 0)
	}
	if o.Bits == 0 {
		o.Bits = 2048
	}
	return o
}

func (o Options) newKey() (crypto.Signer, error) {
	if o.EC {
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	return rsa.GenerateKey(rand.Reader, o.Bits)
}

// Thumbprint returns the SHA-1 of the certificate in upper-case hexadecimal, as the
// Azure portal shows it.
func (c *Certificate) Thumbprint() string { return thumbprint(c.Leaf) }

// ThumbprintSHA256 returns the SHA-256 of the certificate in upper-case
// hexadecimal.
func (c *Certificate) ThumbprintSHA256() string {
	sum := sha256.Sum256(c.Leaf.Raw)
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}

func thumbprint(cert *x509.Certificate) string {
	sum := SHA1(cert.Raw)
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}

// Format returns the form of the certificate's secret.
func (c *Certificate) Format() Format { return c.options.Format }

// Exportable reports whether the secret includes the key.
func (c *Certificate) Exportable() bool { return !c.options.NonExportable }

// chain returns leaf and issuers in the order of the secret.
func (c *Certificate) chain() []*x509.Certificate {
	leaf := []*x509.Certificate{c.Leaf}
	if c.options.LeafLast {
		return append(append([]*x509.Certificate{}, c.Issuers...), leaf...)
	}
	return append(leaf, c.Issuers...)
}

// PFX returns the certificate as PKCS#12 with an empty password. It includes the
// key unless the key is not exportable.
func (c *Certificate) PFX() ([]byte, error) {
	der, err := c.pfx()
	return bytes.Clone(der), err
}

func (c *Certificate) encodePFX() ([]byte, error) {
	if c.options.NonExportable {
		return encodePFX(nil, c.chain(), "")
	}
	return encodePFX(c.Key, c.chain(), "")
}

// PEM returns the certificate as PEM, preceded by its key unless the key is not
// exportable.
func (c *Certificate) PEM() ([]byte, error) {
	var b bytes.Buffer
	if !c.options.NonExportable {
		der, err := x509.MarshalPKCS8PrivateKey(c.Key)
		if err != nil {
			return nil, fmt.Errorf("emulator: private key: %w", err)
		}
		pem.Encode(&b, &pem.Block{Type: "PRIVATE KEY", Bytes: der})
	}
	for _, cert := range c.chain() {
		pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
	}
	return b.Bytes(), nil
}

// Secret returns the value and content type of the certificate as a vault serves it.
func (c *Certificate) Secret(format Format) (value, contentType string, err error) {
	if format == PEM || format == PEMUnlabeled {
		text, err := c.PEM()
		return string(text), map[Format]string{PEM: "application/x-pem-file"}[format], err
	}
	der, err := c.PFX()
	return base64.StdEncoding.EncodeToString(der), map[Format]string{PFX: "application/x-pkcs12"}[format], err
}

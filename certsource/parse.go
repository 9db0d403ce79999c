package certsource

import (
	"crypto/tls"
	"crypto/x509"
)

// Parse reads a certificate.
func Parse(data []byte, password string) (*tls.Certificate, error) {
	return nil, problem(CodeEmpty)
}

// Thumbprints names a certificate.
func Thumbprints(cert *x509.Certificate) (sha1Hex, sha256Hex string) { return "", "" }

func remedy(string) string { return "" }

package certsource

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
)

// maxUsable is the maximum number of certificates that a source returns: the
// newest certificate and the previous certificate. The previous certificate is
// used until the newest certificate is registered in Entra ID.
const maxUsable = 2

// usable returns the certificates that are valid now. The error is not nil if
// the first certificate is not valid now.
func usable(certs []*tls.Certificate) (list []*tls.Certificate, failure *Error) {
	for i, c := range certs {
		e := dateError(c.Leaf)
		if e == nil {
			list = append(list, c)
		} else if i == 0 {
			failure = e
		}
	}
	return list, failure
}

// describe returns log attributes that identify a certificate.
func describe(leaf *x509.Certificate) []any {
	sha1Hex, sha256Hex := Thumbprints(leaf)
	return []any{
		"subject", leaf.Subject.String(),
		"thumbprint", sha1Hex,
		"thumbprint_sha256", sha256Hex,
		"not_before", leaf.NotBefore,
		"not_after", leaf.NotAfter,
	}
}

func orDiscard(log *slog.Logger) *slog.Logger {
	if log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return log
}

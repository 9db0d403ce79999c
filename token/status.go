package token

import (
	"crypto/fips140"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"time"
)

// Status is a snapshot of a [Keeper].
type Status struct {
	Usable      bool      // Token would return immediately
	Expires     time.Time // expiry of the current token; zero: there is no token
	NextRefresh time.Time // planned time of the next attempt; zero: not known yet
	Claims      Claims    // claims of the current token

	Active    *Leaf // the certificate with which the current token was obtained
	Candidate *Leaf // the newest certificate, if it is not active
	Fallback  *Leaf // the certificate that is tried when Entra refuses Active and Candidate

	CandidateErr *Error // why Entra refused the candidate; nil: not tried, or accepted

	Failures        int       // number of failures since the last success
	Err             *Error    // error of the latest refresh; nil: it succeeded
	LastToken       time.Time // when Entra last issued a token; zero: never
	CertificatesErr error     // error of the latest look-up; nil: it succeeded
	LastCertificate time.Time // time of the latest look-up that succeeded; zero: never

	ClockSkew time.Duration // local clock minus Entra's at the latest response
}

// A Leaf identifies a certificate by the names that administrators and portals
// use.
type Leaf struct {
	Subject   string
	SHA1      string // upper-case hex: "Thumbprint" in the Entra portal
	SHA256    string // upper-case hex
	NotBefore time.Time
	NotAfter  time.Time
}

func leafOf(cert *x509.Certificate) Leaf {
	var sha1Hex string
	// The hash is a name and not a security function, so FIPS 140-3 does not
	// apply.
	fips140.WithoutEnforcement(func() { sha1Hex = fmt.Sprintf("%X", sha1.Sum(cert.Raw)) })
	return Leaf{
		Subject:   cert.Subject.String(),
		SHA1:      sha1Hex,
		SHA256:    fmt.Sprintf("%X", sha256.Sum256(cert.Raw)),
		NotBefore: cert.NotBefore,
		NotAfter:  cert.NotAfter,
	}
}

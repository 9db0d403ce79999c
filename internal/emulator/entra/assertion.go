package entra

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"hmaproxy/internal/emulator/jwt"
	"hmaproxy/internal/emulator/pki"
	"hmaproxy/internal/emulator/service"
)

// maxAssertionLifetime is the longest time between nbf and exp that Entra allows.
// Assertions should be valid for five to ten minutes.
const maxAssertionLifetime = 24 * time.Hour

// checkAssertion verifies a client assertion as RFC 7523 and Entra's
// documentation require: signed with a registered certificate, issued for this
// endpoint, with the client as issuer and subject, and within its lifetime. It
// also refuses a jti that was used before. RFC 7523 allows this refusal; Entra
// does not document it. For a token of another issuer, checkAssertion checks only
// the signature, the lifetime and that a federated credential matches.
func (q *tokenRequest) checkAssertion(assertion string) *refusal {
	j, err := jwt.Parse(assertion)
	if err != nil {
		return refusalOf(50027, "JWT token is invalid or malformed.")
	}
	if isFederated(j, q.app.id) {
		if f := checkFederated(j, q.app.federated); f != nil {
			return f
		}
		return q.checkLifetime(j)
	}
	cert, f := q.assertionCert(j)
	if f != nil {
		return f
	}
	public, ok := cert.Leaf.PublicKey.(*rsa.PublicKey)
	if !ok || j.Verify(public) != nil {
		return refusalOf(700027, fmt.Sprintf("The certificate with identifier used to sign the client assertion is registered on application, but the signature is invalid. [Reason - The key was found, but signature verification failed., Thumbprint of key used by client: '%s'.]", cert.Thumbprint()))
	}
	now := q.entra.Now()
	if now.Before(cert.Leaf.NotBefore) || now.After(cert.Leaf.NotAfter) {
		return refusalOf(1000502, "")
	}
	return q.checkClaims(j)
}

// assertionCert returns the registered certificate that the header names.
func (q *tokenRequest) assertionCert(j *jwt.Token) (*pki.Certificate, *refusal) {
	match, shown, ok := thumbprintMatcher(j.Header)
	if !ok {
		return nil, refusalOf(50027, "JWT token is invalid or malformed: the header names no certificate.")
	}
	for _, reg := range q.app.certs {
		if match(reg.cert.Leaf.Raw) && reg.visible() {
			return reg.cert, nil
		}
	}
	return nil, refusalOf(700027, fmt.Sprintf("The certificate with identifier used to sign the client assertion is not registered on application. [Reason - The key was not found., Thumbprint of key used by client: '%s', Please visit the Azure Portal, Graph Explorer or directly use MS Graph to see configured keys for app Id '%s'.]", shown, q.app.id))
}

// thumbprintMatcher reads the certificate's thumbprint from the header
// x5t#S256, or from x5t if x5t#S256 is missing or malformed. match reports
// whether a certificate in DER has this thumbprint. shown is the thumbprint in
// hexadecimal. ok is false if neither header has a thumbprint.
func thumbprintMatcher(header map[string]any) (match func(der []byte) bool, shown string, ok bool) {
	for _, name := range []string{"x5t#S256", "x5t"} {
		text, _ := header[name].(string)
		want, valid := jwt.DecodeThumbprint(text)
		if text == "" || !valid {
			continue
		}
		match = func(der []byte) bool {
			long, short := sha256.Sum256(der), pki.SHA1(der)
			return bytes.Equal(want, long[:]) && name == "x5t#S256" || bytes.Equal(want, short[:]) && name == "x5t"
		}
		return match, strings.ToUpper(hex.EncodeToString(want)), true
	}
	return nil, "", false
}

// checkClaims checks the claims of an assertion whose signature is valid.
func (q *tokenRequest) checkClaims(j *jwt.Token) *refusal {
	base := service.Self(q.r) + "/"
	endpoint, v2, id := "/oauth2/v2.0/token", "/v2.0", q.entra.config.TenantID
	aud := j.Text("aud")
	if aud != base+id+endpoint && aud != base+id+v2 && !strings.EqualFold(aud, service.Self(q.r)+q.r.URL.Path) {
		return refusalOf(700023, "")
	}
	if j.Text("iss") != q.app.id || j.Text("sub") != q.app.id {
		return refusalOf(700021, "")
	}
	if f := q.checkLifetime(j); f != nil {
		return f
	}
	jti := j.Text("jti")
	if jti == "" {
		return refusalOf(50027, "JWT token is invalid or malformed: the 'jti' claim is missing.")
	}
	if !q.entra.seen.add(jti) {
		return refusalOf(50027, "JWT token is invalid or malformed: the 'jti' claim was used before.")
	}
	return nil
}

// checkLifetime checks nbf and exp. It allows no clock skew, although Entra
// allows some.
func (q *tokenRequest) checkLifetime(j *jwt.Token) *refusal {
	now := q.entra.Now()
	from, ok1 := j.Instant("nbf")
	until, ok2 := j.Instant("exp")
	if !ok1 || !ok2 || now.Before(from) || !now.Before(until) || until.Sub(from) > maxAssertionLifetime {
		return refusalOf(700024, fmt.Sprintf("Client assertion is not within its valid time range. Current time: %s, assertion valid from %s, expiry time of assertion %s. Review the documentation at https://learn.microsoft.com/entra/identity-platform/certificate-credentials .", assertionTime(now), assertionTime(from), assertionTime(until)))
	}
	return nil
}

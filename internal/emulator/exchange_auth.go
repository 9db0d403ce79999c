package emulator

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// A diagnosis is the reason for a 401 in x-ms-diagnostics. Numbers and categories
// are documented; the texts follow published traces.
type diagnosis struct {
	number   int
	reason   string
	category string
	silent   bool // no token was sent: respond with the challenge only
}

// RevokeToken makes Exchange refuse a valid token as expired. Exchange Server has
// no revocation; the method imitates every cause that a new token resolves, such as
// a clock that is ahead.
func (x *Exchange) RevokeToken(token string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.revoked[token] = true
}

// RevokeAll makes Exchange refuse all tokens issued until now, as expired.
func (x *Exchange) RevokeAll() {
	n := x.emulator.entra.Issued()
	x.mu.Lock()
	defer x.mu.Unlock()
	x.revokedUpTo = n
}

// RefreshAuthMetadata makes Exchange fetch Entra's signing keys again.
func (x *Exchange) RefreshAuthMetadata() {
	n := len(x.emulator.entra.signers())
	x.mu.Lock()
	defer x.mu.Unlock()
	x.trusted = n
}

// trustedKeys returns the signing keys that Exchange knows.
func (x *Exchange) trustedKeys() []*signingKey {
	keys := x.emulator.entra.signers()
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.trusted == 0 {
		x.trusted = 1
	}
	return keys[:x.trusted]
}

// authenticate returns why the request's token is refused, or nil. The challenge
// also offers Basic and other schemes, which are never accepted.
func (x *Exchange) authenticate(r *http.Request) *diagnosis {
	values := r.Header.Values("Authorization")
	if len(values) != 1 {
		return &diagnosis{silent: true}
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return &diagnosis{silent: true}
	}
	j, err := verifyWith(x.trustedKeys(), token)
	if j == nil {
		return &diagnosis{number: 2000001, reason: "The token is invalid.", category: "invalid_token"}
	}
	if iss, tid := j.text("iss"), x.emulator.config.TenantID; iss != issuerOf(tid) {
		return &diagnosis{number: 2000001, reason: fmt.Sprintf("The issuer of the token is unknown. Issuer was '%s'.", iss), category: "invalid_token"}
	}
	if err != nil {
		return &diagnosis{number: 2000000, reason: "The token has an invalid signature.", category: "invalid_signature"}
	}
	return x.authorise(r, j, token)
}

// authorise checks a token that Entra signed: lifetime, audience, tenant, strength,
// permission. Only scheme, host and port of the audience count. They must equal
// those of the request.
func (x *Exchange) authorise(r *http.Request, j *jwt, token string) *diagnosis {
	if !j.validAt(x.now()) || x.isRevoked(j, token) {
		return &diagnosis{number: 2000002, reason: "The token has expired.", category: "token_expired"}
	}
	aud, own := j.text("aud"), "https://"+strings.TrimSuffix(r.Host, ":443")
	u, err := url.Parse(aud)
	switch {
	case err != nil || u.Scheme == "" || u.Host == "":
		return &diagnosis{number: 2000001, reason: fmt.Sprintf("The audience claim value is invalid '%s'.", aud), category: "invalid_token"}
	case !strings.EqualFold(u.Scheme+"://"+strings.TrimSuffix(u.Host, ":443"), own):
		return &diagnosis{number: 2000003, reason: fmt.Sprintf("The hostname component of the audience claim value is invalid. Expected '%s'. Actual '%s'.", own, aud), category: "invalid_resource"}
	case j.text("tid") != x.emulator.config.TenantID:
		return &diagnosis{number: 2000004, reason: fmt.Sprintf("The tenant for tenant guid '%s' does not exist.", j.text("tid")), category: "invalid_tenant"}
	case j.text("appidacr") != "2":
		return &diagnosis{number: 2000010, reason: fmt.Sprintf("The access token is acquired using an authentication method that is too weak to allow access for this application. Presented auth strength was %s, required is 2.", j.text("appidacr")), category: "insufficient_auth_strength"}
	case !slices.Contains(j.roles(), fullAccess):
		return &diagnosis{number: 2000008, reason: "The token contains no permissions, or permissions can not be understood.", category: "invalid_grant"}
	}
	return nil
}

func (x *Exchange) isRevoked(j *jwt, token string) bool {
	n := x.emulator.entra.number(j.text("uti"))
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.revoked[token] || n <= x.revokedUpTo && x.revokedUpTo > 0
}

// number returns a token's position in the order of issue, or 0.
func (n *Entra) number(uti string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.issued[uti]
}

// challenge responds with 401 and all schemes that Exchange offers. It never
// repeats the token's value.
func (x *Exchange) challenge(w http.ResponseWriter, r *http.Request, d *diagnosis) {
	bearer := fmt.Sprintf(`Bearer client_id="%s", trusted_issuers="00000001-0000-0000-c000-000000000000@%s", token_types="app_asserted_user_v1 service_asserted_app_v1", authorization_uri="https://login.windows.net/common/oauth2/authorize"`, exchangeAppID, x.emulator.config.TenantID)
	h := w.Header()
	if !d.silent {
		bearer += `, error="invalid_token"`
		h.Set("x-ms-diagnostics", fmt.Sprintf(`%d;reason="%s";error_category="%s"`, d.number, d.reason, d.category))
	}
	h.Add("WWW-Authenticate", bearer)
	h.Add("WWW-Authenticate", "Negotiate")
	h.Add("WWW-Authenticate", "NTLM")
	h.Add("WWW-Authenticate", fmt.Sprintf("Basic realm=%q", r.Host))
	w.WriteHeader(http.StatusUnauthorized)
}

package exchange

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"hmaproxy/internal/emulator/entra"
	"hmaproxy/internal/emulator/jwt"
)

// A diagnosis is the reason for a 401 in x-ms-diagnostics. Numbers and categories
// are documented; the texts follow published traces.
type diagnosis struct {
	number   int
	reason   string
	category string
	silent   bool // no token was sent: respond with the challenge only
}

// An Issuer is the identity provider whose tokens Exchange accepts. Its methods may
// be called concurrently.
type Issuer interface {
	SigningKeys() []jwt.Key // oldest first
	Issued() int            // number of tokens so far
	Number(uti string) int  // position of a token in the order of issue; 0 for an unknown one
}

// Tokens decides which access tokens Exchange accepts. It is safe for concurrent use.
type Tokens struct {
	issuer   Issuer
	tenantID string
	now      func() time.Time
	verifier jwt.Verifier

	mu          sync.Mutex
	revoked     map[string]bool
	revokedUpTo int // number of tokens that were issued before the last RevokeAll
	trusted     int // number of the issuer's signing keys that are trusted; 0 until the first request
}

// RevokeToken makes Exchange refuse a valid token as expired. Exchange Server has
// no revocation; the method imitates failures that disappear with a new token,
// for example when Exchange's clock is ahead.
func (t *Tokens) RevokeToken(token string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.revoked[token] = true
}

// RevokeAll makes Exchange refuse all tokens issued until now, as expired.
func (t *Tokens) RevokeAll() {
	n := t.issuer.Issued()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.revokedUpTo = n
}

// RefreshAuthMetadata makes Exchange fetch Entra's signing keys again.
func (t *Tokens) RefreshAuthMetadata() {
	n := len(t.issuer.SigningKeys())
	t.mu.Lock()
	defer t.mu.Unlock()
	t.trusted = n
}

// trustedKeys returns the signing keys that Exchange knows.
func (t *Tokens) trustedKeys() []jwt.Key {
	keys := t.issuer.SigningKeys()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.trusted == 0 {
		t.trusted = 1
	}
	return keys[:t.trusted]
}

// authenticate returns the reason why the request's token is refused, or nil.
// The challenge also offers Basic and other schemes, which are never accepted.
func (t *Tokens) authenticate(r *http.Request) *diagnosis {
	values := r.Header.Values("Authorization")
	if len(values) != 1 {
		return &diagnosis{silent: true}
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return &diagnosis{silent: true}
	}
	j, err := t.verifier.Verify(t.trustedKeys(), token)
	if j == nil {
		return &diagnosis{number: 2000001, reason: "The token is invalid.", category: "invalid_token"}
	}
	if iss, tid := j.Text("iss"), t.tenantID; iss != entra.IssuerOf(tid) {
		return &diagnosis{number: 2000001, reason: fmt.Sprintf("The issuer of the token is unknown. Issuer was '%s'.", iss), category: "invalid_token"}
	}
	if err != nil {
		return &diagnosis{number: 2000000, reason: "The token has an invalid signature.", category: "invalid_signature"}
	}
	return t.authorise(r, j, token)
}

// authorise checks a token that Entra signed: its lifetime, audience, tenant,
// authentication method and permission. Of the audience, only scheme, host and
// port are compared. They must equal the scheme, host and port of the request.
func (t *Tokens) authorise(r *http.Request, j *jwt.Token, token string) *diagnosis {
	if !j.ValidAt(t.now()) || t.isRevoked(j, token) {
		return &diagnosis{number: 2000002, reason: "The token has expired.", category: "token_expired"}
	}
	aud, own := j.Text("aud"), "https://"+strings.TrimSuffix(r.Host, ":443")
	u, err := url.Parse(aud)
	switch {
	case err != nil || u.Scheme == "" || u.Host == "":
		return &diagnosis{number: 2000001, reason: fmt.Sprintf("The audience claim value is invalid '%s'.", aud), category: "invalid_token"}
	case !strings.EqualFold(u.Scheme+"://"+strings.TrimSuffix(u.Host, ":443"), own):
		return &diagnosis{number: 2000003, reason: fmt.Sprintf("The hostname component of the audience claim value is invalid. Expected '%s'. Actual '%s'.", own, aud), category: "invalid_resource"}
	case j.Text("tid") != t.tenantID:
		return &diagnosis{number: 2000004, reason: fmt.Sprintf("The tenant for tenant guid '%s' does not exist.", j.Text("tid")), category: "invalid_tenant"}
	case j.Text("appidacr") != "2":
		return &diagnosis{number: 2000010, reason: fmt.Sprintf("The access token is acquired using an authentication method that is too weak to allow access for this application. Presented auth strength was %s, required is 2.", j.Text("appidacr")), category: "insufficient_auth_strength"}
	case !slices.Contains(j.Roles(), entra.FullAccess):
		return &diagnosis{number: 2000008, reason: "The token contains no permissions, or permissions can not be understood.", category: "invalid_grant"}
	}
	return nil
}

func (t *Tokens) isRevoked(j *jwt.Token, token string) bool {
	n := t.issuer.Number(j.Text("uti"))
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.revoked[token] || n <= t.revokedUpTo && t.revokedUpTo > 0
}

// challenge responds with 401 and all schemes that Exchange offers. The
// response never contains the token.
func (t *Tokens) challenge(w http.ResponseWriter, r *http.Request, d *diagnosis) {
	bearer := fmt.Sprintf(`Bearer client_id="%s", trusted_issuers="00000001-0000-0000-c000-000000000000@%s", token_types="app_asserted_user_v1 service_asserted_app_v1", authorization_uri="https://login.windows.net/common/oauth2/authorize"`, entra.ExchangeAppID, t.tenantID)
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

package entra

import (
	"crypto/rsa"
	"fmt"
	"sync"
	"time"

	"hmaproxy/internal/emulator/jwt"
	"hmaproxy/internal/emulator/pki"
	"hmaproxy/internal/emulator/service"
)

// Tokens signs access tokens and counts them. It is safe for concurrent use.
type Tokens struct {
	tenantID string
	hmaAppID string
	firstKey *rsa.PrivateKey // may be nil
	now      func() time.Time

	mu        sync.Mutex
	keys      []*signingKey  // oldest first; the first key is made when it is needed
	issued    map[string]int // number of each token in the order of issue, from 1, by uti
	lifetime  time.Duration
	refreshIn bool
	edit      func(claims map[string]any)
}

// SetTokenLifetime sets the lifetime of later tokens.
func (t *Tokens) SetTokenLifetime(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lifetime = d
}

// SetRefreshIn sets whether later token responses have refresh_in.
func (t *Tokens) SetRefreshIn(on bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.refreshIn = on
}

// EditClaims sets a function that changes the claims of every later token before it
// is signed; nil removes it. The function is called under a lock.
func (t *Tokens) EditClaims(edit func(claims map[string]any)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.edit = edit
}

// Issued returns the number of tokens issued so far.
func (t *Tokens) Issued() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.issued)
}

// Number returns a token's position in the order of issue, from 1. It returns 0 if
// no such token was issued. The claim uti identifies the token.
func (t *Tokens) Number(uti string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.issued[uti]
}

// signers returns the keys, oldest first, and makes the first if there is none.
func (t *Tokens) signers() []*signingKey {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.keys == nil {
		t.keys = []*signingKey{newSigningKey(t.firstKey)}
	}
	return append([]*signingKey(nil), t.keys...)
}

// SigningKeys returns the keys that verify tokens, oldest first.
func (t *Tokens) SigningKeys() []jwt.Key {
	var keys []jwt.Key
	for _, k := range t.signers() {
		keys = append(keys, k.public())
	}
	return keys
}

// RollSigningKey makes Entra sign with a new key from now on. Exchange does not
// know the key until Exchange.RefreshAuthMetadata is called.
func (t *Tokens) RollSigningKey() {
	t.signers()
	key := newSigningKey(nil)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.keys = append(t.keys, key)
}

// Sign returns a token with the given claims, signed with the current key. It does
// not check the claims.
func (t *Tokens) Sign(claims map[string]any) (string, error) {
	keys := t.signers()
	k := keys[len(keys)-1]
	return jwt.Sign(k.key, map[string]any{"typ": "JWT", "alg": "RS256", "x5t": k.id, "kid": k.id}, claims)
}

// Grant returns a token as the HMA application gets it for the resource.
func (t *Tokens) Grant(resource string) (string, error) {
	token, _, err := t.issue(&grant{t.hmaAppID, resource, []string{FullAccess}, "2"})
	return token, err
}

// A grant is an accepted token request.
type grant struct {
	appID    string
	resource string
	roles    []string
	strength string // the claim appidacr: 1 for a secret, 2 for a certificate
}

// issue signs an access token of version 1.0 and returns it with the other
// fields of the response. The resource determines the version of its tokens;
// Exchange uses version 1.0.
func (t *Tokens) issue(g *grant) (token string, fields map[string]any, err error) {
	now := t.now()
	uti, subject := service.RandomHex(11), objectID(g.appID)
	t.mu.Lock()
	lifetime, refreshIn := t.lifetime, t.refreshIn
	claims := map[string]any{
		"aud": g.resource, "iss": IssuerOf(t.tenantID), "idp": IssuerOf(t.tenantID), "tid": t.tenantID,
		"iat": now.Add(-5 * time.Minute).Unix(), "nbf": now.Add(-5 * time.Minute).Unix(), "exp": now.Add(lifetime).Unix(),
		"appid": g.appID, "appidacr": g.strength, "idtyp": "app", "oid": subject, "sub": subject,
		"aio": service.RandomHex(16), "rh": "0.emulated.", "uti": uti, "ver": "1.0",
	}
	if len(g.roles) > 0 {
		claims["roles"] = g.roles
	}
	t.issued[uti] = len(t.issued) + 1
	if t.edit != nil {
		t.edit(claims)
	}
	t.mu.Unlock()
	seconds := int(lifetime/time.Second) - 1 // one second less than the lifetime: Entra ID sends 3599 for a lifetime of one hour
	fields = map[string]any{"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds}
	if refreshIn {
		fields["refresh_in"] = seconds / 2
	}
	token, err = t.Sign(claims)
	return token, fields, err
}

// IssuerOf returns the issuer of a tenant's tokens.
func IssuerOf(tenant string) string { return "https://sts.windows.net/" + tenant + "/" }

// objectID derives a service principal's identifier from the application's.
func objectID(appID string) string {
	b := pki.SHA1([]byte("service principal of " + appID))
	b[6], b[8] = b[6]&0x0f|0x50, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

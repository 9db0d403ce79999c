package token

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Claims are the claims of a token. The signature was not verified, so they are
// for display only, and no decision may depend on them.
type Claims struct {
	Audience string    // aud
	TenantID string    // tid
	AppID    string    // appid (v1) or azp (v2)
	AuthKind string    // appidacr or azpacr: "1" is a client secret, "2" a certificate or a federated credential
	Roles    []string  // roles
	Expires  time.Time // exp, by Entra's clock
}

// FullAccess reports whether the token carries the role full_access_as_app.
// Exchange refuses a token without this role.
func (c Claims) FullAccess() bool { return slices.Contains(c.Roles, "full_access_as_app") }

// readClaims reads the claims of a JWT as far as possible. It returns zero
// Claims if token is not a JWT.
func readClaims(token string) Claims {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return Claims{}
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return Claims{}
	}
	var raw map[string]json.RawMessage
	if json.Unmarshal(payload, &raw) != nil {
		return Claims{}
	}
	// Each claim is decoded separately, so a claim of an unexpected type does
	// not affect the other claims.
	text := func(names ...string) (s string) {
		for _, name := range names {
			if json.Unmarshal(raw[name], &s) == nil && s != "" {
				return s
			}
		}
		return ""
	}
	c := Claims{
		Audience: text("aud"),
		TenantID: text("tid"),
		AppID:    text("appid", "azp"),
		AuthKind: text("appidacr", "azpacr"),
	}
	if json.Unmarshal(raw["roles"], &c.Roles) != nil {
		c.Roles = nil
	}
	var exp float64
	if json.Unmarshal(raw["exp"], &exp) == nil && exp > 0 && exp < 1e11 {
		c.Expires = time.Unix(int64(exp), 0)
	}
	return c
}

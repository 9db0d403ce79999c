package token

import "time"

// Claims are what a token says about itself. They are read without checking the
// signature, for people to look at: nothing may be decided by them.
type Claims struct {
	Audience string    // aud
	TenantID string    // tid
	AppID    string    // appid (v1) or azp (v2)
	AuthKind string    // appidacr or azpacr: "2" means that a certificate was used
	Roles    []string  // roles
	Expires  time.Time // exp, by Entra's clock
}

// FullAccess reports whether the token carries the role full_access_as_app.
func (c Claims) FullAccess() bool { return false }

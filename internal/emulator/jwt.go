package emulator

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// A jwt is a decoded token that is not verified.
type jwt struct {
	header  map[string]any
	claims  map[string]any
	signed  string // "header.claims"
	payload []byte
	sig     []byte
}

var errMalformedJWT = errors.New("not a signed JWT in compact form")

func parseJWT(token string) (*jwt, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, errMalformedJWT
	}
	j := &jwt{signed: parts[0] + "." + parts[1]}
	header, err1 := base64.RawURLEncoding.DecodeString(parts[0])
	payload, err2 := base64.RawURLEncoding.DecodeString(parts[1])
	sig, err3 := base64.RawURLEncoding.DecodeString(parts[2])
	if err1 != nil || err2 != nil || err3 != nil {
		return nil, errMalformedJWT
	}
	j.payload, j.sig = payload, sig
	if decodeObject(header, &j.header) != nil || decodeObject(payload, &j.claims) != nil {
		return nil, errMalformedJWT
	}
	return j, nil
}

func decodeObject(b []byte, into *map[string]any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		return err
	}
	if *into == nil || d.More() {
		return errMalformedJWT
	}
	return nil
}

// text returns a claim, or "" if it is absent or not a string.
func (j *jwt) text(claim string) string {
	s, _ := j.claims[claim].(string)
	return s
}

// instant returns a claim in seconds since 1970.
func (j *jwt) instant(claim string) (time.Time, bool) {
	n, ok := j.claims[claim].(json.Number)
	if !ok {
		return time.Time{}, false
	}
	f, err := n.Float64()
	if err != nil {
		return time.Time{}, false
	}
	return time.Unix(int64(f), 0), true
}

// roles returns the claim "roles".
func (j *jwt) roles() []string {
	list, _ := j.claims["roles"].([]any)
	var roles []string
	for _, v := range list {
		if s, ok := v.(string); ok {
			roles = append(roles, s)
		}
	}
	return roles
}

// verify checks the signature by the header's algorithm, which must be RS256
// or PS256.
func (j *jwt) verify(key *rsa.PublicKey) error {
	sum := sha256.Sum256([]byte(j.signed))
	switch j.header["alg"] {
	case "RS256":
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], j.sig)
	case "PS256":
		return rsa.VerifyPSS(key, crypto.SHA256, sum[:], j.sig, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	}
	return fmt.Errorf("algorithm %v", j.header["alg"])
}

// signJWT signs header and claims with RS256.
func signJWT(key crypto.Signer, header, claims map[string]any) (string, error) {
	h, err := json.Marshal(header)
	if err != nil {
		return "", err
	}
	c, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signed := base64.RawURLEncoding.EncodeToString(h) + "." + base64.RawURLEncoding.EncodeToString(c)
	sum := sha256.Sum256([]byte(signed))
	sig, err := key.Sign(rand.Reader, sum[:], crypto.SHA256)
	if err != nil {
		return "", err
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(sig), nil
}

// decodeThumbprint reads base64 in every variant: the documents require base64url,
// MSAL for Go sends padded standard base64, and Entra accepts both.
func decodeThumbprint(s string) ([]byte, bool) {
	s = strings.TrimRight(s, "=")
	s = strings.NewReplacer("+", "-", "/", "_").Replace(s)
	b, err := base64.RawURLEncoding.DecodeString(s)
	return b, err == nil
}

// validAt reports whether now lies between nbf and exp.
func (j *jwt) validAt(now time.Time) bool {
	from, ok1 := j.instant("nbf")
	until, ok2 := j.instant("exp")
	return ok1 && ok2 && !now.Before(from) && now.Before(until)
}

// check verifies the signature of an access token with any of Entra's keys.
func (n *Entra) check(token string) (*jwt, error) { return verifyWith(n.signers(), token) }

// verifyWith verifies with the key that the header names. With an error it returns
// the unverified token, or nil if it is not a token.
func verifyWith(keys []*signingKey, token string) (*jwt, error) {
	j, err := parseJWT(token)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		if j.header["kid"] == k.id {
			return j, j.verify(&k.key.PublicKey)
		}
	}
	return j, errors.New("signed with an unknown key")
}

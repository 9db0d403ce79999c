// Package jwt reads, signs and verifies JSON Web Tokens (RFC 7519) with the
// algorithms that Entra ID uses.
package jwt

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
	"sync"
	"time"
)

// A Token is a decoded token that is not verified.
type Token struct {
	Header  map[string]any
	Claims  map[string]any
	signed  string // "header.claims"
	payload []byte
	sig     []byte
}

var errMalformed = errors.New("not a signed JWT in compact form")

// Parse decodes a token in compact form.
func Parse(token string) (*Token, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, errMalformed
	}
	j := &Token{signed: parts[0] + "." + parts[1]}
	header, err1 := base64.RawURLEncoding.DecodeString(parts[0])
	payload, err2 := base64.RawURLEncoding.DecodeString(parts[1])
	sig, err3 := base64.RawURLEncoding.DecodeString(parts[2])
	if err1 != nil || err2 != nil || err3 != nil {
		return nil, errMalformed
	}
	j.payload, j.sig = payload, sig
	if decodeObject(header, &j.Header) != nil || decodeObject(payload, &j.Claims) != nil {
		return nil, errMalformed
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
		return errMalformed
	}
	return nil
}

// Text returns a claim, or "" if it is absent or not a string.
func (j *Token) Text(claim string) string {
	s, _ := j.Claims[claim].(string)
	return s
}

// Instant returns the time in a claim, which must be a number of seconds since
// 1970.
func (j *Token) Instant(claim string) (time.Time, bool) {
	n, ok := j.Claims[claim].(json.Number)
	if !ok {
		return time.Time{}, false
	}
	f, err := n.Float64()
	if err != nil {
		return time.Time{}, false
	}
	return time.Unix(int64(f), 0), true
}

// Roles returns the claim "roles".
func (j *Token) Roles() []string { return j.list("roles") }

// Verify checks the signature by the header's algorithm, which must be RS256
// or PS256.
func (j *Token) Verify(key *rsa.PublicKey) error {
	sum := sha256.Sum256([]byte(j.signed))
	switch j.Header["alg"] {
	case "RS256":
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], j.sig)
	case "PS256":
		return rsa.VerifyPSS(key, crypto.SHA256, sum[:], j.sig, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	}
	return fmt.Errorf("algorithm %v", j.Header["alg"])
}

// Sign returns a token in compact form with header and claims. It signs the token
// with RS256.
func Sign(key crypto.Signer, header, claims map[string]any) (string, error) {
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

// DecodeThumbprint reads base64 in every variant: RFC 7515 requires base64url, MSAL
// for Go sends padded standard base64, and Entra accepts both.
func DecodeThumbprint(s string) ([]byte, bool) {
	s = strings.TrimRight(s, "=")
	s = strings.NewReplacer("+", "-", "/", "_").Replace(s)
	b, err := base64.RawURLEncoding.DecodeString(s)
	return b, err == nil
}

// ValidAt reports whether now lies between nbf and exp.
func (j *Token) ValidAt(now time.Time) bool {
	from, ok1 := j.Instant("nbf")
	until, ok2 := j.Instant("exp")
	return ok1 && ok2 && !now.Before(from) && now.Before(until)
}

// A Verifier verifies tokens. It remembers the last token whose signature was
// valid, because a client sends the same token with thousands of requests. The
// zero value is ready to use. It is safe for concurrent use.
type Verifier struct {
	mu    sync.Mutex
	token string
	key   *rsa.PublicKey
}

// Verify verifies the token with the key that its header names. With an error it
// also returns the token, which is then not verified, or nil if the text is not a
// token.
func (v *Verifier) Verify(keys []Key, token string) (*Token, error) {
	j, err := Parse(token)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		if j.Header["kid"] == k.ID {
			return j, v.verify(j, token, k.Public)
		}
	}
	return j, errors.New("signed with an unknown key")
}

func (v *Verifier) verify(j *Token, token string, key *rsa.PublicKey) error {
	v.mu.Lock()
	known := v.token == token && v.key == key
	v.mu.Unlock()
	if known {
		return nil
	}
	if err := j.Verify(key); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.token, v.key = token, key
	return nil
}

// Audiences returns the claim "aud", which is a string or a list.
func (j *Token) Audiences() []string {
	if aud := j.Text("aud"); aud != "" {
		return []string{aud}
	}
	return j.list("aud")
}

// list returns the strings of a claim that is a list.
func (j *Token) list(claim string) []string {
	all, _ := j.Claims[claim].([]any)
	var list []string
	for _, v := range all {
		if s, ok := v.(string); ok {
			list = append(list, s)
		}
	}
	return list
}

// A Key verifies the tokens whose header contains its ID.
type Key struct {
	ID     string
	Public *rsa.PublicKey
}

package token

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

const (
	// Time from nbf to the local time. Entra refuses an assertion whose nbf is
	// in the future. Without this margin, Entra would refuse every assertion of
	// a machine whose clock is a little ahead.
	assertionBack = 30 * time.Second
	// Time from the local time to exp. Microsoft recommends at most ten minutes
	// from nbf to exp. All ten minutes are used, because a clock that is behind
	// makes exp too early.
	assertionAhead = 10*time.Minute - assertionBack
)

// An identity makes client assertions. With a certificate, it signs them
// itself. With a federated credential, it returns assertions that another
// issuer signed.
type identity struct {
	leaf   *x509.Certificate // nil with a federated credential
	signer crypto.Signer

	federated func(context.Context) (string, error) // Config.ExperimentalAssertion; nil with a certificate
}

// newIdentity returns the identity that signs with cert. It returns an error when
// cert cannot sign assertions for Entra.
func newIdentity(cert *tls.Certificate) (identity, error) {
	if cert == nil || len(cert.Certificate) == 0 {
		return identity{}, errors.New("no certificate")
	}
	leaf := cert.Leaf
	if leaf == nil {
		var err error
		if leaf, err = x509.ParseCertificate(cert.Certificate[0]); err != nil {
			return identity{}, fmt.Errorf("parse leaf: %w", err)
		}
	}
	signer, ok := cert.PrivateKey.(crypto.Signer)
	if !ok {
		return identity{}, errors.New("the private key cannot sign")
	}
	public, ok := signer.Public().(*rsa.PublicKey)
	if !ok {
		return identity{}, errors.New("the key is not RSA, which Entra requires")
	}
	if !public.Equal(leaf.PublicKey) {
		return identity{}, errors.New("the private key does not belong to the certificate")
	}
	return identity{leaf: leaf, signer: signer}, nil
}

// assertion returns a JWT that proves clientID's identity to audience.
func (id identity) assertion(ctx context.Context, audience, clientID string, now time.Time) (string, error) {
	if id.federated == nil {
		return id.signedAssertion(audience, clientID, now)
	}
	jwt, err := id.federated(ctx)
	if err == nil && jwt == "" {
		err = errors.New("it is empty")
	}
	return jwt, err
}

// signedAssertion returns the JWT that Microsoft documents:
// https://learn.microsoft.com/entra/identity-platform/certificate-credentials
func (id identity) signedAssertion(audience, clientID string, now time.Time) (string, error) {
	thumbprint := sha256.Sum256(id.leaf.Raw)
	header, err := json.Marshal(map[string]string{
		"alg":      "PS256",
		"typ":      "JWT",
		"x5t#S256": base64.RawURLEncoding.EncodeToString(thumbprint[:]),
	})
	if err != nil {
		return "", err
	}
	claims, err := json.Marshal(map[string]any{
		"aud": audience,
		"iss": clientID,
		"sub": clientID,
		"jti": rand.Text(),
		"nbf": now.Add(-assertionBack).Unix(),
		"exp": now.Add(assertionAhead).Unix(),
	})
	if err != nil {
		return "", err
	}
	signed := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(claims)
	digest := sha256.Sum256([]byte(signed))
	signature, err := id.signer.Sign(rand.Reader, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256})
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

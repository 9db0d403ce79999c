package entra

import (
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"slices"
	"time"

	"hmaproxy/internal/emulator/jwt"
)

// FederatedAudience is the audience, in the public cloud, of tokens that are used
// as a client credential.
const FederatedAudience = "api://AzureADTokenExchange"

// A FederatedCredential makes an application accept tokens of another issuer:
// https://learn.microsoft.com/entra/workload-id/workload-identity-federation
type FederatedCredential struct {
	Issuer   *FederatedIssuer
	Subject  string // "system:serviceaccount:mail:hmaproxy"
	Audience string // empty means FederatedAudience
}

// A FederatedIssuer issues tokens of service accounts or managed identities, as a
// Kubernetes cluster does.
type FederatedIssuer struct {
	URL string // "https://oidc.contoso.com/cluster"
	key *rsa.PrivateKey
}

// NewFederatedIssuer makes an issuer with a key of its own.
func NewFederatedIssuer(url string) (*FederatedIssuer, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	return &FederatedIssuer{url, key}, nil
}

// Token issues a token that is valid for one hour.
func (i *FederatedIssuer) Token(subject, audience string, now time.Time) (string, error) {
	return jwt.Sign(i.key, map[string]any{"typ": "JWT", "alg": "RS256", "kid": "federated"}, map[string]any{
		"iss": i.URL, "sub": subject, "aud": []string{audience}, "jti": rand.Text(),
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	})
}

// isFederated reports whether an assertion is a token of another issuer. The
// header of such a token names no certificate, and its issuer is not the client.
func isFederated(j *jwt.Token, clientID string) bool {
	_, _, named := thumbprintMatcher(j.Header)
	return !named && j.Text("iss") != clientID
}

// checkFederated verifies a token of another issuer: the issuer's signature must be
// valid, and issuer, subject and audience must all match one credential. A token
// may be used several times.
func checkFederated(j *jwt.Token, credentials []FederatedCredential) *refusal {
	const none = "No matching federated identity record found for presented assertion %s '%s'. Check your federated identity credential Subject, Audience and Issuer against the presented assertion. https://docs.microsoft.com/azure/active-directory/develop/workload-identity-federation"
	of := slices.DeleteFunc(slices.Clone(credentials), func(c FederatedCredential) bool { return c.Issuer.URL != j.Text("iss") })
	if len(of) == 0 {
		return refusalOf(700211, fmt.Sprintf(none, "issuer", j.Text("iss")))
	}
	if j.Verify(&of[0].Issuer.key.PublicKey) != nil {
		return refusalOf(50013, "")
	}
	of = slices.DeleteFunc(of, func(c FederatedCredential) bool { return c.Subject != j.Text("sub") })
	if len(of) == 0 {
		return refusalOf(700213, fmt.Sprintf(none, "subject", j.Text("sub")))
	}
	if !slices.ContainsFunc(of, func(c FederatedCredential) bool { return slices.Contains(j.Audiences(), c.Audience) }) {
		return refusalOf(700212, fmt.Sprintf(none, "audience", j.Audiences()))
	}
	return nil
}

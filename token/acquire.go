package token

import (
	"context"
	"crypto/tls"
	"time"
)

// A Grant is the result of a successful token request.
type Grant struct {
	Token      Secret
	Expires    time.Time     // by the local wall clock
	RefreshAt  time.Time     // time at which Entra advises to refresh the token; zero: Entra gave no advice
	Claims     Claims        // the claims of the token, unverified
	ServerDate time.Time     // time of the response by Entra's clock; zero: unknown
	ClockSkew  time.Duration // local clock minus Entra's; positive if the local clock is ahead

	obtained time.Time
}

// Acquire requests one token with cert. If cert is nil, Acquire uses
// cfg.ExperimentalAssertion. Acquire does not retry. It makes at most two HTTP
// requests and returns within 15 seconds, unless cert's signer takes longer. It
// ignores cfg.Certificates, cfg.Log and cfg.Attempted. It checks cfg.PollInterval,
// but does not use it.
//
// The error is an [*Error]. It wraps ctx.Err() when ctx ends first. Its class
// is [Configuration] when cfg is incomplete or invalid, and [Certificate] when
// cert cannot sign.
func Acquire(ctx context.Context, cfg Config, cert *tls.Certificate) (Grant, error) {
	cfg, err := cfg.checked()
	if err != nil {
		return Grant{}, configurationError(err)
	}
	id := identity{federated: cfg.ExperimentalAssertion}
	if cert != nil || id.federated == nil {
		id, err = newIdentity(cert)
	}
	if err != nil {
		return Grant{}, &Error{Class: Certificate, what: "certificate: " + oneLine(err), cause: err}
	}
	client := cfg.httpClient()
	if cfg.HTTPClient == nil {
		defer client.CloseIdleConnections()
	}
	grant, failure := newRequester(cfg, client, id).acquire(ctx, 0)
	if failure != nil {
		return Grant{}, failure
	}
	return grant, nil
}

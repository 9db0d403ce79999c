package certsource

import (
	"context"
	"crypto/tls"
	"fmt"
	"sync"
	"time"
)

// callTimeout limits one operation on the vault, including retries and log-in.
const callTimeout = 20 * time.Second

// KeyVault reads a certificate from Azure Key Vault. It is safe for concurrent
// use; polls do not overlap.
type KeyVault struct {
	client *vaultClient

	polling  chan struct{} // holds a value during a poll
	versions versionReader // used only by the poll in progress

	mu   sync.Mutex
	good []*version // newest first
}

// NewKeyVault checks cfg. It makes no request yet.
func NewKeyVault(cfg KeyVaultConfig) (*KeyVault, error) {
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("certsource: %w", err)
	}
	if cfg.Auth == "" {
		cfg.Auth = AuthSecret
	}
	if cfg.HTTPClient == nil {
		cfg.HTTPClient = newHTTPClient()
	}
	cfg.Log = orDiscard(cfg.Log)
	client := newVaultClient(cfg)
	return &KeyVault{client: client, polling: make(chan struct{}, 1), versions: versionReader{client: client}}, nil
}

// Certificates requests the newest version and the previous version of the
// certificate from Key Vault. This needs the permission secrets/get. For
// certificates made since June 2025, Key Vault names the previous version. For
// older certificates, Certificates finds the previous version in a listing,
// which needs the permission secrets/list. Without that permission it returns
// the newest version alone, and logs this once.
//
// The package comment explains how the returned list and error are related.
// When the vault cannot be reached, Certificates returns the list of the
// previous poll. When the newest version is unusable, the list holds older
// versions if they can be found. For a disabled version, Key Vault does not
// name the previous version.
//
// With AuthSecret every poll logs in, so an expired client secret causes an
// error at the next poll.
//
// Certificates blocks for at most 10 seconds for the client secret and 20
// seconds for each request that it needs, or until ctx ends.
func (k *KeyVault) Certificates(ctx context.Context) ([]*tls.Certificate, error) {
	failure := k.poll(ctx)
	k.mu.Lock()
	defer k.mu.Unlock()
	var list []*tls.Certificate
	for _, v := range k.good {
		if v.check() == nil {
			list = append(list, v.cert)
		}
	}
	if failure != nil {
		return list, failure
	}
	return list, nil
}

// poll updates k.good with the versions that it can read from the vault.
func (k *KeyVault) poll(ctx context.Context) *Error {
	select {
	case k.polling <- struct{}{}:
		defer func() { <-k.polling }()
	case <-ctx.Done():
		return k.client.canceled("get secret", ctx)
	}
	s, failure := k.client.reopen(ctx)
	if failure != nil {
		return failure
	}
	w := &walk{versions: &k.versions, s: s, seen: map[string]*version{}, rejected: map[string]bool{}}
	found, failure := w.run(ctx)
	if len(w.seen) > 0 {
		k.client.keep(s) // only a session that has logged in is kept
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.good = w.topUp(found, k.good)
	k.versions.known = w.seen
	for _, v := range k.good {
		k.versions.known[v.id] = v
	}
	return failure
}

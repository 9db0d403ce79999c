package certsource

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// callTimeout bounds one operation on the vault, retries and log-in included.
const callTimeout = 20 * time.Second

// KeyVault reads a certificate from Azure Key Vault. It is safe for concurrent
// use; one poll at a time is made.
type KeyVault struct {
	cfg KeyVaultConfig
	log *slog.Logger

	turn chan struct{} // held during a poll
	// These belong to the poll under way.
	known    map[string]*version // by version id: what the last poll saw, to parse each only once
	unlisted *string             // the newest version at which listing was refused

	mu      sync.Mutex // guards what follows
	good    []*version // newest first
	session *session
}

// NewKeyVault checks cfg and makes no request yet.
func NewKeyVault(cfg KeyVaultConfig) (*KeyVault, error) {
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("certsource: %w", err)
	}
	if cfg.Auth == "" {
		cfg.Auth = AuthSecret
	}
	return &KeyVault{cfg: cfg, log: orDiscard(cfg.Log), turn: make(chan struct{}, 1)}, nil
}

// Certificates asks Key Vault for the newest version of the certificate and for
// the one before it, which needs the permission secrets/get. Where Key Vault
// does not name the version before (it does for certificates made since June
// 2025), it is found with secrets/list; without either there is no version
// before, and the log says so once.
//
// The package comment says how list and error go together. When the vault cannot
// be asked, the list is that of the last poll. When the newest version is
// unusable, the list holds older ones, as far as they can be found; a disabled
// newest version does not name its predecessor.
//
// With AuthSecret every poll logs in anew, so that a client secret that has
// expired is an error at the next poll.
//
// Certificates blocks for at most 20 seconds per request that it needs, or until
// ctx ends.
func (k *KeyVault) Certificates(ctx context.Context) ([]*tls.Certificate, error) {
	problem := k.poll(ctx)
	k.mu.Lock()
	defer k.mu.Unlock()
	var list []*tls.Certificate
	for _, v := range k.good {
		if v.check() == nil {
			list = append(list, v.cert)
		}
	}
	if problem != nil {
		return list, problem
	}
	return list, nil
}

// poll renews k.good, as far as the vault answers.
func (k *KeyVault) poll(ctx context.Context) *Error {
	select {
	case k.turn <- struct{}{}:
		defer func() { <-k.turn }()
	case <-ctx.Done():
		return k.canceled("get secret", ctx)
	}
	s, problem := k.reopen()
	if problem != nil {
		return problem
	}
	w := &walk{k: k, s: s, seen: map[string]*version{}, rejected: map[string]bool{}}
	found, problem := w.run(ctx)
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(w.seen) > 0 {
		k.session = s // it has logged in
	}
	k.good = w.topUp(found, k.good)
	k.known = w.seen
	for _, v := range k.good {
		k.known[v.id] = v
	}
	return problem
}

func (k *KeyVault) canceled(op string, ctx context.Context) *Error {
	return &Error{Op: op, Name: k.cfg.Name, Code: CodeCanceled, Err: ctx.Err()}
}

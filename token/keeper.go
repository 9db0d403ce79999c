package token

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"time"
)

// A Keeper keeps one access token usable. It is safe for concurrent use.
type Keeper struct {
	cfg     Config
	client  *http.Client
	rounds  rounds
	reloads reloadRequests
	wake    chan struct{} // wakes the refresher to look at rounds and reloads
	started atomic.Bool
	stopped chan struct{} // closed when Run returns
}

// New checks cfg and returns an error that lists everything that is wrong with
// it. It does no I/O: requests begin with [Keeper.Run].
func New(cfg Config) (*Keeper, error) {
	cfg, err := cfg.checked()
	if (cfg.Certificates == nil) == (cfg.ExperimentalAssertion == nil) {
		err = errors.Join(err, errors.New("want exactly one of Certificates and ExperimentalAssertion"))
	}
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	return &Keeper{
		cfg:     cfg,
		client:  cfg.httpClient(),
		rounds:  rounds{done: make(chan struct{})},
		wake:    make(chan struct{}, 1),
		stopped: make(chan struct{}),
	}, nil
}

// Run keeps the token usable until ctx ends, then returns nil. Failures of Entra,
// of the network or of Config.Certificates do not end it. After Run returned,
// Token still returns the last token for as long as it is usable. The second call
// of Run returns [ErrRunTwice] at once.
func (k *Keeper) Run(ctx context.Context) error {
	if !k.started.CompareAndSwap(false, true) {
		return ErrRunTwice
	}
	defer close(k.stopped)
	newRefresher(k).run(ctx)
	return nil
}

// Token returns a usable token, at once whenever there is one. While there is
// none it waits for the next refresh to succeed, whichever caller or schedule
// caused it. The error
//   - wraps ctx.Err() when ctx ends first,
//   - is the [*Error] of the last refresh, at once, when the next attempt is due
//     after ctx's deadline: waiting never shortens the back-off,
//   - is [ErrStopped] when Run has returned.
//
// Token waits without limit unless ctx has a deadline, also while Run has not
// been called.
func (k *Keeper) Token(ctx context.Context) (string, error) {
	if t := k.rounds.token.Load(); t.usable(time.Now()) {
		return t.value, nil
	}
	return k.await(ctx)
}

// await is Token's slow path.
func (k *Keeper) await(ctx context.Context) (string, error) {
	for {
		done, failure, retry := k.rounds.last()
		now := time.Now()
		// Loaded after the round, so that no token is missed between the two.
		if t := k.rounds.token.Load(); t.usable(now) {
			return t.value, nil
		}
		if end, ok := ctx.Deadline(); ok && failure != nil && now.Add(retry.left(now.Round(0))).After(end) {
			return "", failure
		}
		k.wakeRefresher()
		if err := k.waitFor(ctx, done); err != nil {
			return "", err
		}
	}
}

// waitFor returns nil at the end of the round.
func (k *Keeper) waitFor(ctx context.Context, done <-chan struct{}) error {
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("token: wait for a token: %w", ctx.Err())
	case <-k.stopped:
		return ErrStopped
	}
}

// Replace returns a usable token other than rejected, which the resource has
// refused. When the current one differs already, it is returned at once.
// Otherwise one refresh is forced on behalf of all callers, or the one in progress
// is awaited; Token returns the old token until the new one is there. The error
//   - is [ErrLimited], at once, when more than a burst of three and one refresh
//     per 30 s would be forced, counted over all callers,
//   - is the [*Error] of the last refresh, at once, while refreshes fail,
//   - is the [*Error] of the forced refresh when that fails,
//   - is [ErrSameToken] when Entra issued the rejected token a second time,
//   - wraps ctx.Err() when ctx ends first,
//   - is [ErrStopped] when Run has returned.
func (k *Keeper) Replace(ctx context.Context, rejected string) (string, error) {
	done, token, err := k.rounds.force(rejected)
	if token != "" || err != nil {
		return token, err
	}
	k.wakeRefresher()
	if err := k.waitFor(ctx, done); err != nil {
		return "", err
	}
	if token := k.rounds.token.Load().other(rejected, time.Now()); token != "" {
		return token, nil
	}
	if _, failure, _ := k.rounds.last(); failure != nil {
		return "", failure
	}
	return "", ErrSameToken
}

// Reload makes the keeper look at once at what it would look at later: the
// certificates, a candidate that was refused, and the token if there is none or
// its refresh has failed. While a token is usable, a Retry-After of Entra is still
// honoured. Reload does not block. Reloads are limited to one per 10 s: a call
// that comes earlier takes effect at the end of that time.
func (k *Keeper) Reload() {
	k.reloads.request()
	k.wakeRefresher()
}

func (k *Keeper) wakeRefresher() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// Status returns a snapshot.
func (k *Keeper) Status() Status {
	k.rounds.mu.Lock()
	s := k.rounds.status
	k.rounds.mu.Unlock()
	s.Usable = k.rounds.token.Load().usable(time.Now())
	s.Claims.Roles = slices.Clone(s.Claims.Roles)
	return s
}

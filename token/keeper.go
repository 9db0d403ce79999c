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
	wake    chan struct{} // receives a value when the refresher must read rounds and reloads
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

// Run keeps the token usable until ctx ends, then returns nil. It does not end
// when Entra, the network or Config.Certificates fails. After Run has returned,
// Token returns the last token for as long as it is usable. A second call of
// Run returns [ErrRunTwice] immediately.
func (k *Keeper) Run(ctx context.Context) error {
	if !k.started.CompareAndSwap(false, true) {
		return ErrRunTwice
	}
	defer close(k.stopped)
	newRefresher(k).run(ctx)
	return nil
}

// Token returns a usable token. It does not block if there is one. Otherwise it
// waits until a refresh succeeds. Waiting callers do not shorten the back-off
// after a failure. The error
//   - wraps ctx.Err() when ctx ends first,
//   - is the [*Error] of the last refresh, without blocking, when the next
//     attempt is due after ctx's deadline,
//   - is [ErrStopped] when Run has returned.
//
// Without a deadline in ctx, Token waits without limit, even if Run has not
// been called.
func (k *Keeper) Token(ctx context.Context) (string, error) {
	if t := k.rounds.token.Load(); t.usable(time.Now()) {
		return t.value, nil
	}
	return k.await(ctx)
}

// await is the slow path of Token.
func (k *Keeper) await(ctx context.Context) (string, error) {
	for {
		done, failure, retry := k.rounds.lastOutcome()
		now := time.Now()
		// Load the token after the call of lastOutcome. In the opposite order, a token
		// that is stored between the two calls would be missed.
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

// waitFor waits until done is closed, which is the end of the round. It returns
// an error if ctx ends or Run returns first.
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
// refused. If the current token differs from rejected, Replace returns the
// current token without blocking. Otherwise Replace forces one refresh for all
// callers, or waits for the refresh in progress. Until the refresh
// succeeds, Token returns the old token. The error
//   - is [ErrLimited], without blocking, when the limit for forced refreshes is
//     reached: a burst of three, then one per 30 s, counted over all callers,
//   - is the [*Error] of the last refresh, without blocking, while refreshes
//     fail,
//   - is the [*Error] of the forced refresh when the refresh fails,
//   - is [ErrSameToken] when Entra issued the rejected token again,
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
	if _, failure, _ := k.rounds.lastOutcome(); failure != nil {
		return "", failure
	}
	return "", ErrSameToken
}

// Reload makes the keeper immediately look up the certificates and retry a new
// certificate that Entra has refused. The keeper also requests a token if there is
// none or if the last refresh failed. Without Reload the keeper would do these
// things at their scheduled times. While a token is usable, Reload does not shorten
// a Retry-After of Entra. Reload does not block. Reloads are limited to one per
// 10 s: a call within 10 s of the previous reload takes effect at the end of
// these 10 s.
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

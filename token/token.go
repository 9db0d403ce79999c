package token

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// ErrLimited is returned by [Keeper.Replace] when refreshes were forced too often.
var ErrLimited = errors.New("token: forced refreshes are limited to three at once and one per 30 s")

// ErrStopped is returned when there is no usable token and Run has ended.
var ErrStopped = errors.New("token: stopped")

// errSame is the outcome of a forced refresh that brought the rejected token again.
var errSame = errors.New("token: the refresh brought the same token again")

// A Keeper keeps one access token usable. It is safe for concurrent use.
type Keeper struct {
	cfg     Config
	http    *http.Client
	held    atomic.Pointer[held]
	wake    chan struct{} // tells Run that something below has changed
	stopped chan struct{} // closed when Run ends
	stop    sync.Once

	mu      sync.Mutex
	round   chan struct{} // closed, and replaced, at every outcome that waiters want to know
	failure *Error        // of the last round; nil: it succeeded
	retry   deadline      // of the round after a failure
	quiet   deadline      // until then Entra asked not to be asked
	busy    bool          // a refresh is under way
	forced  bool          // a refresh was asked for
	kicked  bool
	limiter limiter
	status  Status
}

// held is the token in service. It is never changed, only replaced.
type held struct {
	token string
	until time.Time // on the wall clock
}

func (h *held) usable(now time.Time) bool { return h != nil && now.Before(h.until) }

// New checks cfg. It does no I/O: nothing happens before [Keeper.Run].
func New(cfg Config) (*Keeper, error) {
	cfg, err := cfg.checked()
	if cfg.Certificates == nil {
		err = errors.Join(err, errors.New("no Certificates"))
	}
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	return &Keeper{
		cfg:     cfg,
		http:    cfg.httpClient(),
		wake:    make(chan struct{}, 1),
		stopped: make(chan struct{}),
		round:   make(chan struct{}),
	}, nil
}

// Run keeps the token usable until ctx ends. It must be called exactly once.
// Nothing that fails outside makes it return. After it returned, the last token
// is still handed out for as long as it is usable.
func (k *Keeper) Run(ctx context.Context) {
	defer k.stop.Do(func() { close(k.stopped) })
	l := &loop{Keeper: k, polled: make(chan pollResult, 1)}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		l.step(ctx)
		timer.Reset(l.sleep(wall()))
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-k.wake:
		case result := <-l.polled:
			if ctx.Err() == nil {
				l.take(wall(), result)
			}
		}
	}
}

// Token returns a usable token, at once whenever there is one. While there is
// none it waits for the refresh under way or the one that comes next, whichever
// caller or schedule caused it. It returns an error that wraps ctx.Err() when ctx
// ends first, and the last *Error at once when the next attempt lies beyond
// ctx's deadline: waiting never shortens the back-off. The caller bounds ctx;
// without [Keeper.Run] there is nothing to wait for.
func (k *Keeper) Token(ctx context.Context) (string, error) {
	if h := k.held.Load(); h.usable(time.Now()) {
		return h.token, nil
	}
	return k.await(ctx)
}

// await is Token's slow path.
func (k *Keeper) await(ctx context.Context) (string, error) {
	for {
		k.mu.Lock()
		round, failure, retry := k.round, k.failure, k.retry
		k.mu.Unlock()
		now := time.Now()
		// Looked at after the round was taken, so that none is missed between.
		if h := k.held.Load(); h.usable(now) {
			return h.token, nil
		}
		if end, ok := ctx.Deadline(); ok && failure != nil && now.Add(retry.left(now.Round(0))).After(end) {
			return "", failure
		}
		k.nudge()
		if err := k.waitFor(ctx, round); err != nil {
			return "", err
		}
	}
}

// waitFor returns nil at the end of the round.
func (k *Keeper) waitFor(ctx context.Context, round <-chan struct{}) error {
	select {
	case <-round:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("token: wait for a token: %w", ctx.Err())
	case <-k.stopped:
		return ErrStopped
	}
}

// Replace returns a usable token other than rejected, which the resource has
// refused. When the current one differs already, it is returned at once. Else one
// refresh is forced on behalf of all callers, or the one under way awaited; the
// old token stays in service until the new one is there. Forced refreshes are
// limited to a burst of three and one per 30 s beyond it, across all callers:
// then the error is [ErrLimited] and comes at once. While refreshes fail, the
// error is the last *Error, at once. It wraps ctx.Err() when ctx ends first.
func (k *Keeper) Replace(ctx context.Context, rejected string) (string, error) {
	round, token, err := k.force(rejected)
	if token != "" || err != nil {
		return token, err
	}
	if err := k.waitFor(ctx, round); err != nil {
		return "", err
	}
	if h := k.held.Load(); h.usable(time.Now()) && h.token != rejected {
		return h.token, nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.failure != nil {
		return "", k.failure
	}
	return "", errSame
}

// force returns the round to wait for, or the answer if none is needed.
func (k *Keeper) force(rejected string) (round <-chan struct{}, token string, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	if h := k.held.Load(); h.usable(now) && h.token != rejected {
		return nil, h.token, nil
	}
	switch {
	case k.busy || k.forced:
	case k.failure != nil && !k.retry.due(now.Round(0)):
		return nil, "", k.failure
	case !k.limiter.allow(now):
		return nil, "", ErrLimited
	default:
		k.forced = true
		k.nudge()
	}
	return k.round, "", nil
}

// Kick makes the keeper look again now at what it would look at later: the
// certificates, a candidate that was refused, and the token if there is none or
// its refresh has failed. Only a Retry-After of Entra's is still honoured.
// Call it when something was put right: a signal, a changed file.
func (k *Keeper) Kick() {
	k.mu.Lock()
	k.kicked = true
	k.mu.Unlock()
	k.hurry()
	k.nudge()
}

// hurry ends the back-off, save for what Entra asked for itself.
func (k *Keeper) hurry() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.retry = k.quiet
}

func (k *Keeper) silence(until deadline) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.quiet = until
}

func (k *Keeper) quietFor(now time.Time) time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.quiet.left(now)
}

func (k *Keeper) nudge() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// Status returns a snapshot.
func (k *Keeper) Status() Status {
	k.mu.Lock()
	s := k.status
	k.mu.Unlock()
	s.Usable = k.held.Load().usable(time.Now())
	s.Claims.Roles = slices.Clone(s.Claims.Roles)
	return s
}

// begin notes that a refresh is under way: until the loop's end, those who want
// one join it.
func (k *Keeper) begin() (forced bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.busy = true
	return k.forced
}

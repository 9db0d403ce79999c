package token

import (
	"sync"
	"sync/atomic"
	"time"
)

// rounds is the state that the callers of a Keeper share with its refresher. A
// round is a refresh for which callers can wait. It ends with a token or a
// failure.
type rounds struct {
	token atomic.Pointer[servedToken] // nil: no token yet. Stored with mu held.

	mu      sync.Mutex
	status  Status        // the field Usable is not set
	done    chan struct{} // closed at the end of each round and then replaced
	failure *Error        // error of the latest round; nil: it succeeded
	retry   deadline      // time of the next round after a failure
	hold    deadline      // Entra asked to send no requests before this time
	busy    bool          // a refresh is in progress
	forced  bool          // Replace requested a refresh
	limiter limiter
}

// servedToken is the token that callers get. It is immutable.
type servedToken struct {
	value string
	until time.Time // time until which callers get the token, by the wall clock
}

func (t *servedToken) usable(now time.Time) bool { return t != nil && now.Before(t.until) }

// other returns the token if it is usable and differs from rejected, else "".
func (t *servedToken) other(rejected string, now time.Time) string {
	if t.usable(now) && t.value != rejected {
		return t.value
	}
	return ""
}

// lastOutcome returns a channel that is closed at the end of the current
// round. If the latest round failed, it also returns the failure and the time of
// the next round.
func (r *rounds) lastOutcome() (done <-chan struct{}, failure *Error, retry deadline) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.done, r.failure, r.retry
}

// force requests a refresh that replaces the rejected token, or joins a refresh
// in progress. It returns a channel that is closed when this refresh ends. If the
// current token is usable and differs from rejected, force returns the current
// token and no channel. If the latest refresh failed and the next one is not due,
// force returns that failure. It returns ErrLimited if the limiter forbids another
// refresh.
func (r *rounds) force(rejected string) (done <-chan struct{}, token string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := wall()
	if token := r.token.Load().other(rejected, now); token != "" {
		return nil, token, nil
	}
	switch {
	case r.busy || r.forced:
	case r.failure != nil && !r.retry.due(now):
		return nil, "", r.failure
	case !r.limiter.allow(now):
		return nil, "", ErrLimited
	default:
		r.forced = true
	}
	return r.done, "", nil
}

// begin marks the start of a refresh and reports whether the refresh was forced.
// Further calls of force join this refresh until the end of the round.
func (r *rounds) begin() (forced bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.busy = true
	return r.forced
}

// succeed ends the round with a token and wakes the callers that wait for it.
func (r *rounds) succeed(token *servedToken, s Status) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.token.Store(token)
	r.end(nil, deadline{}, s)
}

// fail ends the round with a failure and wakes the callers that wait for it.
func (r *rounds) fail(failure *Error, retry deadline, s Status) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.end(failure, retry, s)
}

// end ends the round and wakes the callers that wait for it. It stores the status
// before it wakes them. The caller of end holds mu.
func (r *rounds) end(failure *Error, retry deadline, s Status) {
	r.busy, r.forced = false, false
	r.failure, r.retry = failure, retry
	r.setStatus(s)
	close(r.done)
	r.done = make(chan struct{})
}

// publish makes s the status. s.NextRefresh is the time of the next refresh if
// the latest refresh succeeded.
func (r *rounds) publish(s Status) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.setStatus(s)
}

// setStatus makes s the status, but takes the error from the latest round. If
// that round failed, NextRefresh is the time of the retry. The caller holds mu.
func (r *rounds) setStatus(s Status) {
	s.Err = r.failure
	if r.failure != nil {
		s.NextRefresh = r.retry.at
	}
	r.status = s
}

// refreshIn returns how long until the next refresh. planned is the time of the
// next refresh if the latest refresh succeeded.
func (r *rounds) refreshIn(now time.Time, planned deadline) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.forced {
		return 0
	}
	if r.failure != nil {
		planned = r.retry
	}
	return max(planned.left(now), r.hold.left(now))
}

// holdUntil stops requests to Entra for the time that Entra asked for.
func (r *rounds) holdUntil(until deadline) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hold = until
}

// heldFor returns how long until requests to Entra are allowed.
func (r *rounds) heldFor(now time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.hold.left(now)
}

// endBackoff ends the back-off after a failure. The next attempt is then due at
// the end of the wait that Entra asked for, or immediately if there is no such
// wait. If endHold is true, endBackoff ends this wait too.
func (r *rounds) endBackoff(endHold bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if endHold {
		r.hold = deadline{}
	}
	r.retry = r.hold
}

// reloadRequests are the calls of Reload. At most one per reloadInterval takes effect.
type reloadRequests struct {
	mu      sync.Mutex
	pending bool
	next    deadline
}

func (r *reloadRequests) request() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pending = true
}

// dueIn returns how long until the pending request is due; ok is false if no
// request is pending.
func (r *reloadRequests) dueIn(now time.Time) (wait time.Duration, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.next.left(now), r.pending
}

// take reports whether a request is due, and removes it.
func (r *reloadRequests) take(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.pending || !r.next.due(now) {
		return false
	}
	r.pending, r.next = false, after(now, reloadInterval)
	return true
}

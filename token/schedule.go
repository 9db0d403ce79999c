package token

import "time"

// The durations of the schedule, each with its reason.
const (
	// A suspended machine's timers stand still while the wall clock goes on, so
	// the refresher wakes this often to compare.
	maxSleep = 30 * time.Second
	// A lower bound of every sleep, so that no mistake in the schedule can spin.
	minSleep = 20 * time.Millisecond

	// The old token is used until this long, or a tenth of its life, before its
	// end: a request needs time to arrive and clocks differ.
	maxMargin = time.Minute
	// The earliest refresh after a token was issued, whatever Entra advises.
	minRefresh = 10 * time.Second

	firstBackoff         = time.Second
	backoffWithToken     = 2 * time.Minute  // requests still succeed
	backoffWithoutToken  = 15 * time.Second // requests fail
	backoffConfiguration = 5 * time.Minute  // a person has to act; Reload ends it
	backoffProbe         = 2 * time.Minute
	probeSoon            = 5 * time.Minute // Entra takes seconds to minutes to know a new certificate …
	probeSoonFor         = time.Hour       // … and people up to days to register it
	probeLater           = 15 * time.Minute

	// Entra may ask for a wait of up to maxRetryAfter. Without a token every
	// request fails, so a Retry-After then counts for this long at most.
	maxHoldWithoutToken = time.Minute

	pollAfterRefusal = 30 * time.Second // between look-ups that refusals cause
	pollTimeout      = time.Minute
	pollGrace        = 5 * time.Second // for a look-up to return after its context ended

	reloadInterval = 10 * time.Second // between calls of Reload that take effect

	skewWarning = time.Minute // Entra's tolerance for assertions is 30 s ahead, 9 minutes behind
	// Below this, Entra's refusal of an assertion's times has another cause than
	// the clock; Date headers count whole seconds.
	minCorrection = 10 * time.Second
	clockSlack    = time.Minute
)

// wall returns the wall clock without its monotonic part, which stands still
// while a virtual machine is suspended.
func wall() time.Time { return time.Now().Round(0) }

// A deadline is a point on the wall clock that was set span ahead. The zero
// deadline is due.
type deadline struct {
	at   time.Time
	span time.Duration
}

func after(now time.Time, span time.Duration) deadline { return deadline{now.Add(span), span} }

// left returns how long is left until d. When that is more than its span, the
// clock was set back after d was set, and d is due.
func (d deadline) left(now time.Time) time.Duration {
	left := d.at.Sub(now)
	if left > d.span+clockSlack {
		return 0
	}
	return max(left, 0)
}

func (d deadline) due(now time.Time) bool { return d.left(now) == 0 }

// usableUntil returns until when callers get a token.
func usableUntil(obtained, expires time.Time) time.Time {
	return expires.Add(-min(maxMargin, expires.Sub(obtained)/10))
}

// refreshDelay returns how long after obtained the token is replaced: after two
// thirds of its life, or earlier when Entra advises so (advised may be zero).
// jitter in [-1, 1) spreads it by 5 %, so that instances drift apart.
func refreshDelay(obtained, expires, advised time.Time, jitter float64) time.Duration {
	life := expires.Sub(obtained)
	delay := life / 3 * 2
	if !advised.IsZero() {
		delay = min(delay, max(advised.Sub(obtained), minRefresh))
	}
	return delay + time.Duration(jitter*0.05*float64(delay))
}

// backoff returns the wait after the given number of failures in a row (from 1):
// doubling up to limit, half of it fixed, half of it spread by jitter in [0, 1).
func backoff(failures int, limit time.Duration, jitter float64) time.Duration {
	step := limit
	if shift := max(failures-1, 0); shift < 16 {
		step = min(firstBackoff<<shift, limit)
	}
	return step/2 + time.Duration(jitter*float64(step/2))
}

// retryDelay returns the wait after a failed refresh. usable is for how long
// callers still get the old token: the longer waits of that time must not reach
// far into the time without one.
func retryDelay(err *Error, failures int, usable time.Duration, jitter float64) time.Duration {
	delay := backoff(failures, backoffWithoutToken, jitter)
	switch {
	case err.Class == Configuration:
		delay = backoff(failures, backoffConfiguration, jitter)
	case usable > 0:
		delay = min(backoff(failures, backoffWithToken, jitter), usable+delay)
	}
	return max(delay, min(err.RetryAfter, usable+maxHoldWithoutToken))
}

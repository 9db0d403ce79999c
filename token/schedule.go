package token

import "time"

// The durations of the schedule.
const (
	// While a machine is suspended its timers stop, but its wall clock
	// continues. So the refresher wakes at least this often and reads the wall
	// clock.
	maxSleep = 30 * time.Second
	// A lower bound for every sleep, so that no error in the schedule can cause
	// a busy loop.
	minSleep = 20 * time.Millisecond

	// The old token is not used in the last minute of its lifetime, or in the
	// last tenth of a lifetime that is less than ten minutes. A request needs
	// time to arrive, and clocks differ.
	maxMargin = time.Minute
	// Shortest time from the issue of a token to its refresh, even if Entra
	// advises an earlier refresh.
	minRefresh = 10 * time.Second

	firstBackoff         = time.Second
	backoffWithToken     = 2 * time.Minute  // longest back-off while the old token is usable
	backoffWithoutToken  = 15 * time.Second // longest back-off without a usable token, because then every request fails
	backoffConfiguration = 5 * time.Minute  // longest back-off when a person must act; Reload ends it
	backoffProbe         = 2 * time.Minute
	probeSoon            = 5 * time.Minute // interval of probes at first: Entra needs seconds to minutes to accept a new certificate
	probeSoonFor         = time.Hour       // how long the interval is probeSoon; then it is probeLater, because people may need days to register a certificate
	probeLater           = 15 * time.Minute

	// Entra may ask for a wait of up to maxRetryAfter. Without a token every
	// request fails, so Retry-After is then respected for at most this time.
	maxHoldWithoutToken = time.Minute

	pollAfterRefusal = 30 * time.Second // shortest interval between look-ups that refusals cause
	pollTimeout      = time.Minute
	pollGrace        = 5 * time.Second // extra time for a look-up to return after its context has ended

	reloadInterval = 10 * time.Second // shortest interval between calls of Reload that take effect

	skewWarning = time.Minute // larger skews are logged; Entra accepts assertions from a clock that is up to 30 s ahead or 9.5 minutes behind
	// A skew below minCorrection is not corrected. It cannot be the reason for which
	// Entra refused an assertion's times, and the header Date, from which the skew
	// is computed, has whole seconds only.
	minCorrection = 10 * time.Second
	clockSlack    = time.Minute
)

// wall returns the wall clock without its monotonic part, because the monotonic
// clock stands still while a virtual machine is suspended.
func wall() time.Time { return time.Now().Round(0) }

// A deadline is a time of the wall clock, in the field "at". The field span says
// how far in the future that time was when the deadline was set. The zero deadline
// is due.
type deadline struct {
	at   time.Time
	span time.Duration
}

func after(now time.Time, span time.Duration) deadline { return deadline{now.Add(span), span} }

// left returns how long until d is due. A result clearly longer than d.span would
// mean that the wall clock was set back after d was set. left then returns 0.
func (d deadline) left(now time.Time) time.Duration {
	left := d.at.Sub(now)
	if left > d.span+clockSlack {
		return 0
	}
	return max(left, 0)
}

func (d deadline) due(now time.Time) bool { return d.left(now) == 0 }

// usableUntil returns the time until which callers get a token.
func usableUntil(obtained, expires time.Time) time.Time {
	return expires.Add(-min(maxMargin, expires.Sub(obtained)/10))
}

// refreshDelay returns the time from obtained until the token is replaced: two
// thirds of its life, or less if Entra advises so (advised may be zero). jitter
// in [-1, 1) varies the delay by up to 5 %, so that several instances do not
// refresh at the same time.
func refreshDelay(obtained, expires, advised time.Time, jitter float64) time.Duration {
	life := expires.Sub(obtained)
	delay := life / 3 * 2
	if !advised.IsZero() {
		delay = min(delay, max(advised.Sub(obtained), minRefresh))
	}
	return delay + time.Duration(jitter*0.05*float64(delay))
}

// backoff returns the wait after the given number of consecutive failures (from
// 1). The wait doubles with each failure up to limit. Half of the wait is fixed
// and half varies with jitter in [0, 1).
func backoff(failures int, limit time.Duration, jitter float64) time.Duration {
	step := limit
	if shift := max(failures-1, 0); shift < 16 {
		step = min(firstBackoff<<shift, limit)
	}
	return step/2 + time.Duration(jitter*float64(step/2))
}

// retryDelay returns the wait after a failed refresh. usable is how long
// callers still get the old token. The wait is longer while there is a usable
// token. Except after a configuration error, the wait ends soon after the token
// stops being usable, because requests fail from then on.
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

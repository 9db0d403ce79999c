package token

import "time"

// The numbers of the schedule, each with its reason.
const (
	// A suspended machine's timers stand still while the wall clock goes on, so
	// the loop wakes this often to compare.
	maxSleep = 30 * time.Second
	// A floor under every sleep, so that no mistake in the schedule can spin.
	minSleep = 20 * time.Millisecond

	// The old token serves until this long, or a tenth of its life, before its
	// end: a request needs time to arrive and clocks differ.
	maxMargin = time.Minute
	// However early Entra advises to refresh.
	minRefresh = 10 * time.Second

	firstBackoff   = time.Second
	backoffUsable  = 2 * time.Minute  // nobody notices yet
	backoffNone    = 15 * time.Second // everybody notices
	backoffConfig  = 5 * time.Minute  // a person has to act; Kick shortens it
	backoffProbe   = 2 * time.Minute
	probeSoon      = 5 * time.Minute // Entra takes seconds to minutes to know a new certificate …
	probeSoonFor   = time.Hour       // … and people up to days to register it
	probeLater     = 15 * time.Minute
	reloadInterval = 30 * time.Second // between looks into the vault that failures cause
	pollTimeout    = time.Minute

	skewWarning = time.Minute // Entra's tolerance for assertions is 30 s ahead, 9 minutes behind
	clockSlack  = time.Minute
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

// left returns how long is left until d, at most its span: when there seems to be
// more, the clock was set back meanwhile, and d is due.
func (d deadline) left(now time.Time) time.Duration {
	left := d.at.Sub(now)
	if left > d.span+clockSlack {
		return 0
	}
	return max(left, 0)
}

func (d deadline) due(now time.Time) bool { return d.left(now) == 0 }

// usableUntil returns when a token of that age is no longer handed out.
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
// doubling up to most, half of it fixed, half of it spread by jitter in [0, 1).
func backoff(failures int, most time.Duration, jitter float64) time.Duration {
	step := most
	if shift := max(failures-1, 0); shift < 16 {
		step = min(firstBackoff<<shift, most)
	}
	return step/2 + time.Duration(jitter*float64(step/2))
}

// retryDelay returns the wait after a failed refresh. usable is for how long the
// old token still serves: the longer waits of that time must not reach far into
// the time without one.
func retryDelay(err *Error, failures int, usable time.Duration, jitter float64) time.Duration {
	delay := backoff(failures, backoffNone, jitter)
	switch {
	case err.Class == Configuration:
		delay = backoff(failures, backoffConfig, jitter)
	case usable > 0:
		delay = min(backoff(failures, backoffUsable, jitter), usable+delay)
	}
	return max(delay, err.RetryAfter)
}

// skewAlarm reports whether a clock difference is worth telling, given the one
// that was told last (0: none).
func skewAlarm(skew, told time.Duration) bool {
	if skew.Abs() <= skewWarning {
		return told != 0
	}
	return told == 0 || (skew-told).Abs() > skewWarning
}

// A limiter permits a burst of three, then one per 30 s, however often it is asked.
type limiter struct{ paid time.Time }

const (
	forcedBurst    = 3
	forcedInterval = 30 * time.Second
)

func (l *limiter) allow(now time.Time) bool {
	if l.paid.Before(now) {
		l.paid = now
	}
	if l.paid.Sub(now) > (forcedBurst-1)*forcedInterval {
		return false
	}
	l.paid = l.paid.Add(forcedInterval)
	return true
}

// An alarm decides what is worth a line in the log: a change, and a reminder once
// in a while.
type alarm struct {
	key  string
	rung time.Time
}

const alarmAgain = time.Hour

// rings reports whether key, the state of things, shall be told now.
func (a *alarm) rings(now time.Time, key string) bool {
	if key == a.key && now.Sub(a.rung).Abs() < alarmAgain {
		return false
	}
	a.key, a.rung = key, now
	return true
}

// clear reports whether the alarm had rung, and resets it.
func (a *alarm) clear() bool {
	rung := a.key != ""
	*a = alarm{}
	return rung
}

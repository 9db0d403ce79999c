package token

import "time"

// A limiter permits a burst of three calls, then one call per 30 s. Refused
// calls do not count.
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

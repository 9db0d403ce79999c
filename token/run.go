package token

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"
)

// loop is the state of Run's goroutine; nobody else touches it. What others ask
// for and read goes through the Keeper's own fields.
type loop struct {
	*Keeper
	rotation

	grant    Grant    // of the token in service
	refresh  deadline // of the next refresh
	failures int      // refreshes failed in a row
	skew     time.Duration
	obtained time.Time

	poll         deadline
	polling      bool
	polled       chan pollResult // holds one, so that a poll outliving Run ends too
	pollStarted  time.Time
	pollFailures int
	pollErr      error
	pollSuccess  time.Time

	refreshAlarm, pollAlarm, roleAlarm alarm
	skewTold                           time.Duration
}

// step does what is due.
func (l *loop) step(ctx context.Context) {
	l.takeKick()
	if now := wall(); !l.polling && l.poll.due(now) {
		l.startPoll(ctx, now)
	}
	if c := l.candidate(); c != nil && l.mayProbe() && l.probeIn(wall(), c) == 0 {
		l.probe(ctx, c)
	}
	if len(l.versions) > 0 && l.refreshIn(wall()) == 0 {
		l.cycle(ctx)
	}
	l.publish()
}

// sleep returns how long nothing will be due.
func (l *loop) sleep(now time.Time) time.Duration {
	d := maxSleep
	if !l.polling {
		d = min(d, l.poll.left(now))
	}
	if c := l.candidate(); c != nil && l.mayProbe() {
		d = min(d, l.probeIn(now, c))
	}
	if len(l.versions) > 0 {
		d = min(d, l.refreshIn(now))
	}
	return max(d, minSleep)
}

// refreshIn returns how long until the next refresh.
func (l *loop) refreshIn(now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.forced:
		return 0
	case l.failures > 0:
		return max(l.retry.left(now), l.quiet.left(now))
	default:
		return max(l.refresh.left(now), l.quiet.left(now))
	}
}

// takeKick makes everything due that was put off by this side's own judgement.
func (l *loop) takeKick() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.kicked {
		return
	}
	l.kicked = false
	l.poll = deadline{}
	for _, v := range l.versions {
		v.probe = deadline{}
	}
}

// cycle refreshes the token: with the active certificate, and only when that is
// refused as a certificate, with the others.
func (l *loop) cycle(ctx context.Context) {
	reason := Scheduled
	if l.begin() {
		reason = Forced
	}
	var failure *Error
	for _, v := range l.order(wall()) {
		grant, err := l.attempt(ctx, v, reason)
		if err == nil {
			l.adopt(v, grant)
			return
		}
		if ctx.Err() != nil {
			return
		}
		if failure == nil || err.Class != Certificate {
			failure = err
		}
		if err.Class != Certificate {
			break
		}
		l.refused(v, err)
		l.reload(wall())
	}
	l.fail(failure)
}

// probe learns whether Entra accepts c, while the token in service is left alone.
func (l *loop) probe(ctx context.Context, c *version) {
	grant, err := l.attempt(ctx, c, Probe)
	switch {
	case err == nil:
		l.adopt(c, grant)
	case ctx.Err() != nil:
	case err.Class == Transient:
		c.misses++
		c.probe = after(wall(), max(backoff(c.misses, backoffProbe, rand.Float64()), err.RetryAfter))
	default:
		l.refused(c, err)
	}
}

// mayProbe reports whether a probe can bring anything now. While refreshes fail
// for want of Entra it would only add to the noise; while they fail for the
// certificate, each of them tries the candidate anyway.
func (l *loop) mayProbe() bool {
	return l.failures == 0 || l.lastErr().Class == Configuration
}

func (l *loop) lastErr() *Error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failure
}

// probeIn returns how long until c is probed.
func (l *loop) probeIn(now time.Time, c *version) time.Duration {
	return max(c.probe.left(now), l.quietFor(now), c.leaf.NotBefore.Sub(now))
}

// attempt requests one token and notes what can be learnt either way.
func (l *loop) attempt(ctx context.Context, v *version, reason Reason) (Grant, *Error) {
	start := time.Now()
	grant, err := v.acquire(ctx)
	date, skew := grant.ServerDate, grant.ClockSkew
	if err != nil {
		date, skew = err.date, err.skew
		if err.RetryAfter > 0 {
			l.silence(after(wall(), err.RetryAfter))
		}
	}
	if !date.IsZero() {
		l.judgeSkew(skew)
	}
	if ctx.Err() == nil {
		l.cfg.Attempted(Attempt{reason, time.Since(start), err})
	}
	return grant, err
}

// adopt puts a new token, and the certificate that brought it, into service.
func (l *loop) adopt(v *version, grant Grant) {
	was := l.active
	l.activate(v)
	failures := l.failures
	l.failures, l.grant, l.obtained = 0, grant, grant.obtained
	l.refresh = after(grant.obtained, refreshDelay(grant.obtained, grant.Expires, grant.RefreshAt, 2*rand.Float64()-1))
	l.end(&held{string(grant.Token), usableUntil(grant.obtained, grant.Expires)}, nil, deadline{})

	l.refreshAlarm.clear()
	l.cfg.Log.Info("token obtained", "expires", grant.Expires, "refresh", l.refresh.at, "audience", clip(grant.Claims.Audience),
		"thumbprint", v.name.SHA1, "failures_before", failures)
	if was != v {
		l.log(slog.LevelInfo, "certificate accepted by Entra and in use", v)
	}
	l.judgeClaims(grant.Claims)
}

// fail plans the next attempt.
func (l *loop) fail(err *Error) {
	now := wall()
	l.failures++
	usable := time.Duration(0)
	if h := l.held.Load(); h.usable(now) {
		usable = h.until.Sub(now)
	}
	retry := after(now, retryDelay(err, l.failures, usable, rand.Float64()))
	l.end(nil, err, retry)
	l.tellFailure(now, err, retry, usable)
}

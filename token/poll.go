package token

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"
)

type pollResult struct {
	certs []*tls.Certificate
	err   error
}

// startPoll asks for the certificates, in a goroutine of its own: a vault that
// hangs must not delay a refresh.
func (l *loop) startPoll(ctx context.Context, now time.Time) {
	l.polling, l.pollStarted = true, now
	l.poll = after(now, l.pollInterval())
	go func() {
		ctx, cancel := context.WithTimeout(ctx, pollTimeout)
		defer cancel()
		certs, err := l.cfg.Certificates(ctx)
		l.polled <- pollResult{certs, err}
	}()
}

func (l *loop) pollInterval() time.Duration {
	return time.Duration((0.9 + 0.2*rand.Float64()) * float64(l.cfg.PollInterval))
}

// take works in what a poll brought.
func (l *loop) take(now time.Time, result pollResult) {
	l.polling = false
	fresh, err := l.merge(now, l.Keeper, result.certs)
	l.pollErr = errors.Join(result.err, err)
	if result.err == nil && len(result.certs) == 0 {
		l.pollErr = errors.New("there is no certificate")
	}
	l.judgePoll(now)
	if fresh {
		l.log(slog.LevelInfo, "new certificate found", l.versions[0])
		if l.failures > 0 {
			l.hurry()
		}
	}
	if len(l.versions) == 0 {
		wait := backoff(l.pollFailures, backoffNone, rand.Float64())
		l.poll = after(now, min(wait, l.cfg.PollInterval))
		l.end(nil, noCertificate(l.pollErr), l.poll)
	}
}

func noCertificate(err error) *Error {
	return &Error{Class: Certificate, what: "no certificate to sign with: " + oneLine(err), cause: err}
}

// judgePoll counts and tells how the poll went.
func (l *loop) judgePoll(now time.Time) {
	if l.pollErr == nil {
		l.pollFailures, l.pollSuccess = 0, now
		if l.pollAlarm.clear() {
			l.cfg.Log.Info("certificates are readable again")
		}
		return
	}
	l.pollFailures++
	if l.pollAlarm.rings(now, oneLine(l.pollErr)) {
		l.cfg.Log.Error("certificate look-up", "error", oneLine(l.pollErr), "failures", l.pollFailures, "last_success", l.pollSuccess,
			"in_use", len(l.versions), "effect", "a renewed certificate goes unnoticed")
	}
}

// reload looks for certificates early because Entra, or a signer, refused one.
func (l *loop) reload(now time.Time) {
	wait := max(l.pollStarted.Add(reloadInterval).Sub(now), 0)
	if wait < l.poll.left(now) {
		l.poll = after(now, wait)
	}
}

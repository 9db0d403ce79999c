package token

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"
)

var (
	errPollOverdue   = fmt.Errorf("the look-up did not return within %v", pollTimeout)
	errNoCertificate = errors.New("there is no certificate")
)

type pollResult struct {
	certs []*tls.Certificate
	err   error
}

// A poller calls Config.Certificates regularly, one call at a time. Each call
// has its own goroutine, because a vault or file system that hangs must not
// delay a refresh.
type poller struct {
	certificates func(context.Context) ([]*tls.Certificate, error) // nil with a federated credential, for which no look-up is ever due
	interval     time.Duration
	log          *slog.Logger

	results   chan pollResult // has a capacity of one, so that a call that outlives Run can end
	due       deadline        // time of the next call
	started   time.Time       // time of the latest call
	running   bool            // the latest call has not returned
	abandoned bool            // the latest call is overdue, and its failure is recorded

	failures    int // number of consecutive failures
	err         error
	lastSuccess time.Time
	alarm       logAlarm
}

func newPoller(certificates func(context.Context) ([]*tls.Certificate, error), interval time.Duration, log *slog.Logger) poller {
	return poller{certificates: certificates, interval: interval, log: log, results: make(chan pollResult, 1)}
}

// start calls Certificates.
func (p *poller) start(ctx context.Context, now time.Time) {
	p.running, p.started = true, now
	p.due = after(now, time.Duration((0.9+0.2*rand.Float64())*float64(p.interval)))
	go func() {
		ctx, cancel := context.WithTimeout(ctx, pollTimeout)
		defer cancel()
		certs, err := p.certificates(ctx)
		p.results <- pollResult{certs, err}
	}()
}

// startIn returns how long the refresher may sleep before it calls start or
// overdue.
func (p *poller) startIn(now time.Time) time.Duration {
	if p.running || p.certificates == nil {
		return maxSleep
	}
	return p.due.left(now)
}

// overdue reports whether the call in progress exceeds its timeout. It returns
// true at most once for each call. Until the call returns, Certificates is not
// called again.
func (p *poller) overdue(now time.Time) bool {
	if !p.running || p.abandoned || now.Sub(p.started).Abs() <= pollTimeout+pollGrace {
		return false
	}
	p.abandoned = true
	return true
}

// finish records the result of a look-up. skipped is the error about
// certificates that cannot be used; usable is the number of usable
// certificates.
func (p *poller) finish(now time.Time, result pollResult, skipped error, usable int) {
	if result.err != errPollOverdue {
		p.running, p.abandoned = false, false
	}
	p.err = errors.Join(result.err, skipped)
	if result.err == nil && len(result.certs) == 0 {
		p.err = errNoCertificate
	}
	if p.err == nil {
		p.failures, p.lastSuccess = 0, now
		if p.alarm.clear() {
			p.log.Info("certificates are readable again")
		}
		return
	}
	p.failures++
	if p.alarm.raise(now, oneLine(p.err)) {
		effect := "a renewed certificate goes unnoticed"
		if usable == 0 {
			effect = "requests fail: there is no certificate to obtain a token with"
		}
		p.log.Error("certificate look-up failed", "error", oneLine(p.err), "failures", p.failures, "last_success", p.lastSuccess,
			"in_use", usable, "effect", effect)
	}
	if usable == 0 {
		p.due = after(now, min(backoff(p.failures, backoffWithoutToken, rand.Float64()), p.interval))
	}
}

// soon makes the next look-up earlier, because Entra or a signer refused a
// certificate.
func (p *poller) soon(now time.Time) {
	wait := max(p.started.Add(pollAfterRefusal).Sub(now), 0)
	if wait < p.due.left(now) {
		p.due = after(now, wait)
	}
}

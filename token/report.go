package token

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// end wakes everybody who waits for an outcome: a token in h, else failure, after
// which the next attempt comes at retry. Whoever is woken finds Status up to date.
func (l *loop) end(h *held, failure *Error, retry deadline) {
	s := l.snapshot()
	l.mu.Lock()
	defer l.mu.Unlock()
	if h != nil {
		l.held.Store(h)
	}
	l.busy, l.forced = false, false
	l.failure, l.retry = failure, retry
	l.show(s)
	close(l.round)
	l.round = make(chan struct{})
}

// publish makes the state visible to Status.
func (l *loop) publish() {
	s := l.snapshot()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.show(s)
}

// show needs the lock.
func (l *loop) show(s Status) {
	s.Err = l.failure
	s.NextRefresh = l.refresh.at
	if l.failure != nil {
		s.NextRefresh = l.retry.at
	}
	l.status = s
}

func (l *loop) snapshot() Status {
	s := Status{
		Expires:         l.grant.Expires,
		Claims:          l.grant.Claims,
		Active:          l.active.leafName(),
		Candidate:       l.candidate().leafName(),
		Fallback:        l.fallback(wall()).leafName(),
		Failures:        l.failures,
		LastToken:       l.obtained,
		CertificatesErr: l.pollErr,
		LastCertificate: l.pollSuccess,
		ClockSkew:       l.skew,
	}
	if c := l.candidate(); c != nil {
		s.CandidateErr = c.refusal
	}
	return s
}

// tellFailure logs a failed refresh once per change, and again every hour.
func (l *loop) tellFailure(now time.Time, err *Error, retry deadline, usable time.Duration) {
	level, effect := slog.LevelWarn, "none yet: the old token is still usable"
	if usable == 0 {
		level, effect = slog.LevelError, "requests fail: there is no usable token"
	}
	if l.refreshAlarm.rings(now, level.String()+err.key()) {
		l.cfg.Log.Log(context.Background(), level, "token refresh", "error", err.Error(), "class", err.Class, "aadsts", err.AADSTS,
			"failures", l.failures, "retry", retry.at, "effect", effect, "usable_for", usable.Round(time.Second))
	}
}

// judgeSkew tells when this machine's clock and Entra's part or meet again.
func (l *loop) judgeSkew(skew time.Duration) {
	l.skew = skew
	if !skewAlarm(skew, l.skewTold) {
		return
	}
	if skew.Abs() <= skewWarning {
		l.skewTold = 0
		l.cfg.Log.Info("clock agrees with Entra's again", "skew", skew)
		return
	}
	l.skewTold = skew
	l.cfg.Log.Warn("this machine's clock differs from Entra's; set it, or Entra and Exchange will refuse assertions and tokens", "skew", skew)
}

// judgeClaims warns about what Exchange will most likely refuse.
func (l *loop) judgeClaims(c Claims) {
	if c.FullAccess() {
		l.roleAlarm.clear()
		return
	}
	if l.roleAlarm.rings(wall(), "role") {
		l.cfg.Log.Warn("the token lacks the role full_access_as_app: Exchange will refuse it",
			"roles", clip(fmt.Sprint(c.Roles)), "audience", clip(c.Audience),
			"remedy", "grant the application permission full_access_as_app of Office 365 Exchange Online, with admin consent")
	}
}

// clip bounds what a token says for the log.
func clip(s string) string {
	const most = 200
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

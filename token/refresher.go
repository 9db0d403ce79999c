package token

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"
)

// A refresher is the state of Run's goroutine. Only that goroutine uses it. The
// state that is shared with callers is in the fields rounds and reloads of Keeper.
type refresher struct {
	keeper   *Keeper
	versions rotation
	poller   poller
	report   reporter

	grant    Grant    // the current token
	planned  deadline // time of the next refresh
	failures int      // number of consecutive failures
	obtained time.Time
	clock    clock
}

func newRefresher(k *Keeper) *refresher {
	r := &refresher{
		keeper: k,
		poller: newPoller(k.cfg.Certificates, k.cfg.PollInterval, k.cfg.Log),
		report: reporter{log: k.cfg.Log},
	}
	if k.cfg.ExperimentalAssertion != nil {
		k.cfg.Log.Warn("a federated credential takes the certificate's place: this is experimental", "application", k.cfg.ClientID)
		r.versions.list = []*version{{requester: r.newRequester(identity{federated: k.cfg.ExperimentalAssertion})}}
	}
	return r
}

// run runs the schedule until ctx ends.
func (r *refresher) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		r.step(ctx)
		timer.Reset(r.sleep(wall()))
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-r.keeper.wake:
		case result := <-r.poller.results:
			if ctx.Err() == nil {
				r.takePoll(wall(), result)
			}
		}
	}
}

// step performs all actions that are due.
func (r *refresher) step(ctx context.Context) {
	r.takeReload(wall())
	if now := wall(); r.poller.overdue(now) {
		r.takePoll(now, pollResult{err: errPollOverdue})
	}
	if now := wall(); r.poller.startIn(now) == 0 {
		r.poller.start(ctx, now)
	}
	if c := r.versions.candidate(); c != nil && r.mayProbe() && r.probeIn(wall(), c) == 0 {
		r.probe(ctx, c)
	}
	if len(r.versions.list) > 0 && r.refreshIn(wall()) == 0 {
		r.refresh(ctx)
	}
	r.keeper.rounds.publish(r.status())
}

// sleep returns the time until the next step is due.
func (r *refresher) sleep(now time.Time) time.Duration {
	d := min(maxSleep, r.poller.startIn(now))
	if wait, ok := r.keeper.reloads.dueIn(now); ok {
		d = min(d, wait)
	}
	if c := r.versions.candidate(); c != nil && r.mayProbe() {
		d = min(d, r.probeIn(now, c))
	}
	if len(r.versions.list) > 0 {
		d = min(d, r.refreshIn(now))
	}
	return max(d, minSleep)
}

func (r *refresher) refreshIn(now time.Time) time.Duration {
	return r.keeper.rounds.refreshIn(now, r.planned)
}

// takeReload makes all postponed actions due if a reload was requested and is due.
func (r *refresher) takeReload(now time.Time) {
	if !r.keeper.reloads.take(now) {
		return
	}
	r.keeper.rounds.endBackoff(r.usableFor(now) == 0)
	r.poller.due = deadline{}
	r.versions.probeAll()
}

// takePoll applies the result of a certificate look-up.
func (r *refresher) takePoll(now time.Time, result pollResult) {
	fresh, skipped := r.versions.merge(now, result.certs, r.newRequester)
	r.poller.finish(now, result, skipped, len(r.versions.list))
	if fresh {
		r.report.version(slog.LevelInfo, "new certificate found", r.versions.list[0])
		if r.failures > 0 {
			r.keeper.rounds.endBackoff(false)
		}
	}
	if len(r.versions.list) == 0 {
		err := r.poller.err
		r.keeper.rounds.fail(&Error{Class: Certificate, what: "no certificate to sign with: " + oneLine(err), cause: err}, r.poller.due, r.status())
	}
}

func (r *refresher) newRequester(id identity) *requester {
	return newRequester(r.keeper.cfg, r.keeper.client, id)
}

// refresh requests a token with the active certificate. If Entra refuses that
// certificate, refresh tries the other versions.
func (r *refresher) refresh(ctx context.Context) {
	reason := Scheduled
	if r.keeper.rounds.begin() {
		reason = Forced
	}
	var failure *Error
	for _, v := range r.versions.order(wall()) {
		grant, err := r.attempt(ctx, v, reason)
		if err == nil {
			r.succeed(v, grant)
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
		r.refused(v, err)
		r.poller.soon(wall())
	}
	r.fail(failure)
}

// probe tests whether Entra accepts c. If Entra issues a token for c, that token
// becomes the current token and c becomes active.
func (r *refresher) probe(ctx context.Context, c *version) {
	grant, err := r.attempt(ctx, c, Probe)
	switch {
	case err == nil:
		r.succeed(c, grant)
	case ctx.Err() != nil:
	case err.Class == Transient:
		c.inconclusive++
		c.probe = after(wall(), max(backoff(c.inconclusive, backoffProbe, rand.Float64()), err.RetryAfter))
	default:
		r.refused(c, err)
	}
}

// mayProbe reports whether a probe is useful now. While refreshes fail because
// of Entra or the network, a probe would fail too. While refreshes fail because
// of the certificate, each refresh tries the candidate anyway.
func (r *refresher) mayProbe() bool {
	if r.failures == 0 {
		return true
	}
	_, failure, _ := r.keeper.rounds.lastOutcome()
	return failure.Class == Configuration
}

// probeIn returns how long until c is probed.
func (r *refresher) probeIn(now time.Time, c *version) time.Duration {
	return max(c.probe.left(now), r.keeper.rounds.heldFor(now), c.notBefore().Sub(now))
}

// attempt requests one token. If Entra refuses the assertion's times and the
// clocks differ, it makes a second request with Entra's time.
func (r *refresher) attempt(ctx context.Context, v *version, reason Reason) (Grant, *Error) {
	grant, err := r.request(ctx, v, reason)
	if err != nil && err.AADSTS == aadstsTimeRange && r.clock.adjust(err) && ctx.Err() == nil {
		grant, err = r.request(ctx, v, reason)
	}
	return grant, err
}

// request makes one token request and records the clock and the Retry-After of
// the response.
func (r *refresher) request(ctx context.Context, v *version, reason Reason) (Grant, *Error) {
	start := time.Now()
	grant, err := v.requester.acquire(ctx, r.clock.correction)
	date, skew := grant.ServerDate, grant.ClockSkew
	if err != nil {
		date, skew = err.date, err.skew
		if err.RetryAfter > 0 {
			now := wall()
			r.keeper.rounds.holdUntil(after(now, min(err.RetryAfter, r.usableFor(now)+maxHoldWithoutToken)))
		}
	}
	if !date.IsZero() {
		r.clock.observe(skew, r.report.log)
	}
	if ctx.Err() == nil {
		r.keeper.cfg.Attempted(Attempt{reason, time.Since(start), err})
	}
	return grant, err
}

// usableFor returns how long callers will still get the current token.
func (r *refresher) usableFor(now time.Time) time.Duration {
	if t := r.keeper.rounds.token.Load(); t.usable(now) {
		return t.until.Sub(now)
	}
	return 0
}

// succeed makes the new token current and its certificate active.
func (r *refresher) succeed(v *version, grant Grant) {
	previous := r.versions.active
	r.versions.activate(v)
	failures := r.failures
	r.failures, r.grant, r.obtained = 0, grant, grant.obtained
	r.planned = after(grant.obtained, refreshDelay(grant.obtained, grant.Expires, grant.RefreshAt, 2*rand.Float64()-1))
	r.keeper.rounds.succeed(&servedToken{string(grant.Token), usableUntil(grant.obtained, grant.Expires)}, r.status())

	r.report.obtained(v, grant, r.planned, failures)
	if previous != v && v.leafName() != nil {
		r.report.version(slog.LevelInfo, "certificate accepted by Entra and in use", v)
	}
}

// fail records a failed refresh and plans the next attempt.
func (r *refresher) fail(err *Error) {
	now := wall()
	r.failures++
	usable := r.usableFor(now)
	retry := after(now, retryDelay(err, r.failures, usable, rand.Float64()))
	r.keeper.rounds.fail(err, retry, r.status())
	r.report.failed(now, err, retry, r.failures, usable)
}

// refused records that Entra refused v, or that v cannot sign, and plans its next
// probe.
func (r *refresher) refused(v *version, err *Error) {
	now := wall()
	v.refused(now, err)
	if v.alarm.raise(now, err.key()) {
		r.report.refused(v, err, r.keeper.cfg)
	}
}

// status returns the state for Keeper.Status.
func (r *refresher) status() Status {
	s := Status{
		Expires:         r.grant.Expires,
		NextRefresh:     r.planned.at,
		Claims:          r.grant.Claims,
		Active:          r.versions.active.leafName(),
		Candidate:       r.versions.candidate().leafName(),
		Fallback:        r.versions.fallback(wall()).leafName(),
		Failures:        r.failures,
		LastToken:       r.obtained,
		CertificatesErr: r.poller.err,
		LastCertificate: r.poller.lastSuccess,
		ClockSkew:       r.clock.skew,
	}
	if c := r.versions.candidate(); c != nil {
		s.CandidateErr = c.refusal
	}
	return s
}

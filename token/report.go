package token

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"hmaproxy/internal/printable"
)

// aadstsNotRegistered is Entra's code for a certificate that is not registered
// on the application. For other codes, registering the certificate does not help.
const aadstsNotRegistered = 700027

// A reporter writes the log lines of the refresher.
type reporter struct {
	log          *slog.Logger
	refreshAlarm logAlarm
	roleAlarm    logAlarm
}

// obtained logs a new token. It warns when the token lacks the role
// full_access_as_app, because Exchange will refuse such a token.
func (r *reporter) obtained(v *version, grant Grant, next deadline, failures int) {
	r.refreshAlarm.clear()
	c := grant.Claims
	r.log.Info("token obtained", "expires", grant.Expires, "refresh", next.at, "audience", printable.Truncate(c.Audience, maxClaim),
		"thumbprint", v.name.SHA1, "failures_before", failures)
	if c.FullAccess() {
		r.roleAlarm.clear()
		return
	}
	if r.roleAlarm.raise(wall(), "role") {
		r.log.Warn("the token lacks the role full_access_as_app: Exchange will refuse it",
			"roles", printable.Truncate(fmt.Sprint(c.Roles), maxClaim), "audience", printable.Truncate(c.Audience, maxClaim),
			"remedy", "grant the application permission full_access_as_app of Office 365 Exchange Online, with admin consent")
	}
}

// failed logs a failed refresh when the error changes, when the old token is no
// longer usable, and again every hour.
func (r *reporter) failed(now time.Time, err *Error, retry deadline, failures int, usable time.Duration) {
	level, effect := slog.LevelWarn, "none yet: the old token is still usable"
	if usable == 0 {
		level, effect = slog.LevelError, "requests fail: there is no usable token"
	}
	if r.refreshAlarm.raise(now, level.String()+err.key()) {
		r.log.Log(context.Background(), level, "token refresh failed", "error", err.Error(), "class", err.Class, "aadsts", err.AADSTS,
			"failures", failures, "retry", retry.at, "effect", effect, "usable_ms", usable.Milliseconds())
	}
}

// refused logs the refusal of v, which is a certificate or a federated
// credential. For a certificate, the log line contains the thumbprints. If there
// was no HTTP response, the line says that the certificate cannot be used.
func (r *reporter) refused(v *version, err *Error, cfg Config) {
	message := "certificate refused by Entra"
	switch {
	case v.leafName() == nil:
		r.log.Warn("federated credential refused by Entra", "application", cfg.ClientID, "tenant", cfg.TenantID, "error", err.Error())
		return
	case err.Status == 0:
		message = "certificate cannot be used"
	case err.AADSTS == aadstsNotRegistered:
		message = "certificate refused by Entra: register it on the application (Certificates & secrets) under this thumbprint"
	}
	r.version(slog.LevelWarn, message, v, "application", cfg.ClientID, "tenant", cfg.TenantID, "error", err.Error(), "probe_again", v.probe.at)
}

// version logs message with the names of v's certificate and with args.
func (r *reporter) version(level slog.Level, message string, v *version, args ...any) {
	args = append([]any{"subject", v.name.Subject, "thumbprint", v.name.SHA1, "thumbprint_sha256", v.name.SHA256, "not_after", v.name.NotAfter}, args...)
	r.log.Log(context.Background(), level, message, args...)
}

// maxClaim limits the text of a claim in the log, in bytes.
const maxClaim = 200

// A logAlarm decides when to log a lasting state: when it changes, and again
// every hour.
type logAlarm struct {
	key    string
	raised time.Time
}

const alarmReminder = time.Hour

// raise reports whether to log the state that key describes. It returns true if
// key has changed, or if the state has not been logged within alarmReminder.
func (a *logAlarm) raise(now time.Time, key string) bool {
	if key == a.key && now.Sub(a.raised).Abs() < alarmReminder {
		return false
	}
	a.key, a.raised = key, now
	return true
}

// clear resets the alarm and reports whether the alarm had been raised.
func (a *logAlarm) clear() bool {
	raised := a.key != ""
	*a = logAlarm{}
	return raised
}

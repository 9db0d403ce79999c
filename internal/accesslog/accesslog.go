// Package accesslog logs requests, with one line for each request. If many requests
// are refused or repeat a failure, it leaves out most of their lines and logs their
// number.
package accesslog

import (
	"context"
	"log/slog"
	"time"

	"hmaproxy/internal/logging"
	"hmaproxy/internal/outcome"
	"hmaproxy/proxy"
	"hmaproxy/proxy/ews"
)

// A Logger logs requests. It is safe for concurrent use.
type Logger struct {
	log       *slog.Logger
	thinned   map[proxy.Reason]thinned // by the reason of the request
	malformed *logging.Thinning
	repeats   *repeats
}

// A thinned describes the log lines about one reason. If there are many lines
// about a reason, most of the lines are left out.
type thinned struct {
	count   *logging.Thinning
	message string // message of the line with the number of lines left out
}

// Limits for the lines about one reason: a burst, then one line per interval.
// For guessed passwords and malformed requests the limits are lower, because
// these lines contain less information than the lines about other refusals.
const (
	refusalBurst        = 100
	refusalInterval     = time.Second
	credentialsBurst    = 10
	credentialsInterval = 10 * time.Second
	malformedBurst      = 10
	malformedInterval   = 10 * time.Second
)

// New returns a Logger that writes to log.
func New(log *slog.Logger) *Logger {
	l := &Logger{
		log: log, thinned: make(map[proxy.Reason]thinned), malformed: logging.NewThinning(malformedBurst, malformedInterval),
		repeats: &repeats{log: log, lines: make(map[repeat]*repeatedLine)},
	}
	for _, reason := range proxy.Reasons() {
		if reason.Class() == proxy.ClassRefused {
			l.thinned[reason] = thinned{logging.NewThinning(refusalBurst, refusalInterval), "refused requests were left out of this log"}
		}
	}
	l.thinned[proxy.ReasonCredentials] = thinned{
		logging.NewThinning(credentialsBurst, credentialsInterval), "requests without valid credentials were left out of this log",
	}
	return l
}

// Done logs a request that has ended. It leaves out most lines of frequent
// refusals with the same reason, and most repetitions of a failing request, and
// logs their number later.
func (l *Logger) Done(r *proxy.Record, o outcome.Outcome) {
	if kind, ok := l.thinned[r.Reason]; ok {
		omit, omitted := kind.count.Count()
		if omit {
			return
		}
		if omitted > 0 {
			message := kind.message
			l.log.Warn(message, "reason", r.Reason.String(), "count", omitted)
		}
	}
	if key, failed := repeatOf(r); failed && l.repeats.omit(key) {
		return
	}
	l.write(r, levelOf(r, o))
}

// Malformed logs a request that was refused with status because its head is
// malformed. It leaves out most lines when there are many such requests.
func (l *Logger) Malformed(remote string, status int, detail string) {
	if omit, omitted := l.malformed.Count(); !omit {
		l.log.Warn("malformed request refused", "remote", remote, "status", status, "detail", detail, "omitted", omitted)
	}
}

// Close logs the number of repetitions that were left out and not logged yet.
// Call it after the last request.
func (l *Logger) Close() { l.repeats.close() }

// levelOf returns WARN for requests that an operator may have to look into.
func levelOf(r *proxy.Record, o outcome.Outcome) slog.Level {
	if outcome.NeedsAttention(r, o) {
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

func (l *Logger) write(r *proxy.Record, level slog.Level) {
	ctx := context.Background()
	if !l.log.Enabled(ctx, level) {
		return
	}
	attrs := make([]slog.Attr, 0, 24)
	attrs = append(attrs, slog.String("id", r.ID), slog.String("remote", r.Remote))
	for _, s := range [...]struct{ key, value string }{
		{"client", r.Client}, {"operation", r.Operation}, {"mailbox", r.Mailbox}, {"mailbox_form", formOf(r)}, {"method", methodOf(r)},
		{"user_agent", r.Product}, {"asked_for", string(r.Asked)},
		{"reason", r.Reason.String()}, {"audit", r.Audit.String()}, {"detail", r.Detail},
		{"fault", string(r.Fault)}, {"exchange_request_id", r.RequestID}, {"front_end", r.FrontEnd},
	} {
		if s.value != "" {
			attrs = append(attrs, slog.String(s.key, s.value))
		}
	}
	attrs = append(attrs, slog.Int("status", r.Status), slog.Int("upstream", r.Upstream),
		slog.Int64("bytes_in", r.BytesIn), slog.Int64("bytes_out", r.BytesOut),
		slog.Float64("duration_ms", float64(r.Duration.Microseconds())/1000))
	// The record has no program counter, because log lines do not name their
	// place in the code. The methods of slog.Logger would determine this place,
	// which costs time.
	line := slog.NewRecord(time.Now(), level, logging.RequestMessage, 0)
	line.AddAttrs(append(attrs, rareAttrs(r)...)...)
	_ = l.log.Handler().Handle(ctx, line)
}

// formOf returns how the request names its mailbox, as the prefix of an
// allow-list entry ("upn" or "sid"). It returns "" for an SMTP address, which
// nearly all clients use.
func formOf(r *proxy.Record) string {
	switch r.Named {
	case ews.PrincipalName:
		return "upn"
	case ews.SID:
		return "sid"
	}
	return ""
}

// methodOf returns the method, or "" for POST, which nearly all requests use.
func methodOf(r *proxy.Record) string {
	if r.Method == "POST" {
		return ""
	}
	return r.Method
}

// rareAttrs returns the attributes that only few requests have.
func rareAttrs(r *proxy.Record) []slog.Attr {
	var attrs []slog.Attr
	for _, flag := range [...]struct {
		key string
		set bool
	}{{"injected", r.Injected}, {"push", r.Known == string(ews.PushSubscription)}, {"replayed", r.Replayed}, {"aborted", r.Aborted}} {
		if flag.set {
			attrs = append(attrs, slog.Bool(flag.key, true))
		}
	}
	if r.BackOff > 0 {
		attrs = append(attrs, slog.Int64("backoff_ms", r.BackOff.Milliseconds()))
	}
	if r.UnknownIDs > 0 {
		attrs = append(attrs, slog.Int("unknown_ids", r.UnknownIDs))
	}
	if r.Err != nil {
		attrs = append(attrs, slog.String("error", r.Err.Error()))
	}
	if d := r.Diagnosis; d != nil {
		attrs = append(attrs, slog.Group("diagnosis", "code", d.Code, "category", d.Category,
			"reason", d.Reason, "meaning", d.Meaning, "remedy", d.Remedy))
	}
	return attrs
}

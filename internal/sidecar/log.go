package sidecar

import (
	"context"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/lmittmann/tint"

	"hmaproxy/internal/config"
	"hmaproxy/proxy"
)

// NewLogger returns the logger that the configuration asks for. w is a
// terminal's or a program's. The lines of requests that were served are written
// together, a hundredth of a second late at most, anything else at once; call
// flush before w is closed.
func NewLogger(w io.Writer, c *config.Config) (log *slog.Logger, flush func() error) {
	l := &lines{w: w}
	return slog.New(promptHandler{handlerFor(l, isTerminal(w), c), l}), l.flush
}

func handlerFor(w io.Writer, terminal bool, c *config.Config) slog.Handler {
	if c.LogFormat == config.LogText || c.LogFormat == config.LogAuto && terminal {
		return tint.NewTextHandler(w, &tint.Options{
			Level:      c.LogLevel,
			TimeFormat: time.TimeOnly,
			NoColor:    !terminal || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb",
		})
	}
	return slog.NewJSONHandler(w, &slog.HandlerOptions{Level: c.LogLevel})
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// logRequest writes the one line of a request. What clients do every day, a
// handshake or leaving a stream, is no warning.
func logRequest(log *slog.Logger, r *proxy.Record, how outcome) {
	level := slog.LevelInfo
	if how == refused || how == failed || how == audited || r.Diagnosis != nil || r.Err != nil {
		level = slog.LevelWarn
	}
	ctx := context.Background()
	if !log.Enabled(ctx, level) {
		return
	}
	attrs := make([]slog.Attr, 0, 24)
	attrs = append(attrs, slog.String("id", r.ID), slog.String("remote", r.Remote))
	for _, s := range [...]struct{ key, value string }{
		{"client", r.Client}, {"operation", r.Operation}, {"mailbox", r.Mailbox}, {"method", method(r)},
		{"reason", r.Reason.String()}, {"audit", r.Audit.String()}, {"detail", r.Detail},
		{"exchange_request_id", r.RequestID}, {"front_end", r.FrontEnd},
	} {
		if s.value != "" {
			attrs = append(attrs, slog.String(s.key, s.value))
		}
	}
	attrs = append(attrs, slog.Int("status", r.Status), slog.Int("upstream", r.Upstream),
		slog.Int64("bytes_in", r.BytesIn), slog.Int64("bytes_out", r.BytesOut),
		slog.Float64("duration_ms", float64(r.Duration.Microseconds())/1000))
	log.LogAttrs(ctx, level, "request", append(attrs, unusual(r)...)...)
}

// method is worth a word only where it is not POST.
func method(r *proxy.Record) string {
	if r.Method == "POST" {
		return ""
	}
	return r.Method
}

// unusual returns what most requests do not have.
func unusual(r *proxy.Record) []slog.Attr {
	var attrs []slog.Attr
	for _, flag := range [...]struct {
		key string
		set bool
	}{{"injected", r.Injected}, {"replayed", r.Replayed}, {"aborted", r.Aborted}} {
		if flag.set {
			attrs = append(attrs, slog.Bool(flag.key, true))
		}
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

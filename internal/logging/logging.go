// Package logging opens the product's log: its format, its place and how its
// lines are buffered.
package logging

import (
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/lmittmann/tint"

	"hmaproxy/internal/config"
)

// RequestMessage is the message of the line that each request leaves. Lines with
// this message at the level INFO are written together.
const RequestMessage = "request"

// New returns the logger that the configuration asks for. It writes the lines of
// served requests together, at most 10 ms late, and all others at once. Call
// flush before w is closed.
func New(w io.Writer, c *config.Config) (log *slog.Logger, flush func() error) {
	l := &lines{w: w}
	return slog.New(promptHandler{newHandler(l, isTerminal(w), c), l}), l.flush
}

func newHandler(w io.Writer, terminal bool, c *config.Config) slog.Handler {
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

// Package logging opens the product's log. The package determines the format and
// the destination of the log, and queues the lines. A log that blocks or fails
// never blocks a caller.
package logging

import (
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/lmittmann/tint"

	"hmaproxy/internal/config"
)

// RequestMessage is the message of the log line about a request. Lines with
// this message at the level INFO are written together, at most 10 ms late.
const RequestMessage = "request"

// An Output is an open log.
type Output struct {
	queue *queue
	file  *file // nil: standard error
	log   *slog.Logger
}

// Open opens the configured log: the file of HMA_LOG_FILE, else stderr. It
// creates the file with mode 0600 and returns an error if the file cannot be
// opened.
func Open(c *config.Config, stderr io.Writer) (*Output, error) {
	o := &Output{}
	var w io.Writer = stderr
	if c.LogFile != "" {
		var err error
		if o.file, err = openFile(string(c.LogFile), stderr); err != nil {
			return nil, err
		}
		w = o.file
	}
	o.queue = newQueue(w, func(lines uint64) { o.log.Warn("log lines were dropped because the log was not read", "count", lines) })
	o.log = slog.New(promptHandler{newHandler(o.queue, o.file == nil && isTerminal(stderr), c), o.queue})
	return o, nil
}

// Logger returns the logger that writes to the output.
func (o *Output) Logger() *slog.Logger { return o.log }

// Close writes the queued lines and closes the file. It waits for at most a
// second for a log that blocks.
func (o *Output) Close() {
	if o.queue.close() && o.file != nil {
		o.file.close()
	}
}

// A State is the state of an Output at one moment.
type State struct {
	Dropped uint64    // number of lines dropped since the start because the queue was full
	Last    time.Time // time when the latest line was dropped; zero: never
	Blocked bool      // a write has not ended for several seconds
	FileErr error     // error of the latest write to the file; nil: it succeeded
}

// State returns the current state of the output. It never blocks.
func (o *Output) State() State {
	var s State
	s.Dropped, s.Last, s.Blocked = o.queue.state()
	if o.file != nil {
		s.FileErr = o.file.lastError()
	}
	return s
}

func newHandler(w io.Writer, terminal bool, c *config.Config) slog.Handler {
	if c.LogFormat == config.LogText || c.LogFormat == config.LogAuto && terminal {
		return tint.NewTextHandler(w, &tint.Options{
			Level:      c.LogLevel,
			TimeFormat: time.TimeOnly,
			NoColor:    !terminal || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb",
		})
	}
	return requestHandler{slog.NewJSONHandler(w, &slog.HandlerOptions{Level: c.LogLevel}), w}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

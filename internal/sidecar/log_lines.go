package sidecar

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"
)

// Bounds on what a log holds back.
const (
	linesWait = 10 * time.Millisecond // a write for each line would be a good part of what a request costs
	linesHeld = 32 << 10              // bytes
)

// lines gathers lines of a log that are in no hurry. It is safe for concurrent
// use.
type lines struct {
	w io.Writer

	mu    sync.Mutex
	held  []byte
	timer *time.Timer
}

// Write takes a line, and writes it with others after linesWait at the latest.
func (l *lines) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.held) == 0 {
		l.arm()
	}
	l.held = append(l.held, line...)
	if len(l.held) >= linesHeld {
		return len(line), l.write()
	}
	return len(line), nil
}

func (l *lines) flush() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.write()
}

// The following are called with l.mu held.

func (l *lines) arm() {
	if l.timer == nil {
		l.timer = time.AfterFunc(linesWait, func() { _ = l.flush() })
		return
	}
	l.timer.Reset(linesWait)
}

func (l *lines) write() error {
	if len(l.held) == 0 {
		return nil
	}
	l.timer.Stop()
	_, err := l.w.Write(l.held)
	l.held = l.held[:0]
	return err
}

// A promptHandler writes at once, with all that came before, what is not the
// line of a request that went as requests go every day.
type promptHandler struct {
	slog.Handler
	lines *lines
}

func (h promptHandler) Handle(ctx context.Context, r slog.Record) error {
	err := h.Handler.Handle(ctx, r)
	if r.Level == slog.LevelInfo && r.Message == "request" {
		return err
	}
	if failed := h.lines.flush(); err == nil {
		err = failed
	}
	return err
}

func (h promptHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return promptHandler{h.Handler.WithAttrs(attrs), h.lines}
}

func (h promptHandler) WithGroup(name string) slog.Handler {
	return promptHandler{h.Handler.WithGroup(name), h.lines}
}

package logging

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"
)

// Bounds on buffered lines.
const (
	maxDelay    = 10 * time.Millisecond // a write for each line would be a large part of a request's cost
	maxBuffered = 32 << 10              // bytes
)

// lines buffers lines of a log and writes them together. It is safe for
// concurrent use.
type lines struct {
	w io.Writer

	mu     sync.Mutex
	buffer []byte
	timer  *time.Timer
}

// Write buffers a line for at most maxDelay.
func (l *lines) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.buffer) == 0 {
		l.startTimer()
	}
	l.buffer = append(l.buffer, line...)
	if len(l.buffer) >= maxBuffered {
		return len(line), l.write()
	}
	return len(line), nil
}

func (l *lines) flush() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.write()
}

// startTimer starts the delay. The caller holds l.mu.
func (l *lines) startTimer() {
	if l.timer == nil {
		l.timer = time.AfterFunc(maxDelay, func() { _ = l.flush() })
		return
	}
	l.timer.Reset(maxDelay)
}

// write writes the buffered lines. The caller holds l.mu.
func (l *lines) write() error {
	if len(l.buffer) == 0 {
		return nil
	}
	l.timer.Stop()
	_, err := l.w.Write(l.buffer)
	l.buffer = l.buffer[:0]
	return err
}

// A promptHandler writes every line at once, with the buffered ones before it,
// except the lines of served requests.
type promptHandler struct {
	slog.Handler
	lines *lines
}

func (h promptHandler) Handle(ctx context.Context, r slog.Record) error {
	err := h.Handler.Handle(ctx, r)
	if r.Level == slog.LevelInfo && r.Message == RequestMessage {
		return err
	}
	if flushErr := h.lines.flush(); err == nil {
		err = flushErr
	}
	return err
}

func (h promptHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return promptHandler{h.Handler.WithAttrs(attrs), h.lines}
}

func (h promptHandler) WithGroup(name string) slog.Handler {
	return promptHandler{h.Handler.WithGroup(name), h.lines}
}

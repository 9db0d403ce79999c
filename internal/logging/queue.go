package logging

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"
)

// Limits for lines that are not written yet.
const (
	maxDelay    = 10 * time.Millisecond // lines wait this long, because writing each line separately would be a large part of a request's cost
	writeSize   = 32 << 10              // bytes after which lines are written without waiting for maxDelay
	maxQueued   = 1 << 20               // limit for the queued lines, in bytes; further lines are dropped
	closeWait   = time.Second           // wait for the last lines at the end of the process
	blockedTime = 5 * time.Second       // a write that takes longer counts as blocked
)

// A queue writes lines in its own goroutine, so that a log that blocks never
// blocks a caller. It is safe for concurrent use.
type queue struct {
	w io.Writer
	// onDrop is called after a write if lines were dropped since the previous
	// call. lines is their number.
	onDrop func(lines uint64)
	wake   chan struct{} // receives a value when the lines must be written
	end    chan struct{} // closed by close
	done   chan struct{} // closed when all lines are written after close

	mu     sync.Mutex
	buffer []byte // complete lines, at most maxQueued bytes
	spare  []byte // memory for the next buffer
	timer  *time.Timer
	since  time.Time // time when the write in progress began; zero: there is none
	drops  drops
}

// The type "drops" counts the lines that were dropped because the queue was
// full.
type drops struct {
	total    uint64    // since the start
	reported uint64    // lines that a log line has already reported
	last     time.Time // time of the latest dropped line
}

// add counts a dropped line.
func (d *drops) add() {
	d.total++
	d.last = time.Now()
}

// report returns the number of lines dropped since the last call.
func (d *drops) report() uint64 {
	n := d.total - d.reported
	d.reported = d.total
	return n
}

func newQueue(w io.Writer, onDrop func(lines uint64)) *queue {
	q := &queue{w: w, onDrop: onDrop, wake: make(chan struct{}, 1), end: make(chan struct{}), done: make(chan struct{})}
	go q.run()
	return q
}

// Write queues a line. It never blocks, and drops the line when the queue is
// full.
func (q *queue) Write(line []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.buffer)+len(line) > maxQueued {
		q.drops.add()
		return len(line), nil
	}
	if len(q.buffer) == 0 {
		q.startTimer()
	}
	q.buffer = append(q.buffer, line...)
	if len(q.buffer) >= writeSize {
		q.flush()
	}
	return len(line), nil
}

// startTimer starts the delay after which the queued lines are written. Only lines
// about served requests wait so long; see promptHandler. The caller holds q.mu.
func (q *queue) startTimer() {
	if q.timer == nil {
		q.timer = time.AfterFunc(maxDelay, q.flush)
		return
	}
	q.timer.Reset(maxDelay)
}

// flush causes the queued lines to be written now. It does not wait.
func (q *queue) flush() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// run writes lines until close is called, and then the rest.
func (q *queue) run() {
	defer close(q.done)
	for {
		select {
		case <-q.wake:
			q.write()
			if n := q.newlyDropped(); n > 0 {
				q.onDrop(n)
			}
		case <-q.end:
			q.write()
			return
		}
	}
}

// write writes the queued lines. Lines that cannot be written are lost.
func (q *queue) write() {
	q.mu.Lock()
	lines := q.buffer
	q.buffer, q.spare = q.spare[:0], nil
	if q.timer != nil {
		q.timer.Stop()
	}
	if len(lines) > 0 {
		q.since = time.Now()
	}
	q.mu.Unlock()
	if len(lines) > 0 {
		_, _ = q.w.Write(lines)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.since = time.Time{}
	if cap(lines) <= 2*writeSize { // do not reuse a larger buffer, which grew while a write was blocked
		q.spare = lines
	}
}

func (q *queue) newlyDropped() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.drops.report()
}

// close writes the remaining lines and reports whether it has written them. It
// waits for at most closeWait for a log that blocks. Call it once.
func (q *queue) close() bool {
	close(q.end)
	timeout := time.NewTimer(closeWait)
	defer timeout.Stop()
	select {
	case <-q.done:
		return true
	case <-timeout.C:
		return false
	}
}

// state returns the number of dropped lines, the time of the latest one, and
// whether a write blocks.
func (q *queue) state() (dropped uint64, last time.Time, blocked bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.drops.total, q.drops.last, !q.since.IsZero() && time.Since(q.since) > blockedTime
}

// A promptHandler flushes the queue after every line, except after lines about
// served requests.
type promptHandler struct {
	slog.Handler
	queue *queue
}

func (h promptHandler) Handle(ctx context.Context, r slog.Record) error {
	err := h.Handler.Handle(ctx, r)
	if r.Level != slog.LevelInfo || r.Message != RequestMessage {
		h.queue.flush()
	}
	return err
}

func (h promptHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return promptHandler{h.Handler.WithAttrs(attrs), h.queue}
}

func (h promptHandler) WithGroup(name string) slog.Handler {
	return promptHandler{h.Handler.WithGroup(name), h.queue}
}

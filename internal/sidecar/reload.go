package sidecar

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// A reloader looks again and again at files that a variable names, and takes up
// what has changed. What it cannot take up leaves the old in force and raises an
// alarm.
type reloader struct {
	variable string // "HMA_CLIENT_USERS_FILE"
	// take reads the files and puts what they hold in force; it reports whether
	// that is something new.
	take  func() (changed bool, err error)
	log   *slog.Logger
	alarm atomic.Pointer[string] // why the files could not be taken up; nil: they could

	looking sync.Mutex // one look at a time; nothing else waits for it
	suspect string     // the error of the last look, "" after a good one
}

// watch looks at the files until ctx ends.
func (r *reloader) watch(ctx context.Context) { poll(ctx, r.look) }

// poll calls look every listPoll until ctx ends.
func poll(ctx context.Context, look func()) {
	tick := time.NewTicker(listPoll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			look()
		}
	}
}

// look looks once. An error counts when the next look meets it too: two files
// are not replaced in one moment, and editors write in pieces.
func (r *reloader) look() {
	r.looking.Lock()
	defer r.looking.Unlock()
	changed, err := r.take()
	if err != nil {
		r.complain(err.Error())
		return
	}
	r.suspect = ""
	if r.alarm.Swap(nil) != nil {
		r.log.Info("file is readable again", "variable", r.variable)
	}
	if changed {
		r.log.Info("changed file taken up", "variable", r.variable)
	}
}

// complain raises the alarm, in the log once for each new reason.
func (r *reloader) complain(text string) {
	if text != r.suspect {
		r.suspect = text
		return
	}
	if old := r.alarm.Swap(&text); old == nil || *old != text {
		r.log.Error("changed file not taken up, what was read before stays in force", "variable", r.variable, "error", text)
	}
}

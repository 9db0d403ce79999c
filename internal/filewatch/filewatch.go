// Package filewatch reloads files that may change while the product runs: the
// allow-list, the client users and the TLS key pair.
//
// Files are polled, because files that Kubernetes mounts change without a
// notification that a program could rely on.
package filewatch

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"
)

const (
	// Interval is the time between two checks of the files.
	Interval = 5 * time.Second
	// loadTimeout limits how long a check waits for the files to be read. A read
	// from a hung network file system or a FIFO can block for ever.
	loadTimeout = 10 * time.Second
	// settleTime is the time since the last write to a file after which the
	// file's size and time identify its content. Before, a second write may leave
	// size and time unchanged, because file systems record times with a limited
	// resolution.
	settleTime = 2 * time.Second
)

// errTimeout is the error of a check whose read did not end in time.
var errTimeout = errors.New("reading it has not ended within 10 seconds")

// Config says which files to watch.
type Config struct {
	// Variable is the setting that names the files, such as "HMA_CLIENT_USERS_FILE". It
	// identifies them in logs, alarms and metrics.
	Variable string
	// Paths are the files. Run does not call Load while size, modification time and
	// identity of all files are unchanged. Without paths, Run always calls Load.
	Paths []string
	// Load reads the files and makes their content current. It reports whether
	// the content is new. After an error the previous content stays current.
	// Calls do not overlap. It may block.
	Load func() (changed bool, err error)
	// Log receives one line for each change of state. Required.
	Log *slog.Logger
}

// A Watcher reloads files. It is safe for concurrent use.
type Watcher struct {
	config Config

	mu       sync.Mutex
	previous string        // the error of the latest check, "" after a successful check
	err      error         // why the alarm is raised; nil: no alarm
	pending  *load         // a load whose result was not reported yet; nil: no such load
	seen     []fs.FileInfo // state of the files when the current content was read; nil: unknown
}

// A load is one call of Config.Load. The other fields are set once done is
// closed.
type load struct {
	done    chan struct{}
	changed bool
	err     error
	seen    []fs.FileInfo // state of the files when they were read; nil: unknown
}

// New returns a Watcher. It does not read the files: the caller has loaded their
// content before.
func New(config Config) *Watcher { return &Watcher{config: config} }

// Variable returns the setting that names the files.
func (w *Watcher) Variable() string { return w.config.Variable }

// Err returns why the content of the files is not current, or nil if the content
// is current. It returns an error only after two consecutive failed checks. One
// failed check is normal, because the two files of a pair are not replaced at one
// moment, and editors write a file in several steps.
func (w *Watcher) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// Run checks the files every Interval until ctx ends.
func (w *Watcher) Run(ctx context.Context) {
	tick := time.NewTicker(Interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			w.check(ctx, false)
		}
	}
}

// Reload reads the files now, even if they seem unchanged. It returns when
// their content is current or refused, after 10 seconds, or when ctx ends.
func (w *Watcher) Reload(ctx context.Context) { w.check(ctx, true) }

func (w *Watcher) check(ctx context.Context, force bool) {
	timeout := time.NewTimer(loadTimeout)
	defer timeout.Stop()
	l := w.start(force)
	select {
	case <-l.done:
		w.finish(l)
	case <-timeout.C:
		w.report(false, errTimeout)
	case <-ctx.Done():
	}
}

// start starts to read the files and returns the load. If an earlier load is
// pending, start returns that load instead.
func (w *Watcher) start(force bool) *load {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.pending == nil {
		l, before := &load{done: make(chan struct{})}, w.seen
		if force {
			before = nil
		}
		w.pending = l
		go func() {
			defer close(l.done)
			w.read(l, before)
		}()
	}
	return w.pending
}

// read reads the files and sets the fields of l. before is the state of the
// files at the previous read. If before is nil, the files are read even if they
// are unchanged.
func (w *Watcher) read(l *load, before []fs.FileInfo) {
	now := stat(w.config.Paths)
	if unchanged(before, now) {
		l.seen = before
		return
	}
	l.changed, l.err = w.config.Load()
	if l.err == nil && settled(now, time.Now()) {
		l.seen = now
	}
}

// finish uses the result of l, which has ended. Further calls for l have no
// effect.
func (w *Watcher) finish(l *load) {
	w.mu.Lock()
	first := w.pending == l
	if first {
		w.pending, w.seen = nil, l.seen
	}
	w.mu.Unlock()
	if first {
		w.report(l.changed, l.err)
	}
}

// report sets the alarm and logs a change of state.
func (w *Watcher) report(changed bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil {
		if w.err != nil {
			w.config.Log.Info("file is readable again", "variable", w.config.Variable)
		}
		if changed {
			w.config.Log.Info("changed file reloaded", "variable", w.config.Variable)
		}
		w.previous, w.err = "", nil
		return
	}
	text := err.Error()
	confirmed := w.previous != ""
	w.previous = text
	if !confirmed {
		return
	}
	if w.err == nil || w.err.Error() != text {
		w.config.Log.Error("changed file not reloaded, the previous content stays in force", "variable", w.config.Variable, "error", text)
	}
	w.err = err
}

// stat returns the state of the files, or nil if any file cannot be examined.
func stat(paths []string) []fs.FileInfo {
	var infos []fs.FileInfo
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil
		}
		infos = append(infos, info)
	}
	return infos
}

func unchanged(before, now []fs.FileInfo) bool {
	if len(before) == 0 || len(before) != len(now) {
		return false
	}
	for i := range now {
		if before[i].Size() != now[i].Size() || !before[i].ModTime().Equal(now[i].ModTime()) || !os.SameFile(before[i], now[i]) {
			return false
		}
	}
	return true
}

// settled reports whether the last write of every file was at least settleTime
// ago.
func settled(infos []fs.FileInfo, now time.Time) bool {
	for _, info := range infos {
		if now.Sub(info.ModTime()) < settleTime {
			return false
		}
	}
	return true
}

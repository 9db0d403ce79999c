package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// A demand is what a service manager asks for.
type demand int

const (
	demandReport demand = iota // to be told the state again
	demandReload
	demandStop
)

// A condition is what a service manager is told.
type condition int

const (
	conditionStarting condition = iota
	conditionRunning
	conditionStopping // told again and again, or the manager takes the service for dead
)

// stillStopping is how often a service manager is told that the end takes time.
const stillStopping = 2 * time.Second

// A manager is what a service is under: that of Windows, or a test's.
type manager struct {
	demands <-chan demand
	report  func(condition) // tells it
}

// supervise runs serve until it ends, and returns its error. It does what is
// demanded, and reports every change of condition.
func (m manager) supervise(ctx context.Context, w world, serve func(context.Context, world) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	started, reload, done := make(chan struct{}), make(chan struct{}, 1), make(chan error, 1)
	w.started = func() { close(started) }
	w.reload = func(context.Context) <-chan struct{} { return reload }
	m.report(conditionStarting)
	go func() { done <- serve(ctx, w) }()

	now := conditionStarting
	tick := time.NewTicker(stillStopping)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			return err
		case <-started:
			started = nil
			now = max(now, conditionRunning)
			m.report(now)
		case <-tick.C:
			if now == conditionStopping {
				m.report(now)
			}
		case d := <-m.demands:
			now = max(now, obey(d, cancel, reload))
			m.report(now)
		}
	}
}

// obey does what is demanded and returns the least condition that follows from it.
func obey(d demand, stop func(), reload chan<- struct{}) condition {
	switch d {
	case demandStop:
		stop()
		return conditionStopping
	case demandReload:
		select {
		case reload <- struct{}{}:
		default: // one is waiting to be done already
		}
	}
	return conditionStarting
}

// An eventLog is Windows' own, or a test's.
type eventLog interface {
	Info(id uint32, text string) error
	Warning(id uint32, text string) error
	Error(id uint32, text string) error
}

// Event ids are what administrators filter by.
const (
	eventLifecycle = 1
	eventWarning   = 2
	eventError     = 3
)

// maxEvent is less than an event can hold.
const maxEvent = 16 << 10

// eventHandler returns a handler that puts starts, stops, warnings and errors
// into the Event Log. Requests, refused ones too, stay out of it: they would
// push everything else out.
func eventHandler(log eventLog) slog.Handler { return events{log: log} }

type events struct {
	log   eventLog
	attrs []slog.Attr
}

var lifecycle = map[string]bool{"started": true, "stopping": true, "stopped": true}

func (e events) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

func (e events) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "request" || r.Level < slog.LevelWarn && !lifecycle[r.Message] {
		return nil
	}
	var text strings.Builder
	text.WriteString(r.Message)
	write := func(a slog.Attr) bool {
		fmt.Fprintf(&text, "\n%s: %v", a.Key, a.Value.Resolve())
		return text.Len() < maxEvent
	}
	for _, a := range e.attrs {
		write(a)
	}
	r.Attrs(write)
	return e.put(r.Level, text.String())
}

func (e events) put(level slog.Level, text string) error {
	text = strings.ReplaceAll(text[:min(len(text), maxEvent)], "\x00", " ")
	switch {
	case level >= slog.LevelError:
		return e.log.Error(eventError, text)
	case level >= slog.LevelWarn:
		return e.log.Warning(eventWarning, text)
	}
	return e.log.Info(eventLifecycle, text)
}

func (e events) WithAttrs(attrs []slog.Attr) slog.Handler {
	e.attrs = append(e.attrs[:len(e.attrs):len(e.attrs)], attrs...)
	return e
}

// WithGroup keeps names as they are: no logger of this program groups all of
// its attributes.
func (e events) WithGroup(string) slog.Handler { return e }

// serviceVerb takes the verb off the arguments, and reads the flags behind it.
func serviceVerb(f *flags) (string, error) {
	if f.set.NArg() == 0 {
		return "", usageError{errors.New("service: one of install, remove, start, stop is required; run hmaproxy service -help")}
	}
	verb := f.set.Arg(0)
	if err := f.set.Parse(f.set.Args()[1:]); err != nil {
		return "", usageError{fmt.Errorf("service %s: %w; run hmaproxy service -help", verb, err)}
	}
	if f.set.NArg() > 0 {
		return "", usageError{fmt.Errorf("service %s takes no arguments, only -env-file", verb)}
	}
	if takesFile := verb == "install" || verb == "run"; takesFile && f.envFile == "" {
		return "", usageError{fmt.Errorf("service %s: -env-file is required: a service has no settings of its own otherwise", verb)}
	}
	return verb, nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

func serviceCommand() command {
	return command{
		name:     "service",
		summary:  "be a Windows service (Windows only)",
		synopsis: []string{"service install -env-file FILE", "service remove | start | stop"},
		about: `Makes hmaproxy a Windows service. install registers this program file to start with Windows,
under the account NT SERVICE\hmaproxy, which exists for it alone, with the settings of FILE; it
reads nothing from FILE yet, and starts nothing. Windows restarts the service when it fails while
running, but not after a mistake in the settings. remove stops it and removes the registration;
files stay.

FILE should set HMA_LOG_FILE, because a service has no standard error. Starts, stops, warnings and
errors go to the Event Log too, with the source "hmaproxy". "sc.exe control hmaproxy paramchange"
makes the service reread files and certificates immediately.

Windows itself runs "hmaproxy service run -env-file FILE".`,
		flags:    []option{envFileOption()},
		argument: "VERB", choices: []string{"install", "remove", "start", "stop"}, maxArgs: anyNumber,
		exits: []exit{{exitStopped, "done"}, {exitFailed, "Windows refused"}},
		run:   runServiceCommand,
	}
}

// A control is a request of a service manager.
type control int

const (
	controlReport control = iota // report the state again
	controlReload
	controlStop
)

// A state is the state of the service, as it is reported to a service manager.
type state int

const (
	stateStarting state = iota
	stateRunning
	stateStopping // must be reported repeatedly; otherwise the manager considers the service hung
)

// stoppingInterval is the time between two reports of stateStopping.
const stoppingInterval = 2 * time.Second

// A manager represents the service manager of Windows, or a test in its place.
type manager struct {
	controls <-chan control
	report   func(state)
}

// supervise runs the function serve until it ends and returns its error. It carries
// out the controls. It reports the state when it changes, after each control, and
// every stoppingInterval while the service stops.
func (m manager) supervise(ctx context.Context, serve func(context.Context, supervision) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	started, reload, done := make(chan struct{}), make(chan struct{}, 1), make(chan error, 1)
	s := supervision{started: func() { close(started) }, reload: reload}
	m.report(stateStarting)
	go func() { done <- serve(ctx, s) }()

	now := stateStarting
	tick := time.NewTicker(stoppingInterval)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			return err
		case <-started:
			started = nil
			now = max(now, stateRunning)
			m.report(now)
		case <-tick.C:
			if now == stateStopping {
				m.report(now)
			}
		case c := <-m.controls:
			now = max(now, obey(c, cancel, reload))
			m.report(now)
		}
	}
}

// obey carries out a control and returns the lowest state that may be reported
// after the control: stateStopping after controlStop, stateStarting after the
// other controls.
func obey(c control, stop func(), reload chan<- struct{}) state {
	switch c {
	case controlStop:
		stop()
		return stateStopping
	case controlReload:
		select {
		case reload <- struct{}{}:
		default: // a reload is pending already
		}
	}
	return stateStarting
}

// An eventLog is the Event Log of Windows, or a test's replacement for it.
type eventLog interface {
	Info(id uint32, text string) error
	Warning(id uint32, text string) error
	Error(id uint32, text string) error
}

// Event ids, by which administrators filter.
const (
	eventLifecycle = 1
	eventWarning   = 2
	eventError     = 3
)

// maxEvent is the maximum length of an event's text in bytes. It is below the
// limit of the Event Log.
const maxEvent = 16 << 10

// eventHandler returns a handler that writes starts, stops, warnings and errors
// to the Event Log. It does not write the log lines about requests, not even about
// refused requests, because they would displace all other events.
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

// WithGroup returns e unchanged, because no logger of this program uses
// WithGroup.
func (e events) WithGroup(string) slog.Handler { return e }

// serviceVerb returns the first argument. It parses the flags that follow the
// argument.
func serviceVerb(inv *invocation) (string, error) {
	if len(inv.args) == 0 {
		return "", usageError{errors.New("service: one of install, remove, start, stop is required; run hmaproxy service -help")}
	}
	verb := inv.args[0]
	rest, err := serviceCommand().parse(&inv.options, inv.args[1:])
	switch {
	case err != nil:
		return "", usageError{fmt.Errorf("service %s: %w; run hmaproxy service -help", verb, err)}
	case len(rest) > 0:
		return "", usageError{fmt.Errorf("service %s takes no arguments, only -env-file", verb)}
	case (verb == "install" || verb == "run") && inv.envFile == "":
		return "", usageError{fmt.Errorf("service %s: -env-file is required: a service has no settings of its own otherwise", verb)}
	}
	return verb, nil
}

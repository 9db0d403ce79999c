package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"hmaproxy/internal/app"
	"hmaproxy/internal/config"
	"hmaproxy/internal/listener"
	"hmaproxy/internal/logging"
	"hmaproxy/internal/process"
	"hmaproxy/internal/sdnotify"
)

// A supervision connects the command serve with a service manager. Without a
// service manager it has its zero value.
type supervision struct {
	reload  <-chan struct{} // requests to reload files and certificates; nil: no requests
	started func()          // called once the listeners are open; may be nil
	events  slog.Handler    // receives a copy of every log record; may be nil
}

func runServe(ctx context.Context, inv *invocation) error {
	return serve(ctx, inv, supervision{reload: hangups(ctx)})
}

// hangups returns a channel that receives a value after a SIGHUP, until ctx ends.
// Signals that arrive during a reload are combined.
func hangups(ctx context.Context) <-chan struct{} {
	signals, reload := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(signals, syscall.SIGHUP)
	go func() {
		for range signals {
			select {
			case reload <- struct{}{}:
			case <-ctx.Done(): // after ctx has ended, SIGHUP is ignored while the requests in progress finish
			}
		}
	}()
	return reload
}

// serve loads the configuration and serves until ctx ends.
func serve(ctx context.Context, inv *invocation, s supervision) error {
	exposed := process.Harden() // before the process reads secrets
	process.TuneRuntime()
	go process.ReleaseMemory(ctx)
	c, err := inv.load()
	if err != nil {
		return explainNothingSet(inv, err)
	}
	for _, name := range c.SecretVariables() {
		_ = os.Unsetenv(name) // so that child processes and crash reports do not contain the secrets
	}
	sockets, err := listener.Inherited(c.ListenAddresses())
	if err != nil {
		return settingsError{err}
	}
	output, err := logging.Open(c, inv.err)
	if err != nil {
		return settingsError{err}
	}
	defer output.Close()
	log := output.Logger()
	if s.events != nil {
		log = slog.New(slog.NewMultiHandler(log.Handler(), s.events))
	}
	if exposed != nil {
		log.Warn("memory protection unavailable", slog.String("error", exposed.Error()))
	}
	o := app.Options{Config: c, Log: log, Listen: sockets, Version: version(), Notify: sdnotify.New(config.Lookup(inv.environ, "NOTIFY_SOCKET")), Reload: s.reload, LogState: output.State}
	if s.started != nil {
		o.Started = func([]net.Addr, net.Addr) { s.started() }
	}
	err = app.Run(ctx, o)
	if err != nil {
		log.Error("ended", slog.String("error", err.Error()))
	}
	return err
}

// explainNothingSet adds the first steps to err if no setting is set at all.
func explainNothingSet(inv *invocation, err error) error {
	for _, entry := range inv.environ {
		if strings.HasPrefix(entry, "HMA_") {
			return err
		}
	}
	if inv.envFile != "" {
		return err
	}
	return settingsError{errors.Join(err, errors.New("no setting is set: pass a file of settings with -env-file FILE. \"hmaproxy init\" writes one, and the README says where the values come from"))}
}

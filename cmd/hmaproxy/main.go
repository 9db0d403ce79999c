// Command hmaproxy lets software that speaks Exchange Web Services without
// modern authentication work with an Exchange Server that demands it. Run
// "hmaproxy -help" for its commands and settings.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	log.SetOutput(io.Discard) // net/http quotes there what peers have sent; our own log is another
	err := run(untilToldToStop(), os.Args[1:], world{
		environ: os.Environ(),
		unset:   os.Unsetenv,
		stdin:   os.Stdin,
		stdout:  os.Stdout,
		stderr:  os.Stderr,
		reload:  hangups,
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "hmaproxy:", err)
	}
	os.Exit(exitCode(err))
}

// untilToldToStop returns a context that a first SIGTERM or interrupt ends. A
// second one ends the process at once.
func untilToldToStop() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		cancel()
		<-signals
		os.Exit(exitFailed)
	}()
	return ctx
}

// hangups passes SIGHUP on until ctx ends. Commands that do not call it end by
// that signal, as anything does whose terminal was closed.
func hangups(ctx context.Context) <-chan struct{} {
	signals, asked := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(signals, syscall.SIGHUP)
	go func() {
		for range signals {
			select {
			case asked <- struct{}{}:
			case <-ctx.Done(): // one that comes while requests finish is no reason to end at once
			}
		}
	}()
	return asked
}

// Exit codes are part of the contract: supervisors restart on 1 and must not
// on 2.
const (
	exitStopped       = 0
	exitFailed        = 1
	exitConfiguration = 2
)

// A usageError is a mistake in the command line or in the configuration.
type usageError struct{ error }

func exitCode(err error) int {
	var usage usageError
	switch {
	case err == nil:
		return exitStopped
	case errors.As(err, &usage):
		return exitConfiguration
	}
	return exitFailed
}

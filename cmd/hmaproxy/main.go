// Command hmaproxy lets software that speaks Exchange Web Services without
// modern authentication work with an Exchange Server that requires it. Run
// "hmaproxy -h" for its commands and "hmaproxy help settings" for its settings.
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
	log.SetOutput(io.Discard)      // net/http writes there what peers have sent; this program has a log of its own
	signal.Ignore(syscall.SIGPIPE) // a reader of the log that ends must not end this process, which systemd would call a clean stop
	err := run(untilStopped(), os.Args[1:], os.Environ(), stdio{os.Stdin, os.Stdout, os.Stderr})
	if err != nil {
		fmt.Fprintln(os.Stderr, "hmaproxy:", err)
	}
	os.Exit(exitCode(err))
}

// untilStopped returns a context that ends at the first SIGTERM or interrupt.
// The second one ends the process at once.
func untilStopped() context.Context {
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

// Exit codes are part of the contract. Supervisors restart after exitFailed and
// must not after exitSettings. 2 cannot be the latter, because Go ends with it
// after a panic.
const (
	exitStopped  = 0
	exitFailed   = 1
	exitUsage    = 2
	exitSettings = 78 // EX_CONFIG of sysexits.h
)

// A usageError is a mistake in the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// A settingsError is a mistake in the settings.
type settingsError struct{ error }

func (e settingsError) Unwrap() error { return e.error }

func exitCode(err error) int {
	switch {
	case err == nil:
		return exitStopped
	case errors.As(err, new(usageError)):
		return exitUsage
	case errors.As(err, new(settingsError)):
		return exitSettings
	}
	return exitFailed
}

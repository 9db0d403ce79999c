// Command hmaproxy connects EWS clients that do not support modern
// authentication to an Exchange Server that requires it. Run "hmaproxy -h" for
// its commands and "hmaproxy help settings" for its settings.
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

	"hmaproxy/internal/textwrap"
)

func main() {
	log.SetOutput(io.Discard)      // discard what net/http logs, because it may quote clients; this program has its own log
	signal.Ignore(syscall.SIGPIPE) // the process must continue when the reader of its log ends; systemd would treat an end by SIGPIPE as a clean stop
	err := run(untilStopped(), os.Args[1:], os.Environ(), stdio{os.Stdin, os.Stdout, os.Stderr})
	if err != nil {
		fmt.Fprint(os.Stderr, errorText(err, isTerminal(os.Stderr.Fd())))
	}
	os.Exit(exitCode(err))
}

// errorText returns the text to print for err. For a terminal, its lines are at
// most 100 columns wide. Otherwise they are not broken, because a journal stores
// each line as a separate record.
func errorText(err error, terminal bool) string {
	text := fmt.Sprintln("hmaproxy:", err)
	if terminal {
		text = textwrap.Lines(text)
	}
	return text
}

// untilStopped returns a context that ends at the first SIGTERM or interrupt. A
// second signal ends the process immediately.
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

// Exit codes are part of the contract. Supervisors restart the process after
// exitFailed and must not restart it after exitSettings. exitSettings is not 2,
// because Go ends with 2 after a panic.
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

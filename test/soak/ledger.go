package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
)

// An outcome is what a client may conclude from its response.
type outcome int

const (
	unknown outcome = iota // it may have been run, once at most
	done                   // it was run, once
	never                  // it was not run
)

// A ledger keeps account of every request with a side effect.
type ledger struct {
	mu       sync.Mutex
	messages map[string]outcome // by subject
	bodies   map[string]bool    // digests of what clients sent
	ok       int
	reasons  map[string]int // of answers other than success
	wrong    []string
	silent   bool      // no request may fail
	since    time.Time // silent, or not
}

func newLedger() *ledger {
	return &ledger{messages: map[string]outcome{}, bodies: map[string]bool{}, reasons: map[string]int{}}
}

// promise notes what a client is about to send; subject is empty where it has
// no side effect.
func (l *ledger) promise(subject, digest string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if subject != "" {
		l.messages[subject] = unknown
	}
	l.bodies[digest] = true
}

// settle notes what became of it; reason is empty for success. A request that
// began in a time of silence must not fail.
func (l *ledger) settle(subject string, o outcome, reason string, began time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if subject != "" {
		l.messages[subject] = o
	}
	if reason == "" {
		l.ok++
		return
	}
	l.reasons[reason]++
	if l.silent && began.After(l.since) && reason != gaveUp {
		l.fault("%s failed although no fault excuses it: %s", subject, reason)
	}
}

// silence begins or ends a time in which no request may fail.
func (l *ledger) silence(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.silent, l.since = on, time.Now()
}

// executed checks that what Exchange ran is what a client sent.
func (l *ledger) executed(digest string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.bodies[digest] {
		l.fault("Exchange ran a request that no client sent")
	}
}

func (l *ledger) complain(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fault(format, args...)
}

// fault needs the lock.
func (l *ledger) fault(format string, args ...any) {
	l.wrong = append(l.wrong, fmt.Sprintf(format, args...))
}

func (l *ledger) answered() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ok
}

// balance compares the account with what the mailbox holds.
func (l *ledger) balance(subjects []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	held := map[string]int{}
	for _, s := range subjects {
		held[s]++
	}
	for subject, o := range l.messages {
		switch n := held[subject]; {
		case n > 1:
			l.fault("%s was run %d times", subject, n)
		case n == 0 && o == done:
			l.fault("%s was lost, although its client was told of success", subject)
		case n == 1 && o == never:
			l.fault("%s was run, although its client was told that it was not", subject)
		}
		delete(held, subject)
	}
	for subject := range held {
		l.fault("%q was sent by nobody", subject)
	}
}

// report prints the account and returns an error if it does not balance.
func (l *ledger) report(out io.Writer) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	counts := map[outcome]int{}
	for _, o := range l.messages {
		counts[o]++
	}
	fmt.Fprintf(out, "%d requests succeeded; of %d messages %d were made, %d refused, %d left in doubt\n",
		l.ok, len(l.messages), counts[done], counts[never], counts[unknown])
	var reasons []string
	for reason, n := range l.reasons {
		reasons = append(reasons, fmt.Sprintf("%s %d", reason, n))
	}
	slices.Sort(reasons)
	fmt.Fprintf(out, "failed, by what the client was told: %s\n", strings.Join(reasons, ", "))
	for _, w := range l.wrong[:min(20, len(l.wrong))] {
		fmt.Fprintln(out, "WRONG:", w)
	}
	if len(l.wrong) > 0 {
		return fmt.Errorf("%d things went wrong", len(l.wrong))
	}
	return nil
}

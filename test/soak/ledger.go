package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
)

// An outcome is the conclusion that a client can draw from its response.
type outcome int

const (
	unknown outcome = iota // Exchange may have run the request, at most once
	done                   // Exchange ran the request once
	never                  // Exchange did not run the request
)

// A ledger records what clients send, and the outcome of each request with a side
// effect.
type ledger struct {
	mu       sync.Mutex
	messages map[string]outcome // by subject
	bodies   map[string]bool    // digests of the bodies that clients sent
	ok       int
	reasons  map[string]int // counts responses other than success
	wrong    []string
	silent   bool      // whether no request may fail
	since    time.Time // time at which silent got its value
}

func newLedger() *ledger {
	return &ledger{messages: map[string]outcome{}, bodies: map[string]bool{}, reasons: map[string]int{}}
}

// promise records a request that a client is about to send. subject is empty
// for a request without a side effect.
func (l *ledger) promise(subject, digest string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if subject != "" {
		l.messages[subject] = unknown
	}
	l.bodies[digest] = true
}

// settle records the outcome of a request; reason is empty for success. In a
// period in which no request may fail, a request that began in that period must
// succeed, unless its client disconnected.
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

// silence begins a period in which no request may fail, or ends it.
func (l *ledger) silence(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.silent, l.since = on, time.Now()
}

// executed is called for each request that Exchange executes. It records an
// error if no client sent a body with this digest.
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

// fault records an error. It must be called with l.mu locked.
func (l *ledger) fault(format string, args ...any) {
	l.wrong = append(l.wrong, fmt.Sprintf(format, args...))
}

func (l *ledger) succeeded() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ok
}

// balance compares the ledger with the mailbox, and records each difference as an
// error. subjects are the subjects of all messages in the mailbox.
func (l *ledger) balance(subjects []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	found := map[string]int{}
	for _, s := range subjects {
		found[s]++
	}
	for subject, o := range l.messages {
		switch n := found[subject]; {
		case n > 1:
			l.fault("%s was run %d times", subject, n)
		case n == 0 && o == done:
			l.fault("%s was lost, although its client got a success response", subject)
		case n == 1 && o == never:
			l.fault("%s was run, although its client got a refusal", subject)
		}
		delete(found, subject)
	}
	for subject := range found {
		l.fault("%q was sent by no client", subject)
	}
}

// report prints the ledger and returns an error if an error was recorded.
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
	fmt.Fprintf(out, "failed, by reason in the response: %s\n", strings.Join(reasons, ", "))
	for _, w := range l.wrong[:min(20, len(l.wrong))] {
		fmt.Fprintln(out, "WRONG:", w)
	}
	if len(l.wrong) > 0 {
		return fmt.Errorf("%d things went wrong", len(l.wrong))
	}
	return nil
}

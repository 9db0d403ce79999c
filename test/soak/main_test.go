package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestShortSoak(t *testing.T) {
	var out bytes.Buffer
	err := run(t.Context(), []string{"-duration", "3s", "-seed", "7", "-clients", "6"}, &out)
	t.Logf("%s", &out)
	if err != nil || !strings.Contains(out.String(), "-seed 7 repeats") {
		t.Error(err)
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{"-clients", "0"}, {"-duration", "0s"}, {"now"}, {"-speed", "9"}} {
		if err := run(t.Context(), args, &bytes.Buffer{}); !errors.Is(err, errUsage) {
			t.Errorf("%v: %v", args, err)
		}
	}
}

// TestLedger checks that the ledger finds each kind of error.
func TestLedger(t *testing.T) {
	send := func(l *ledger, o outcome, reason string) {
		l.promise("message", "digest")
		l.settle("message", o, reason, time.Now())
	}
	for _, c := range []struct {
		name  string
		run   func(l *ledger)
		wrong string
	}{
		{"success", func(l *ledger) { send(l, done, ""); l.balance([]string{"message"}) }, ""},
		{"in doubt and made", func(l *ledger) { send(l, unknown, "broken"); l.balance([]string{"message"}) }, ""},
		{"in doubt and not made", func(l *ledger) { send(l, unknown, "broken"); l.balance(nil) }, ""},
		{"refused", func(l *ledger) { send(l, never, "no-token"); l.balance(nil) }, ""},
		{"gave up in a time of silence", func(l *ledger) { l.silence(true); send(l, unknown, gaveUp); l.balance(nil) }, ""},
		{"lost", func(l *ledger) { send(l, done, ""); l.balance(nil) }, "lost"},
		{"made twice", func(l *ledger) { send(l, done, ""); l.balance([]string{"message", "message"}) }, "run 2 times"},
		{"in doubt and made twice", func(l *ledger) { send(l, unknown, "broken"); l.balance([]string{"message", "message"}) }, "run 2 times"},
		{"refused and made", func(l *ledger) { send(l, never, "no-token"); l.balance([]string{"message"}) }, "got a refusal"},
		{"made without a request", func(l *ledger) { l.balance([]string{"message"}) }, "sent by no client"},
		{"altered", func(l *ledger) { send(l, done, ""); l.executed("another"); l.balance([]string{"message"}) }, "no client sent"},
		{"failed in a time of silence", func(l *ledger) { l.silence(true); send(l, never, "no-token"); l.balance(nil) }, "no fault excuses it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLedger()
			c.run(l)
			var out bytes.Buffer
			err := l.report(&out)
			if (err != nil) != (c.wrong != "") || !strings.Contains(out.String(), c.wrong) {
				t.Errorf("%v\n%s", err, &out)
			}
		})
	}
}

func TestLogCanary(t *testing.T) {
	l := canaryLog{secrets: [][]byte{[]byte("eyJ")}}
	l.Write([]byte(`{"msg":"fine"}`))
	l.Write([]byte(`{"error":"unexpected eyJhbGciOi"}`))
	if l.leaks() != 1 {
		t.Errorf("%d leaks", l.leaks())
	}
}

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminals opens the two ends of a pseudo terminal: one for the user and one
// for the program.
func terminals(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("NOT CHECKED: there are no pseudo terminals here: %v", err)
	}
	t.Cleanup(func() { person.Close() })
	if err := unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close() })
	return person, program
}

// A promptWriter takes the place of standard error. It reports each prompt on
// a channel.
type promptWriter struct {
	mu     sync.Mutex
	text   bytes.Buffer
	prompt chan struct{}
}

func (a *promptWriter) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if bytes.HasSuffix(p, []byte(": ")) {
		a.prompt <- struct{}{}
	}
	return a.text.Write(p)
}

func TestHiddenPassword(t *testing.T) {
	for _, tc := range []struct{ name, first, second, want string }{
		{"typed twice", "typed-canary", "typed-canary", ""},
		{"typed differently", "typed-canary", "typed-canarx", "differ"},
		{"empty", "", "", "empty"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			person, program := terminals(t)
			before, err := unix.IoctlGetTermios(int(program.Fd()), unix.TCGETS)
			if err != nil {
				t.Fatal(err)
			}
			stderr := &promptWriter{prompt: make(chan struct{}, 2)}
			go func() {
				for _, line := range []string{tc.first, tc.second} {
					<-stderr.prompt
					_, _ = person.WriteString(line + "\n")
				}
			}()
			var stdout bytes.Buffer
			err = run(t.Context(), []string{"hash-password", "-name", "crm", "-whole-allow-list"}, nil, stdio{program, &stdout, stderr})
			if tc.want == "" && (err != nil || !strings.HasPrefix(stdout.String(), "crm:$2a$10$")) {
				t.Errorf("printed %q, %v", &stdout, err)
			}
			if tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
			after, err := unix.IoctlGetTermios(int(program.Fd()), unix.TCGETS)
			if err != nil || *after != *before {
				t.Errorf("the terminal is left in another state: %v", err)
			}
			if echo := shown(t, person, program); strings.Contains(echo, "canar") {
				t.Errorf("the terminal shows %q", echo)
			}
		})
	}
}

// shown returns everything that the terminal has shown.
func shown(t *testing.T, person, program *os.File) string {
	t.Helper()
	const mark = "<end>"
	if _, err := program.WriteString(mark); err != nil {
		t.Fatal(err)
	}
	var all []byte
	buf := make([]byte, 4096)
	for !bytes.Contains(all, []byte(mark)) {
		n, err := person.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, buf[:n]...)
	}
	return string(all)
}

// TestInterruptRestoresTheTerminal checks that the terminal shows typed
// characters again after Ctrl-C has ended the command.
func TestInterruptRestoresTheTerminal(t *testing.T) {
	_, program := terminals(t)
	ctx, cancel := context.WithCancel(t.Context())
	stderr := &promptWriter{prompt: make(chan struct{}, 2)}
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, []string{"hash-password", "-name", "crm", "-whole-allow-list"}, nil, stdio{program, new(bytes.Buffer), stderr})
	}()
	<-stderr.prompt
	cancel()
	select {
	case err := <-done:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it goes on waiting")
	}
	state, err := unix.IoctlGetTermios(int(program.Fd()), unix.TCGETS)
	if err != nil || state.Lflag&unix.ECHO == 0 {
		t.Errorf("the terminal shows nothing: %v", err)
	}
}

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// A terminal asks questions. If standard input is not a terminal, it reads the
// values from there, one per line, and prints no questions.
type terminal struct {
	std stdio
	in  *bufio.Reader
	fd  uintptr
	is  bool
}

func newTerminal(std stdio) *terminal {
	t := &terminal{std: std, in: bufio.NewReader(std.in)}
	if file, ok := std.in.(*os.File); ok {
		t.fd = file.Fd()
		t.is = isTerminal(t.fd)
	}
	return t
}

// isTerminal reports whether a person enters the values.
func (t *terminal) isTerminal() bool { return t.is }

// ask prints a question and reads a line. It returns when ctx ends.
func (t *terminal) ask(ctx context.Context, question string) (string, error) {
	if t.is {
		fmt.Fprint(t.std.err, question)
	}
	return t.readLine(ctx)
}

// askHidden asks a question as ask does. The terminal does not show what the user
// types.
func (t *terminal) askHidden(ctx context.Context, question string) (string, error) {
	if !t.is {
		return t.readLine(ctx)
	}
	restore, err := hideInput(t.fd)
	if err != nil {
		return "", fmt.Errorf("hide what is typed: %w", err)
	}
	defer restore() // restores the terminal even after an interrupt
	fmt.Fprint(t.std.err, question)
	defer fmt.Fprintln(t.std.err)
	return t.readLine(ctx)
}

// readLine reads a line and removes the line end, if there is one. When ctx
// ends it returns; the read remains pending.
func (t *terminal) readLine(ctx context.Context) (string, error) {
	type result struct {
		line string
		err  error
	}
	done := make(chan result, 1)
	go func() {
		line, err := t.in.ReadString('\n')
		if errors.Is(err, io.EOF) && line != "" {
			err = nil
		}
		done <- result{strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), err}
	}()
	select {
	case <-ctx.Done():
		return "", context.Cause(ctx)
	case r := <-done:
		return r.line, r.err
	}
}

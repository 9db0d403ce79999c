package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/crypto/bcrypt"

	"hmaproxy/internal/config"
	"hmaproxy/proxy/policy"
)

// defaultCost makes a comparison take some 50 ms of a processor.
const defaultCost = config.MinCost

// maxPassword is where bcrypt stops reading.
const maxPassword = 72

func runHashPassword(ctx context.Context, inv *invocation) error {
	patterns, err := inv.userPatterns()
	switch {
	case len(inv.args) > 0:
		return usageError{errors.New("hash-password takes no arguments: every user of the machine can see a password on the command line; run hmaproxy hash-password -help")}
	case !config.IsUserName(inv.user):
		return usageError{errors.New("hash-password: -name is required, up to 256 characters without colons and blanks")}
	case inv.cost < config.MinCost || inv.cost > config.MaxCost:
		return usageError{fmt.Errorf("hash-password: -cost must be between %d and %d", config.MinCost, config.MaxCost)}
	case err != nil:
		return usageError{fmt.Errorf("hash-password: %w", err)}
	}
	password, err := readPassword(ctx, inv.stdio)
	if err != nil {
		return fmt.Errorf("hash-password: %w", err)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), inv.cost)
	if err != nil {
		return fmt.Errorf("hash-password: %w", err)
	}
	_, err = fmt.Fprintf(inv.out, "%s:%s%s\n", inv.user, hash, patterns)
	return err
}

// userPatterns returns what follows the hash in a line of the users file: the
// patterns, each after a blank. There are none only where the user of this
// command has said so, because a line without patterns opens everything that the
// allow-list allows, and every mailbox where there is no list.
func (inv *invocation) userPatterns() (string, error) {
	fields := strings.FieldsFunc(inv.mailboxes, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' || r == '\r' })
	switch {
	case inv.wholeAllowList && inv.mailboxes != "":
		return "", errors.New("-mailboxes and -whole-allow-list exclude each other")
	case inv.wholeAllowList:
		return "", nil
	case len(fields) == 0:
		return "", errors.New("-mailboxes is required: the mailboxes that this user may open; -whole-allow-list stands for all that HMA_ALLOWED_MAILBOXES allows")
	}
	text := ""
	for i, field := range fields {
		if _, err := policy.ParsePatterns(field); err != nil || field[0] == '#' {
			return "", fmt.Errorf("-mailboxes: pattern %d is not valid; expected patterns such as alice@contoso.com or *@contoso.com", i+1)
		}
		text += " " + field
	}
	return text, nil
}

// readPassword reads the password, twice from a terminal, which does not show it.
func readPassword(ctx context.Context, std stdio) (string, error) {
	terminal, restore := quiet(std.in)
	if !terminal {
		line, err := readLine(bufio.NewReader(std.in))
		return line, errors.Join(err, checkPassword(line, err))
	}
	defer restore()
	in := bufio.NewReader(std.in)
	first, err := prompt(ctx, std.err, in, "Password: ")
	if err == nil {
		err = checkPassword(first, nil)
	}
	if err != nil {
		return "", err
	}
	second, err := prompt(ctx, std.err, in, "Once more: ")
	if err == nil && first != second {
		err = errors.New("the two differ")
	}
	return first, err
}

// prompt writes text to w and reads a line. It returns when ctx ends, so that the
// caller can restore the terminal after an interrupt.
func prompt(ctx context.Context, w io.Writer, in *bufio.Reader, text string) (line string, err error) {
	fmt.Fprint(w, text)
	defer fmt.Fprintln(w)
	done := make(chan struct{})
	var typed string
	var failed error
	go func() {
		defer close(done)
		typed, failed = readLine(in)
	}()
	select {
	case <-ctx.Done():
		return "", context.Cause(ctx)
	case <-done:
		return typed, failed
	}
}

// readLine reads a line without its end. The last line may lack one.
func readLine(in *bufio.Reader) (string, error) {
	line, err := in.ReadString('\n')
	if err != nil && (!errors.Is(err, io.EOF) || line == "") {
		return "", fmt.Errorf("read the password: %w", err)
	}
	return strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), nil
}

// checkPassword refuses passwords that clients could not send or that bcrypt would
// not distinguish. read is the error of reading it.
func checkPassword(password string, read error) error {
	switch {
	case read != nil:
		return nil
	case password == "":
		return errors.New("the password is empty")
	case len(password) > maxPassword:
		return fmt.Errorf("the password is longer than %d bytes, of which bcrypt would ignore the rest", maxPassword)
	case strings.ContainsFunc(password, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return errors.New("the password holds a control character")
	}
	return nil
}

// quiet makes a terminal stop showing what is typed, until restore is called.
// It reports false for anything else.
func quiet(in io.Reader) (terminal bool, restore func()) {
	file, ok := in.(*os.File)
	if !ok {
		return false, nil
	}
	return echoOff(file.Fd())
}

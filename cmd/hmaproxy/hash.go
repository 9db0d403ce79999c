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
)

const hashHelp = `usage: hmaproxy hash-password -name NAME [-cost COST]

Makes a line for HMA_CLIENT_USERS_FILE. It reads the password from the terminal
without showing it, or one line of standard input when that is no terminal, and
prints name:hash. Mailbox patterns may follow the hash after a blank; the client
is then narrowed to them:

  hmaproxy hash-password -name crm < password.txt >> users
  crm:$2a$10$... alice@contoso.com *@sales.contoso.com

A long random password is worth more than a high cost: each step of the cost
doubles the time that a client waits when it comes first.

exit status: 0 the line was printed, 1 the password could not be read or used,
2 mistake on the command line.`

// defaultCost makes a comparison take some 50 ms of a processor.
const defaultCost = config.MinCost

// maxPassword is where bcrypt stops reading.
const maxPassword = 72

func hashPassword(ctx context.Context, f *flags, w world) error {
	switch {
	case f.set.NArg() > 0:
		return usageError{errors.New("hash-password takes no arguments: a password on the command line is seen by everybody on the machine; run hmaproxy hash-password -help")}
	case !config.IsUserName(f.name):
		return usageError{errors.New("hash-password: -name is required, up to 256 characters without colons and blanks")}
	case f.cost < config.MinCost || f.cost > config.MaxCost:
		return usageError{fmt.Errorf("hash-password: -cost must be between %d and %d", config.MinCost, config.MaxCost)}
	}
	password, err := readPassword(ctx, w)
	if err != nil {
		return fmt.Errorf("hash-password: %w", err)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), f.cost)
	if err != nil {
		return fmt.Errorf("hash-password: %w", err)
	}
	_, err = fmt.Fprintf(w.stdout, "%s:%s\n", f.name, hash)
	return err
}

// readPassword reads the password, twice where a person types it unseen.
func readPassword(ctx context.Context, w world) (string, error) {
	terminal, restore := quiet(w.stdin)
	if !terminal {
		line, err := readLine(bufio.NewReader(w.stdin))
		return line, errors.Join(err, checkPassword(line, err))
	}
	defer restore()
	in := bufio.NewReader(w.stdin)
	first, err := prompt(ctx, w.stderr, in, "Password: ")
	if err == nil {
		err = checkPassword(first, nil)
	}
	if err != nil {
		return "", err
	}
	second, err := prompt(ctx, w.stderr, in, "Once more: ")
	if err == nil && first != second {
		err = errors.New("the two differ")
	}
	return first, err
}

// prompt asks a person. It returns when ctx ends, so that the terminal gets its
// echo back after an interrupt.
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

// checkPassword refuses what clients could not send or bcrypt would not tell
// apart. read is why there is no password.
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

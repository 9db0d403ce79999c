package main

import (
	"context"
	"crypto/fips140"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/bcrypt"

	"hmaproxy/internal/config"
)

// defaultCost is the cost at which a comparison takes about 50 ms of CPU time.
const defaultCost = config.MinCost

// maxPassword is the number of bytes of a password that bcrypt uses.
const maxPassword = 72

func runHashPassword(ctx context.Context, inv *invocation) error {
	patterns, err := userPatterns(inv)
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
	if fips140.Enforced() {
		return errors.New("hash-password: it needs bcrypt, which FIPS 140-3 does not permit, and GODEBUG=fips140=only enforces it")
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

// userPatterns returns the mailbox patterns for a line of the users file, each
// after a blank. A line without patterns allows all mailboxes of the allow-list,
// or of the organisation if no list is set. Therefore userPatterns returns ""
// only if a flag of this command requests it.
func userPatterns(inv *invocation) (string, error) {
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
		if err := new(config.Mailboxes).UnmarshalText([]byte(field)); err != nil || field[0] == '#' {
			return "", fmt.Errorf("-mailboxes: pattern %d is not valid; expected patterns such as alice@contoso.com or *@contoso.com", i+1)
		}
		text += " " + field
	}
	return text, nil
}

// readPassword reads the password. From a terminal it reads the password twice,
// without showing it.
func readPassword(ctx context.Context, std stdio) (string, error) {
	t := newTerminal(std)
	first, err := t.askHidden(ctx, "Password: ")
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	if err := checkPassword(first); err != nil || !t.isTerminal() {
		return first, err
	}
	second, err := t.askHidden(ctx, "Once more: ")
	if err == nil && first != second {
		err = errors.New("the two passwords differ")
	}
	return first, err
}

// checkPassword refuses passwords that clients cannot send or that bcrypt does
// not distinguish.
func checkPassword(password string) error {
	switch {
	case password == "":
		return errors.New("the password is empty")
	case len(password) > maxPassword:
		return fmt.Errorf("the password is longer than %d bytes, of which bcrypt would ignore the rest", maxPassword)
	case strings.ContainsFunc(password, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return errors.New("the password holds a control character")
	}
	return nil
}

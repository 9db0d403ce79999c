package main

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"hmaproxy/internal/config"
)

// hash runs the command hash-password with the given standard input.
func hash(t *testing.T, in string, args ...string) (out string, err error) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	err = run(t.Context(), append([]string{"hash-password"}, args...), nil, stdio{strings.NewReader(in), &stdout, &stderr})
	if err != nil && strings.Contains(err.Error()+stderr.String(), "canary") {
		t.Errorf("the password is shown: %v, %s", err, &stderr)
	}
	return stdout.String(), err
}

func TestHashPassword(t *testing.T) {
	for name, in := range map[string]string{
		"a line": "canary pass:word\n", "without its end": "canary pass:word", "of Windows": "canary pass:word\r\n", "and more": "canary pass:word\nmore\n",
	} {
		t.Run(name, func(t *testing.T) {
			line, err := hash(t, in, "-name", `CONTOSO\crm`, "-mailboxes", "alice@contoso.com, *@sales.contoso.com")
			if err != nil {
				t.Fatal(err)
			}
			users, _, err := config.ReadClientUsers(func(string) ([]byte, error) {
				return []byte(line), nil
			}, "users")
			if err != nil || len(users) != 1 || users[0].Name != `CONTOSO\crm` || users[0].Cost() != 10 || len(users[0].Patterns) != 2 || !strings.HasSuffix(line, "\n") {
				t.Fatalf("%q makes %v, %v", line, users, err)
			}
			if err := bcrypt.CompareHashAndPassword([]byte(users[0].Hash.Reveal()), []byte("canary pass:word")); err != nil {
				t.Error(err)
			}
		})
	}
	if line, err := hash(t, "canary\n", "-name", "crm", "-cost", "11", "-whole-allow-list"); err != nil || !strings.HasPrefix(line, "crm:$2a$11$") {
		t.Errorf("cost 11: %q, %v", line, err)
	}
}

func TestHashPasswordRefuses(t *testing.T) {
	cases := []struct {
		name, in string
		args     []string
		usage    bool
		want     string
	}{
		{"no name", "canary\n", nil, true, "-name is required"},
		{"a colon in the name", "canary\n", []string{"-name", "a:b"}, true, "-name"},
		{"a password as an argument", "", []string{"-name", "crm", "-whole-allow-list", "canary"}, true, "can see a password"},
		{"no mailboxes", "canary\n", []string{"-name", "crm"}, true, "-mailboxes is required"},
		{"blank mailboxes", "canary\n", []string{"-name", "crm", "-mailboxes", " , "}, true, "-mailboxes is required"},
		{"both kinds of limits", "canary\n", []string{"-name", "crm", "-mailboxes", "a@b.ch", "-whole-allow-list"}, true, "exclude each other"},
		{"every mailbox", "canary\n", []string{"-name", "crm", "-mailboxes", "*"}, true, "pattern 1"},
		{"a comment as pattern", "canary\n", []string{"-name", "crm", "-mailboxes", "a@b.ch #c"}, true, "pattern 2"},
		{"no pattern", "canary\n", []string{"-name", "crm", "-mailboxes", "alice"}, true, "pattern 1"},
		{"a cheap hash", "canary\n", []string{"-name", "crm", "-whole-allow-list", "-cost", "5"}, true, "between 10 and 15"},
		{"an endless hash", "canary\n", []string{"-name", "crm", "-whole-allow-list", "-cost", "31"}, true, "between 10 and 15"},
		{"nothing", "", []string{"-name", "crm", "-whole-allow-list"}, false, "read the password"},
		{"an empty line", "\n", []string{"-name", "crm", "-whole-allow-list"}, false, "empty"},
		{"too long", "canary" + strings.Repeat("x", 67) + "\n", []string{"-name", "crm", "-whole-allow-list"}, false, "72 bytes"},
		{"a control character", "canary\x00\n", []string{"-name", "crm", "-whole-allow-list"}, false, "control character"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			out, err := hash(t, tc.in, tc.args...)
			if err == nil || out != "" || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("printed %q, %v; want %q", out, err, tc.want)
			}
			if usage := errors.As(err, new(usageError)); usage != tc.usage {
				t.Errorf("a mistake in the command line: %v", usage)
			}
		})
	}
	if _, err := hash(t, "canary"+strings.Repeat("x", 66)+"\n", "-name", "crm", "-whole-allow-list"); err != nil {
		t.Errorf("72 bytes: %v", err)
	}
}

func TestPipeIsNoTerminal(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if newTerminal(stdio{in: r}).isTerminal() {
		t.Error("a pipe counts as a terminal")
	}
}

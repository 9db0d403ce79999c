package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// output runs a command line and returns what it prints.
func output(t *testing.T, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	if err := run(t.Context(), args, nil, stdio{nil, &out, nil}); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out.String()) {
		if utf8.RuneCountInString(strings.TrimSuffix(line, "\n")) > 100 {
			t.Errorf("a line wider than 100 columns: %q", line)
		}
	}
	return out.String()
}

func TestCommandHelp(t *testing.T) {
	for _, c := range commands() {
		t.Run(c.name, func(t *testing.T) {
			text := output(t, c.name, "-help")
			for _, part := range []string{"hmaproxy " + c.name + " - ", "\nusage: hmaproxy ", "\nexit status:\n  0   ", "\n  2   a mistake on the command line"} {
				if !strings.Contains(text, part) {
					t.Errorf("no %q in\n%s", part, text)
				}
			}
			for _, f := range c.flags {
				if !strings.Contains(text, "\n  -"+f.name) {
					t.Errorf("no flag -%s in\n%s", f.name, text)
				}
			}
			if other := output(t, "help", c.name); other != text {
				t.Errorf("hmaproxy help %s differs:\n%s", c.name, other)
			}
		})
	}
}

// TestHelpAfterAnArgument checks that -h and -help after an argument print the
// help of the command. It tests the commands whose flags may follow arguments.
func TestHelpAfterAnArgument(t *testing.T) {
	for _, args := range [][]string{{"policy", "test", "-h"}, {"policy", "check", "alice@contoso.com", "-help"}, {"report", "hmaproxy.log", "-h"}} {
		if got, want := output(t, args...), output(t, "help", args[0]); got != want {
			t.Errorf("hmaproxy %s prints\n%s", strings.Join(args, " "), got)
		}
	}
}

func TestOverviewFitsOnOneScreen(t *testing.T) {
	text := output(t, "-h")
	if lines := strings.Count(text, "\n"); lines > 30 {
		t.Errorf("%d lines:\n%s", lines, text)
	}
	for _, c := range commands() {
		if !strings.Contains(text, "\n  "+c.name+" ") {
			t.Errorf("no command %s in\n%s", c.name, text)
		}
	}
}

func TestHelpSettings(t *testing.T) {
	if text := output(t, "help", "settings"); !strings.Contains(text, "\n  HMA_ALLOWED_MAILBOXES\n") {
		t.Error(text)
	}
}

// TestTopics checks that the topics of help are the settings and every command
// except help.
func TestTopics(t *testing.T) {
	want := []string{"settings"}
	for _, c := range commands() {
		if c.name != "help" {
			want = append(want, c.name)
		}
	}
	if got := topics(); !slices.Equal(got, want) {
		t.Errorf("topics %q, want %q", got, want)
	}
}

// TestErrorsFitTheTerminal checks the error texts for wrong command lines and
// wrong settings. On a terminal, they are wrapped at 100 columns. Elsewhere
// they have the same words, and each problem is one line.
func TestErrorsFitTheTerminal(t *testing.T) {
	settings := []string{
		"HMA_EWS_URL=http://mail.contoso.com/EWS/Exchange.asmx", "HMA_ALLOWED_MAILBOXES=*@contoso.com,!ceo@contoso.com,*", "HMA_LISTEN=0.0.0.0:8080",
		"HMA_TENANT_ID=contoso", "HMA_KEY_VAULT_CERT_NAME=HMA Cert", "HMA_KEY_VAULT_CLIENT_SECRET=00000000-0000-0000-0000-000000000000",
		"HMA_ALLOW_LIST_MODE=of", "HMA_LOG_LEVEL=loud", "HMA_MAX_BODY=1", "HMA_DRAIN_TIMEOUT=1", "hma_app_id=x", "HMA_TLS_CERT_FILE=/nowhere",
	}
	wrapped := 0
	for _, tc := range []struct {
		line    string
		environ []string
		code    int
	}{
		{"/etc/hmaproxy/hmaproxy.env", nil, 2},
		{"srve", nil, 2},
		{"nothing-like-a-command", nil, 2},
		{"doctor -mailbx alice@contoso.com", nil, 2},
		{"health upp", nil, 2},
		{"policy", nil, 2},
		{"policy tset", nil, 2},
		{"policy test -operation FindItem x", nil, 2},
		{"report -html -csv -suggest hmaproxy.log", nil, 2},
		{"hash-password secret", nil, 2},
		{"hash-password", nil, 2},
		{"init HMA_KEY_VAULT_CLIENT_SECRET=x", nil, 2},
		{"init HMA_NOTHING=x", nil, 2},
		{"tls-setup -days 99999 x", nil, 2},
		{"tls-setup auto_discover.contoso.com", nil, 2},
		{"service install", nil, 2},
		{"-env-file a.env -env-file b.env", nil, 2},
		{"serve", nil, 78},
		{"serve", settings, 78},
		{"-env-file /nowhere/hmaproxy.env", nil, 78},
	} {
		t.Run(tc.line, func(t *testing.T) {
			var out bytes.Buffer
			err := run(t.Context(), strings.Fields(tc.line), tc.environ, stdio{strings.NewReader(""), &out, &out})
			if exitCode(err) != tc.code {
				t.Fatalf("exit code %d, want %d: %v", exitCode(err), tc.code, err)
			}
			text := errorText(err, true)
			for line := range strings.Lines(text) {
				if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 100 {
					t.Errorf("a line of %d columns: %q", n, line)
				}
			}
			if want := "hmaproxy: " + err.Error() + "\n"; errorText(err, false) != want || !slices.Equal(strings.Fields(text), strings.Fields(want)) {
				t.Errorf("%q and %q, want the words of %q", errorText(err, false), text, want)
			} else if text != want {
				wrapped++
			}
		})
	}
	if wrapped < 3 {
		t.Errorf("only %d errors were too long for a line", wrapped)
	}
}

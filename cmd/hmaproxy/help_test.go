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

// TestHelpAfterAnArgument covers the commands whose flags may follow arguments.
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

// TestTopics: every command but help itself is a topic.
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

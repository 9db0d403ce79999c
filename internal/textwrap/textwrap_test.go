package textwrap_test

import (
	"strings"
	"testing"

	"hmaproxy/internal/textwrap"
)

func TestFill(t *testing.T) {
	long := strings.Repeat("x", 101)
	for _, test := range []struct{ name, text, want string }{
		{"nothing", "", "- \n"},
		{"one line", "a  b\nc", "- a b c\n"},
		{"100 columns", strings.Repeat("a", 48) + " " + strings.Repeat("b", 49), "- " + strings.Repeat("a", 48) + " " + strings.Repeat("b", 49) + "\n"},
		{"101 columns", strings.Repeat("a", 48) + " " + strings.Repeat("b", 50), "- " + strings.Repeat("a", 48) + "\n  " + strings.Repeat("b", 50) + "\n"},
		{"100 columns of two bytes", strings.Repeat("é", 48) + " " + strings.Repeat("✓", 49), "- " + strings.Repeat("é", 48) + " " + strings.Repeat("✓", 49) + "\n"},
		{"a long word first", long + " b", "- " + long + "\n  b\n"},
		{"a long word later", "a " + long + " b", "- a\n  " + long + "\n  b\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := textwrap.Fill(test.text, "- ", "  "); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

func TestLines(t *testing.T) {
	word := strings.Repeat("w", 60)
	for _, test := range []struct{ name, text, want string }{
		{"nothing", "", ""},
		{"lines that fit", "a  b\n  c\n\n d", "a  b\n  c\n\n d"},
		{"100 columns are unchanged", "  " + strings.Repeat(" x", 49), "  " + strings.Repeat(" x", 49)},
		{"only the long line", "a  b\n  " + word + " " + word + "\nc", "a  b\n  " + word + "\n    " + word + "\nc"},
		{"without a newline at the end", word + " " + word, word + "\n  " + word},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := textwrap.Lines(test.text); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

package token

import (
	"errors"
	"strings"
	"testing"
)

func TestClip(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"empty":                        {"", ""},
		"as long as the limit":         {"12345678", "12345678"},
		"a byte longer":                {"123456789", "12345678…"},
		"a character ends at the cut":  {"123456é9", "123456é…"},
		"a character lies at the cut":  {"1234567é", "1234567…"},
		"three of four bytes are left": {"12345😀", "12345…"},
	} {
		if got := clip(c.text, 8); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestOneLine(t *testing.T) {
	if got, want := oneLine(errors.New(" a\r\n\tb "+strings.Repeat("é", 300))), "a b "+strings.Repeat("é", 248)+"…"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

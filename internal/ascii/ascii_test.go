package ascii_test

import (
	"strings"
	"testing"

	"hmaproxy/internal/ascii"
)

// TestFoldsLettersOnly compares every byte with what RFC 20 lists as letters.
func TestFoldsLettersOnly(t *testing.T) {
	const upper, lower = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz"
	for i := range 256 {
		c := byte(i)
		want := c
		if n := strings.IndexByte(upper, c); n >= 0 && c < 0x80 {
			want = lower[n]
		}
		if got := ascii.Lower(c); got != want {
			t.Errorf("Lower(%q) = %q, want %q", c, got, want)
		}
		isLetterOrDigit := strings.IndexByte(upper+lower+"0123456789", c) >= 0
		if got := ascii.IsAlnum(c); got != isLetterOrDigit {
			t.Errorf("IsAlnum(%q) = %v", c, got)
		}
	}
}

func TestEqualFold(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want bool
	}{
		{"", "", true},
		{"Alice@Contoso.com", "aLICE@cONTOSO.COM", true},
		{"alice", "alic", false},
		{"alic", "alice", false},
		{"s", "\u017f", false},
		{"k", "\u212a", false},
		{"@", "`", false},
		{"[", "{", false},
	} {
		if got := ascii.EqualFold(test.a, test.b); got != test.want {
			t.Errorf("EqualFold(%q, %q) = %v", test.a, test.b, got)
		}
	}
}

func TestCutPrefixFold(t *testing.T) {
	for _, test := range []struct {
		s, prefix, rest string
		found           bool
	}{
		{"UPN:a@b", "upn:", "a@b", true},
		{"upn:", "UPN:", "", true},
		{"up", "upn:", "up", false},
		{"upn;a", "upn:", "upn;a", false},
	} {
		rest, found := ascii.CutPrefixFold(test.s, test.prefix)
		if rest != test.rest || found != test.found {
			t.Errorf("CutPrefixFold(%q, %q) = %q, %v", test.s, test.prefix, rest, found)
		}
	}
}

func TestToLower(t *testing.T) {
	for s, want := range map[string]string{"": "", "abc-1": "abc-1", "aBC": "abc", "\u0130Z": "\u0130z"} {
		if got := ascii.ToLower(s); got != want {
			t.Errorf("ToLower(%q) = %q, want %q", s, got, want)
		}
	}
}

package printable

import (
	"strings"
	"testing"
	"time"
	"unicode"
)

func TestText(t *testing.T) {
	for in, want := range map[string]string{
		"alice@contoso.com":  "alice@contoso.com",
		"Jürgen Größe 日本":    "Jürgen Größe 日本",
		"a\x1b[2Jb":          `a\x1b[2Jb`,
		"a\nb\rc\td":         `a\x0ab\x0dc\x09d`,
		"a\u202eb":           `a\u202eb`,      // reverses the direction of text
		"a\u009bb":           `a\u009bb`,      // CSI in one character
		"a\x9bb":             `a\x9bb`,        // the same character as a single byte
		"\u200bzero":         `\u200bzero`,    // no width
		"e\u0301\u0301":      `e\u0301\u0301`, // combining marks, which can cover other lines
		"\U000e0041":         `\U000e0041`,    // a tag character
		"a\x7f\x00":          `a\x7f\x00`,
		"\xff\xfe":           `\xff\xfe`,
		"replacement \ufffd": "replacement \ufffd",
		"":                   "",
	} {
		if got := Text(in); got != want {
			t.Errorf("Text(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add("a\x1b[2Jb\u202e")
	f.Fuzz(func(t *testing.T, s string) {
		for _, r := range Text(s) {
			if !unicode.IsPrint(r) {
				t.Errorf("Text(%q) holds %q", s, r)
			}
		}
		if c := Cell(s); c != "" && strings.ContainsAny(c[:1], "=+-@\t\r") {
			t.Errorf("Cell(%q) = %q", s, c)
		}
		if n := len([]rune(Short(s, 10))); n > 10 {
			t.Errorf("Short(%q) has %d characters", s, n)
		}
	})
}

// TestCell checks that Cell marks or escapes texts that spreadsheets would read as
// a formula, and changes no other text. The texts are from OWASP's list.
func TestCell(t *testing.T) {
	for in, want := range map[string]string{
		"alice@contoso.com": "alice@contoso.com",
		"=1+1":              "'=1+1",
		"+1":                "'+1",
		"-1":                "'-1",
		"@SUM(A1)":          "'@SUM(A1)",
		"\t=1":              `\x09=1`,
		"\r=1":              `\x0d=1`,
		"":                  "",
	} {
		if got := Cell(in); got != want {
			t.Errorf("Cell(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestTruncate(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"empty":                              {"", ""},
		"as long as the limit":               {"12345678", "12345678"},
		"a byte longer":                      {"123456789", "12345678…"},
		"a character ends at the cut":        {"123456é9", "123456é…"},
		"a character lies at the cut":        {"1234567é", "1234567…"},
		"one of four bytes is left":          {"1234567😀", "1234567…"},
		"three of four bytes are left":       {"12345😀", "12345…"},
		"four bytes end at the cut":          {"1234😀9", "1234😀…"},
		"an invalid byte before the cut":     {"1\xff345678é", "1\xff345678…"},
		"an incomplete character at the cut": {"1234567\xc3x", "1234567\xc3…"},
		"only continuation bytes":            {strings.Repeat("\x80", 9), strings.Repeat("\x80", 8) + "…"},
	} {
		if got := Truncate(c.text, 8); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	if got := Truncate("é", 1); got != "…" {
		t.Errorf("%q, want no part of the character", got)
	}
}

func TestNumbers(t *testing.T) {
	for got, want := range map[string]string{
		Number(0): "0", Number(999): "999", Number(1000): "1,000", Number(1234567): "1,234,567", Number(-1234): "-1,234",
		Count(1, "request", "requests"): "1 request", Count(1200, "request", "requests"): "1,200 requests",
		Bytes(999): "999 bytes", Bytes(1): "1 byte", Bytes(1000): "1.0 kB", Bytes(1_500_000): "1.5 MB", Bytes(999_949): "999.9 kB", Bytes(999_950): "1.0 MB", Bytes(7_000_000_000_000_000): "7000.0 TB",
		Share(0, 10): "0 %", Share(10, 10): "100 %", Share(1, 3): "33.3 %", Share(1, 100_000): "< 0.1 %", Share(99_999, 100_000): "> 99.9 %", Share(0, 0): "–",
		Span(59 * time.Second): "59 s", Span(time.Hour): "1 h 0 min", Span(14*24*time.Hour + 3*time.Hour): "14 d 3 h", Span(61 * time.Second): "1 min 1 s",
		Took(500 * time.Microsecond): "500 µs", Took(42 * time.Millisecond): "42 ms", Took(1500 * time.Millisecond): "1.5 s", Took(29 * time.Minute): "29 min 0 s",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

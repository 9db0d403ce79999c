// Package printable formats numbers, and texts that clients chose, for people. A
// name in a log may contain control characters that move the cursor, letters that
// reverse the direction of text, or the beginning of a formula.
package printable

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Text replaces every character of s that is not printable by a visible escape,
// such as \x1b or \u202e. The result is one line and is harmless on a terminal.
// Texts in an unknown character set are ASCII here, because package proxy keeps
// only their ASCII characters.
func Text(s string) string {
	if plain(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n <= 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case visible(r):
			b.WriteRune(r)
		case r < utf8.RuneSelf:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
		i += n
	}
	return b.String()
}

func plain(s string) bool {
	for _, r := range s {
		if !visible(r) || r == utf8.RuneError {
			return false
		}
	}
	return true
}

// visible reports whether a character can be shown. It excludes combining
// marks, because many of them in a row cover other lines.
func visible(r rune) bool {
	return unicode.IsPrint(r) && !unicode.Is(unicode.Mn, r) && !unicode.Is(unicode.Me, r)
}

// Quote returns Text(s) in double quotes. Double quotes in s are escaped.
func Quote(s string) string { return `"` + strings.ReplaceAll(Text(s), `"`, `\"`) + `"` }

// Cell returns s for a cell of a spreadsheet. A text that a program could read
// as a formula gets an apostrophe in front, which marks it as text.
func Cell(s string) string {
	s = Text(s)
	if s != "" && strings.IndexByte("=+-@", s[0]) >= 0 {
		return "'" + s
	}
	return s
}

// Short returns Text(s). If that text has more characters than the argument "most"
// permits, Short shortens it to that number; it then ends with "…".
func Short(s string, most int) string {
	s = Text(s)
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	runes := []rune(s)
	return string(runes[:most-1]) + "…"
}

// Truncate cuts off s after limit bytes and adds "…" if s is longer. It does not
// split a UTF-8 character. It does not make s printable, and keeps invalid bytes.
func Truncate(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for i := limit; i >= 0 && i > limit-utf8.UTFMax; i-- {
		if _, size := utf8.DecodeRuneInString(s[i:]); i+size > limit && utf8.RuneStart(s[i]) {
			return s[:i] + "…"
		}
	}
	return s[:limit] + "…"
}

// Number returns an integer as text, with commas between thousands.
func Number(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if s[0] == '-' {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// Count returns n and a noun, such as "1 request" or "2,000 requests". The
// argument "one" is the noun in the singular, "several" is the noun in the plural.
func Count(n int64, one, several string) string {
	if n == 1 {
		return "1 " + one
	}
	return Number(n) + " " + several
}

// Bytes returns a size as text: bytes below 1000, else kB, MB, GB or TB with one
// decimal. The number is less than 1000, except with TB.
func Bytes(n int64) string {
	if n < 1000 {
		return Count(n, "byte", "bytes")
	}
	f := float64(n)
	for _, unit := range []string{"kB", "MB", "GB", "TB"} {
		if f /= 1000; f < 999.95 || unit == "TB" { // 999.95 would be rounded to 1000.0
			return strconv.FormatFloat(f, 'f', 1, 64) + " " + unit
		}
	}
	return ""
}

// Share returns the ratio of part to all in per cent. The result is 0 % only if
// part is 0, and 100 % only if part and all are equal. If all is 0, the result is
// a dash.
func Share(part, all int64) string {
	if all == 0 {
		return "–"
	}
	percent := 100 * float64(part) / float64(all)
	switch {
	case part > 0 && percent < .1:
		return "< 0.1 %"
	case part < all && percent > 99.9:
		return "> 99.9 %"
	}
	return strings.TrimSuffix(strconv.FormatFloat(percent, 'f', 1, 64), ".0") + " %"
}

// Span returns a duration as text, rounded to seconds: in the largest unit from
// days to seconds, and the next smaller unit.
func Span(d time.Duration) string {
	d = d.Round(time.Second)
	days, hours, minutes, seconds := d/(24*time.Hour), d/time.Hour%24, d/time.Minute%60, d/time.Second%60
	switch {
	case days > 0:
		return fmt.Sprintf("%d d %d h", days, hours)
	case hours > 0:
		return fmt.Sprintf("%d h %d min", hours, minutes)
	case minutes > 0:
		return fmt.Sprintf("%d min %d s", minutes, seconds)
	}
	return fmt.Sprintf("%d s", seconds)
}

// Took returns the duration of a request as text: with one unit below a minute,
// and as Span does otherwise.
func Took(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return strconv.FormatInt(d.Microseconds(), 10) + " µs"
	case d < time.Second:
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	case d < time.Minute:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	}
	return Span(d)
}

package policy

import "errors"

// Limits of an address, from RFC 5321 section 4.5.3.1 and RFC 1035 section
// 2.3.4. A path is 256 octets with its angle brackets.
const (
	maxAddress = 254
	maxLocal   = 64
	maxLabel   = 63
)

// ParseAddress checks s against the one grammar that this product has for
// addresses, and returns it as given.
//
// The local part is a dot-atom of RFC 5322 without "*", which stands for a
// wildcard in a list, and without "%", which is an old source route. The domain
// is labels of letters, digits and inner hyphens, without a trailing dot. All
// of it is ASCII; there are no quotes, comments or display names.
//
// The error is a constant text that says what is wrong and holds nothing of s.
func ParseAddress(s string) (string, error) {
	if problem := addressProblem(s); problem != "" {
		return "", errors.New(problem)
	}
	return s, nil
}

// addressProblem returns what is wrong with an address, "" for nothing.
func addressProblem(s string) string {
	if problem := plainProblem(s); problem != "" {
		return problem
	}
	at := indexByte(s, '@')
	if at < 0 {
		return "an address needs an @"
	}
	if problem := localProblem(s[:at]); problem != "" {
		return problem
	}
	return domainProblem(s[at+1:])
}

// plainProblem finds the mistakes that deserve a better word than "character
// not allowed".
func plainProblem(s string) string {
	if s == "" {
		return "an address is empty"
	}
	if len(s) > maxAddress {
		return "an address has more than 254 characters"
	}
	if indexByte(s, ';') >= 0 {
		return "an address holds a semicolon; where several may stand, commas or line breaks separate them"
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 0x80:
			return "an address holds characters beyond ASCII"
		case c == '\\':
			return `an address is needed (user@domain), not a logon name (DOMAIN\user)`
		case c <= ' ' || c == 0x7f:
			return "an address holds a space or a control character"
		}
	}
	return ""
}

func localProblem(s string) string {
	if s == "" || len(s) > maxLocal {
		return "the part before the @ must have 1 to 64 characters"
	}
	previous := byte('.')
	for i := range len(s) {
		if s[i] == '.' && previous == '.' {
			return "a dot begins the part before the @, or follows another"
		}
		if s[i] != '.' && !isAtom(s[i]) {
			return "the part before the @ holds a character that is not allowed"
		}
		previous = s[i]
	}
	if previous == '.' {
		return "a dot ends the part before the @"
	}
	return ""
}

func domainProblem(s string) string {
	label := 0
	for i := range len(s) {
		c := s[i]
		switch {
		case c == '@':
			return "an address has one @"
		case c == '.':
			if !labelEnds(s, i, label) {
				return "the domain has a label that is empty, too long or ends in a hyphen"
			}
			label = 0
			continue
		case c == '-' && label == 0:
			return "the domain has a label that begins with a hyphen"
		case c != '-' && !isAlnum(c):
			return "the domain holds a character that is not allowed"
		}
		label++
	}
	if !labelEnds(s, len(s), label) {
		return "the domain is empty or ends in a dot, a hyphen or too long a label"
	}
	return ""
}

// labelEnds reports whether a label of n characters may end before s[i].
func labelEnds(s string, i, n int) bool {
	return n > 0 && n <= maxLabel && s[i-1] != '-'
}

func isAlnum(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// isAtom reports whether c is RFC 5322 atext without "*" and "%".
func isAtom(c byte) bool {
	switch c {
	case '!', '#', '$', '&', '\'', '+', '-', '/', '=', '?', '^', '_', '`', '{', '|', '}', '~':
		return true
	}
	return isAlnum(c)
}

// indexByte is here because strings has too much that must not be used on
// addresses: EqualFold, ToLower and TrimSpace fold and cut beyond ASCII.
func indexByte(s string, c byte) int {
	for i := range len(s) {
		if s[i] == c {
			return i
		}
	}
	return -1
}

// appendLower appends s with A to Z, and nothing else, in lower case.
func appendLower(dst []byte, s string) []byte {
	for i := range len(s) {
		dst = append(dst, lower(s[i]))
	}
	return dst
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}

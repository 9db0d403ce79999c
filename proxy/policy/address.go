package policy

import (
	"errors"
	"strings"

	"hmaproxy/internal/ascii"
)

// Limits of an address, from RFC 5321 section 4.5.3.1 and RFC 1035 section
// 2.3.4. RFC 5321 limits a path to 256 octets with its angle brackets.
const (
	maxAddress = 254
	maxLocal   = 64
	maxLabel   = 63
)

// ParseAddress checks s against the grammar of addresses in this module and
// returns it unchanged.
//
// The local part is a dot-atom of RFC 5322 without "*", which is a wildcard in
// a list, and without "%", which was used for source routes. The domain
// consists of labels of letters, digits and inner hyphens, without a trailing
// dot. Everything is ASCII; there are no quotes, comments or display names.
//
// The error is a constant text that says what is wrong.
func ParseAddress(s string) (string, error) {
	if problem := addressProblem(s); problem != "" {
		return "", errors.New(problem)
	}
	return s, nil
}

// addressProblem returns what is wrong with an address, "" if nothing is.
func addressProblem(s string) string {
	if problem := commonMistake(s); problem != "" {
		return problem
	}
	at := strings.IndexByte(s, '@')
	if at < 0 {
		return "an address needs an @"
	}
	if problem := localProblem(s[:at]); problem != "" {
		return problem
	}
	return domainProblem(s[at+1:])
}

// commonMistake returns the message for a mistake that people often make, "" if it
// finds none.
func commonMistake(s string) string {
	if s == "" {
		return "an address is empty"
	}
	if len(s) > maxAddress {
		return "an address has more than 254 characters"
	}
	if strings.IndexByte(s, ';') >= 0 {
		return "an address contains a semicolon; commas or line breaks separate several addresses"
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 0x80:
			return "an address contains characters beyond ASCII"
		case c == '\\':
			return `an address is needed (user@domain), not a logon name (DOMAIN\user)`
		case c <= ' ' || c == 0x7f:
			return "an address contains a space or a control character"
		}
	}
	return ""
}

// localProblem returns what is wrong with the part before the "@", "" if nothing
// is.
func localProblem(s string) string {
	if s == "" || len(s) > maxLocal {
		return "the part before the @ must have 1 to 64 characters"
	}
	previous := byte('.')
	for i := range len(s) {
		if s[i] == '.' && previous == '.' {
			return "the part before the @ begins with a dot or has two in a row"
		}
		if s[i] != '.' && !isAtext(s[i]) {
			return "the part before the @ contains a character that is not allowed"
		}
		previous = s[i]
	}
	if previous == '.' {
		return "the part before the @ ends in a dot"
	}
	return ""
}

// domainProblem returns what is wrong with the part after the "@", "" if nothing
// is.
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
		case c != '-' && !ascii.IsAlnum(c):
			return "the domain contains a character that is not allowed"
		}
		label++
	}
	if !labelEnds(s, len(s), label) {
		return "the domain is empty, or its last label is empty, too long or ends in a hyphen"
	}
	return ""
}

// labelEnds reports whether a label of n characters may end before s[i].
func labelEnds(s string, i, n int) bool {
	return n > 0 && n <= maxLabel && s[i-1] != '-'
}

// isAtext reports whether c is atext of RFC 5322, without "*" and "%".
func isAtext(c byte) bool {
	return ascii.IsAlnum(c) || strings.IndexByte("!#$&'+-/=?^_`{|}~", c) >= 0
}

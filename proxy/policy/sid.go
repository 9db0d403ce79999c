package policy

import (
	"strings"

	"hmaproxy/internal/ascii"
)

// Limits of a security identifier, from [MS-DTYP] section 2.4.2: 15
// subauthorities of 32 bits, an authority of 48 bits.
const (
	maxSubauthorities = 15
	maxAuthority      = 1<<48 - 1
	maxSubauthority   = 1<<32 - 1
)

// sidProblem returns what is wrong with a security identifier, or "". Only the
// canonical form is accepted: decimal, no leading zeros, no aliases such as
// "BA". So each account has only one spelling.
func sidProblem(s string) string {
	const form = "a security identifier is written S-1-5-21-…, in decimal numbers"
	rest, ok := ascii.CutPrefixFold(s, "s-1-")
	if !ok {
		return form
	}
	authority, rest, more := strings.Cut(rest, "-")
	if !isDecimal(authority, maxAuthority) || !more {
		return form
	}
	for n := 0; more; n++ {
		var number string
		number, rest, more = strings.Cut(rest, "-")
		if n == maxSubauthorities || !isDecimal(number, maxSubauthority) {
			return form
		}
	}
	return ""
}

// isDecimal reports whether s is a decimal number of at most limit without
// leading zeros.
func isDecimal(s string, limit uint64) bool {
	if s == "" || len(s) > 15 || s[0] == '0' && len(s) > 1 {
		return false
	}
	n := uint64(0)
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
		n = n*10 + uint64(s[i]-'0')
	}
	return n <= limit
}

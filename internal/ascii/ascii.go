// Package ascii compares text and changes its case. Only ASCII letters have a
// case here. The functions of package strings fold and trim other characters too,
// so two different addresses could compare as equal: strings.EqualFold treats
// U+017F like "s".
package ascii

// Lower returns c in lower case if it is one of A to Z, else c.
func Lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}

// ToLower returns s with A to Z in lower case. It returns s itself if there is
// nothing to change.
func ToLower(s string) string {
	for i := range len(s) {
		if Lower(s[i]) != s[i] {
			return string(AppendLower(make([]byte, 0, len(s)), s))
		}
	}
	return s
}

// AppendLower appends s to dst with A to Z in lower case.
func AppendLower(dst []byte, s string) []byte {
	for i := range len(s) {
		dst = append(dst, Lower(s[i]))
	}
	return dst
}

// EqualFold reports whether a and b differ at most in the case of ASCII letters.
func EqualFold(a, b string) bool {
	return len(a) == len(b) && HasPrefixFold(a, b)
}

// HasPrefixFold reports whether s begins with prefix, ignoring the case of ASCII
// letters.
func HasPrefixFold(s, prefix string) bool {
	if len(s) < len(prefix) {
		return false
	}
	for i := range len(prefix) {
		if Lower(s[i]) != Lower(prefix[i]) {
			return false
		}
	}
	return true
}

// CutPrefixFold is like strings.CutPrefix, but ignores the case of ASCII letters.
func CutPrefixFold(s, prefix string) (rest string, found bool) {
	if !HasPrefixFold(s, prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

// IsAlnum reports whether c is an ASCII letter or digit.
func IsAlnum(c byte) bool {
	c = Lower(c)
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z'
}

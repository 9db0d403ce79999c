package httpserver

import (
	"bytes"
	"strings"
)

// A byteSet is a set of bytes.
type byteSet [256]bool

func newByteSet(ranges ...[2]byte) (s byteSet) {
	for _, r := range ranges {
		for c := int(r[0]); c <= int(r[1]); c++ {
			s[c] = true
		}
	}
	return s
}

var (
	// tokenBytes are the bytes of a token in RFC 9110, section 5.6.2.
	tokenBytes = func() byteSet {
		s := newByteSet([2]byte{'0', '9'}, [2]byte{'A', 'Z'}, [2]byte{'a', 'z'})
		for _, c := range []byte("!#$%&'*+-.^_`|~") {
			s[c] = true
		}
		return s
	}()

	// valueBytes are the bytes of a field value in RFC 9110, section 5.5.
	valueBytes = newByteSet([2]byte{'\t', '\t'}, [2]byte{' ', '~'}, [2]byte{0x80, 0xff})

	// pathBytes are the bytes that net/url keeps unchanged and unescaped in a
	// path.
	pathBytes = newByteSet([2]byte{'0', '9'}, [2]byte{'A', 'Z'}, [2]byte{'a', 'z'}, [2]byte{'-', '/'}, [2]byte{'_', '_'})
)

func isToken(s string) bool {
	for i := range len(s) {
		if !tokenBytes[s[i]] {
			return false
		}
	}
	return s != ""
}

func isFieldValue(s string) bool {
	for i := range len(s) {
		if !valueBytes[s[i]] {
			return false
		}
	}
	return true
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// trimBlanks removes blanks and tabs on both sides.
func trimBlanks(s string) string { return strings.Trim(s, " \t") }

func indexLF(b []byte) int { return bytes.IndexByte(b, '\n') }

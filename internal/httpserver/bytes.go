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

// pathBytes are the most frequent of the bytes that net/url keeps unchanged in a path.
var pathBytes = newByteSet([2]byte{'0', '9'}, [2]byte{'A', 'Z'}, [2]byte{'a', 'z'}, [2]byte{'-', '/'}, [2]byte{'_', '_'})

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// trimBlanks removes blanks and tabs on both sides.
func trimBlanks(s string) string { return strings.Trim(s, " \t") }

func indexLF(b []byte) int { return bytes.IndexByte(b, '\n') }

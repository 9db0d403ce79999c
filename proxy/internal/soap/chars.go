package soap

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"strings"
	"unicode/utf8"
)

// Classes of bytes. A byte without a class has no special meaning.
const (
	stopsText    uint8 = 1 << iota // has a meaning in text
	stopsCDATA                     // has a meaning in a CDATA section
	stopsComment                   // has a meaning in a comment
	wide                           // part of a character of several bytes
	illegal                        // not a character of XML
	nameStart
	nameRest
	inURI // may occur in a namespace's URI
)

var classes = func() (t [256]uint8) {
	for c := range 0x20 {
		t[c] = illegal
	}
	for c := 0x80; c < 0x100; c++ {
		t[c] = wide
	}
	t['\t'], t['\n'], t['\r'] = 0, 0, 0
	t['<'], t['&'], t[']'], t['-'] = stopsText, stopsText, stopsText|stopsCDATA, stopsComment
	for c := 'a'; c <= 'z'; c++ {
		t[c], t[c-'a'+'A'] = nameStart|nameRest, nameStart|nameRest
	}
	t['_'] = nameStart | nameRest
	for c := '0'; c <= '9'; c++ {
		t[c] = nameRest
	}
	t['.'] = nameRest
	t['-'] |= nameRest
	for c := range t {
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte(":/._#?=&%~+-", byte(c)) >= 0 {
			t[c] |= inURI
		}
	}
	return t
}()

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// quiet reports whether each of the eight bytes of w is ASCII, not below 0x20, and
// not "<", "&" or "]". If the result is false, the caller examines the bytes one
// by one.
func quiet(w uint64) bool {
	lt, amp, bracket := w^ones*'<', w^ones*'&', w^ones*']'
	return (w|(w-ones*0x20)|(lt-ones)|(amp-ones)|(bracket-ones))&highs == 0
}

// zeroBytes returns a word that is 0 if no byte of w is 0. Otherwise its lowest set
// bit is in the lowest byte of w that is 0.
func zeroBytes(w uint64) uint64 { return (w - ones) &^ w & highs }

// quoteOrEnd returns the index of the first quote or ">" in p, or -1.
func quoteOrEnd(p []byte) int {
	i := 0
	for ; i+8 <= len(p); i += 8 {
		w := binary.LittleEndian.Uint64(p[i:])
		found := zeroBytes(w^ones*'"') | zeroBytes(w^ones*'\'') | zeroBytes(w^ones*'>')
		if found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for ; i < len(p); i++ {
		if c := p[i]; c == '"' || c == '\'' || c == '>' {
			return i
		}
	}
	return -1
}

// quietRun is the number of bytes that quietBlock examines in one call. For most
// of a long text, such as a message in base64, quietBlock returns true.
const quietRun = 512

// quietBlock reports whether each of the quietRun bytes of p is ASCII, not below
// 0x20, and not "<", "&" or "]".
func quietBlock(p []byte) bool {
	if bytes.IndexByte(p, '<') >= 0 || bytes.IndexByte(p, '&') >= 0 || bytes.IndexByte(p, ']') >= 0 {
		return false
	}
	var loud uint64
	for ; len(p) >= 32; p = p[32:] {
		a, b := binary.LittleEndian.Uint64(p), binary.LittleEndian.Uint64(p[8:])
		c, d := binary.LittleEndian.Uint64(p[16:]), binary.LittleEndian.Uint64(p[24:])
		loud |= a | b | c | d | (a - ones*0x20) | (b - ones*0x20) | (c - ones*0x20) | (d - ones*0x20)
	}
	return loud&highs == 0
}

// The function "plain" returns the number of ASCII characters at the beginning of p
// that have no special meaning in text.
func plain(p []byte) int {
	i := 0
	for i+quietRun <= len(p) && quietBlock(p[i:i+quietRun]) {
		i += quietRun
	}
	for i < len(p) {
		for i+8 <= len(p) && quiet(binary.LittleEndian.Uint64(p[i:])) {
			i += 8
		}
		for end := min(i+8, len(p)); i < end; i++ {
			if classes[p[i]]&(stopsText|wide|illegal) != 0 {
				return i
			}
		}
	}
	return i
}

// characterLength returns the length of the character of several bytes at the
// beginning of p. It returns 0 if p contains only a part of the character, and
// -1 if the bytes are not a character of XML.
func characterLength(p []byte) int {
	if !utf8.FullRune(p) {
		return 0
	}
	r, n := utf8.DecodeRune(p)
	if r == utf8.RuneError && n == 1 || !isChar(r) {
		return -1
	}
	return n
}

// isChar reports whether r is a Char of XML 1.0.
func isChar(r rune) bool {
	switch {
	case r < 0x20:
		return r == '\t' || r == '\n' || r == '\r'
	case r < 0xD800:
		return true
	case r < 0xE000:
		return false
	}
	return r != 0xFFFE && r != 0xFFFF && r <= utf8.MaxRune
}

// characters returns the number of bytes at the beginning of p that are complete
// characters and not of the class stop. incomplete reports that an incomplete
// character follows. bad reports that bytes follow that are not a character.
func characters(p []byte, stop uint8) (n int, incomplete, bad bool) {
	i := 0
	for i < len(p) {
		if stop != stopsComment {
			if i += plain(p[i:]); i == len(p) {
				break
			}
		}
		class := classes[p[i]]
		switch {
		case class&stop != 0:
			return i, false, false
		case class&illegal != 0:
			return i, false, true
		case class&wide == 0:
			i++
			continue
		}
		switch size := characterLength(p[i:]); size {
		case -1:
			return i, false, true
		case 0:
			return i, true, false
		default:
			i += size
		}
	}
	return i, false, false
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// trim removes the white space of XML from both ends. The functions of package
// bytes would also remove other characters.
func trim(p []byte) []byte {
	for len(p) > 0 && isSpace(p[0]) {
		p = p[1:]
	}
	for len(p) > 0 && isSpace(p[len(p)-1]) {
		p = p[:len(p)-1]
	}
	return p
}

// spaces returns the length of the white space at the beginning of p.
func spaces(p []byte) int {
	n := 0
	for n < len(p) && isSpace(p[n]) {
		n++
	}
	return n
}

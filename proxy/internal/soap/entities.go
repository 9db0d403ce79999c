package soap

import (
	"bytes"
	"unicode/utf8"
)

// decodeReference returns the character that a reference denotes, or -1 if the
// reference is not valid. name is the text between "&" and ";".
func decodeReference(name []byte) rune {
	if len(name) > 1 && name[0] == '#' {
		return decodeNumber(name[1:])
	}
	switch string(name) {
	case "lt":
		return '<'
	case "gt":
		return '>'
	case "amp":
		return '&'
	case "quot":
		return '"'
	case "apos":
		return '\''
	}
	return -1
}

func decodeNumber(digits []byte) rune {
	base := rune(10)
	if digits[0] == 'x' {
		base, digits = 16, digits[1:]
	}
	if len(digits) == 0 {
		return -1
	}
	r := rune(0)
	for _, c := range digits {
		d := digit(c)
		if d >= base {
			return -1
		}
		if r = r*base + d; r > utf8.MaxRune {
			return -1
		}
	}
	if !isChar(r) {
		return -1
	}
	return r
}

// digit returns the value of a hexadecimal digit, 16 for any other byte.
func digit(c byte) rune {
	switch {
	case '0' <= c && c <= '9':
		return rune(c - '0')
	case 'a' <= c && c <= 'f':
		return rune(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return rune(c-'A') + 10
	}
	return 16
}

// checkValue checks the raw text of an attribute's value, before references are
// decoded. It returns the index of the first mistake and the reason; the reason
// is "" if there is none.
func checkValue(p []byte) (int, string) {
	for i := 0; i < len(p); {
		if i += plain(p[i:]); i == len(p) {
			break
		}
		switch c := p[i]; {
		case c == ']':
			i++
		case c == '<':
			return i, "< in an attribute's value"
		case c == '&':
			n := bytes.IndexByte(p[i:min(i+len("&;")+maxReference, len(p))], ';')
			if n < 0 || decodeReference(p[i+1:i+n]) < 0 {
				return i, badReference
			}
			i += n + 1
		default:
			n := characterLength(p[i:])
			if classes[c]&illegal != 0 || n <= 0 {
				return i, notXML
			}
			i += n
		}
	}
	return 0, ""
}

// appendValue appends an attribute's value as a parser returns it: references
// decoded, line ends and tabs replaced by spaces. checkValue must have accepted
// p.
func appendValue(dst, p []byte) []byte {
	for i := 0; i < len(p); i++ {
		switch c := p[i]; c {
		case '&':
			n := bytes.IndexByte(p[i:], ';')
			dst = utf8.AppendRune(dst, decodeReference(p[i+1:i+n]))
			i += n
		case '\r':
			if i+1 < len(p) && p[i+1] == '\n' {
				i++
			}
			dst = append(dst, ' ')
		case '\n', '\t':
			dst = append(dst, ' ')
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// appendEscaped appends text escaped for an element or for an attribute in double
// quotes.
func appendEscaped[T string | []byte](dst []byte, text T) []byte {
	for i := range len(text) {
		switch c := text[i]; c {
		case '<':
			dst = append(dst, "&lt;"...)
		case '>':
			dst = append(dst, "&gt;"...)
		case '&':
			dst = append(dst, "&amp;"...)
		case '"':
			dst = append(dst, "&quot;"...)
		case '\t':
			dst = append(dst, "&#9;"...)
		case '\n':
			dst = append(dst, "&#10;"...)
		case '\r':
			dst = append(dst, "&#13;"...)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

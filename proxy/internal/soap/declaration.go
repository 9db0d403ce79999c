package soap

import (
	"bytes"

	"hmaproxy/internal/ascii"
)

// goodDeclaration reports whether p, the text between "<?" and "?>", is a
// permitted XML declaration.
func goodDeclaration(p []byte) bool {
	p, ok := bytes.CutPrefix(p, []byte("xml"))
	if !ok {
		return false
	}
	value, p, ok := pseudoAttribute(p, "version")
	if !ok || value != "1.0" {
		return false
	}
	if value, rest, ok := pseudoAttribute(p, "encoding"); ok {
		if !ascii.EqualFold(value, "utf-8") {
			return false
		}
		p = rest
	}
	if value, rest, ok := pseudoAttribute(p, "standalone"); ok {
		if value != "yes" && value != "no" {
			return false
		}
		p = rest
	}
	return len(trim(p)) == 0
}

// pseudoAttribute reads white space, the given name, "=" and a quoted value
// from the beginning of p. It returns the value without quotes and the rest of p.
func pseudoAttribute(p []byte, name string) (value string, rest []byte, ok bool) {
	blank := spaces(p)
	p, ok = bytes.CutPrefix(p[blank:], []byte(name))
	if !ok || blank == 0 {
		return "", nil, false
	}
	p = p[spaces(p):]
	if len(p) == 0 || p[0] != '=' {
		return "", nil, false
	}
	p = p[1:]
	p = p[spaces(p):]
	if len(p) == 0 || p[0] != '"' && p[0] != '\'' {
		return "", nil, false
	}
	end := bytes.IndexByte(p[1:], p[0])
	if end < 0 {
		return "", nil, false
	}
	return string(p[1 : 1+end]), p[2+end:], true
}

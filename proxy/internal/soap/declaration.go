package soap

import "bytes"

// declaration collects the XML declaration and reads it when it is whole.
func (s *Scanner) declaration(p []byte) (int, error) {
	s.pending = append(s.pending, p[0])
	if !bytes.HasSuffix(s.pending, []byte("?>")) {
		if len(s.pending) == maxDeclaration {
			return 0, s.violation(s.token, "an XML declaration that is too long")
		}
		return 1, nil
	}
	inner := s.pending[:len(s.pending)-len("?>")]
	if !goodDeclaration(inner) {
		return 0, s.violation(s.token, "an XML declaration other than for version 1.0 in UTF-8")
	}
	s.state = inText
	return 1, nil
}

// goodDeclaration judges what is between "<?" and "?>".
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
		if !equalFold(value, "utf-8") {
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

// pseudoAttribute reads white space, name, "=" and a quoted value.
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
	if len(p) < 2 || p[0] != '"' && p[0] != '\'' {
		return "", nil, false
	}
	end := bytes.IndexByte(p[1:], p[0])
	if end < 0 {
		return "", nil, false
	}
	return string(p[1 : 1+end]), p[2+end:], true
}

// equalFold compares with lower, which is ASCII in lower case. It knows no
// letters but those of ASCII.
func equalFold(s, lower string) bool {
	if len(s) != len(lower) {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

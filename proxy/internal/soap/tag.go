package soap

import "bytes"

// An element is a parsed start tag. Its slices point into the tag and are valid
// until the next start tag is parsed.
type element struct {
	at            int64  // offset of its "<" in the document
	depth         int    // 1 is the root
	name          []byte // qualified name as written
	prefix, local []byte
	space         space
	attrs         []attribute // namespace declarations included
	empty         bool        // the tag ends with "/>"
	size          int         // number of bytes between "<" and ">"
}

type attribute struct {
	name          []byte
	prefix, local []byte
	value         []byte // raw text, which checkValue has accepted
	at            int    // index of the name in the tag
	space         space  // namespace; an attribute without a prefix has none
}

func (e *element) is(c class, local string) bool {
	return e.space.class == c && string(e.local) == local
}

// declares reports whether a is a namespace declaration.
func (a *attribute) declares() bool {
	return string(a.prefix) == "xmlns" || len(a.prefix) == 0 && string(a.local) == "xmlns"
}

// violation returns a Violation at index i of the tag. Index 0 is the byte
// after the "<".
func (e *element) violation(i int, reason string) error {
	return violation(e.at+1+int64(i), reason)
}

// parse parses the text between "<" and ">" of a start tag. It does not resolve
// namespaces.
func (e *element) parse(p []byte) error {
	var n int
	if e.prefix, e.local, n = cutName(p); n == 0 {
		return e.violation(0, badName)
	}
	e.name = p[:n]
	e.attrs, e.empty = e.attrs[:0], false
	for i := n; ; {
		blank := spaces(p[i:])
		i += blank
		switch {
		case i == len(p):
			return nil
		case p[i] == '/' && i == len(p)-1:
			e.empty = true
			return nil
		case blank == 0:
			return e.violation(i, "an attribute without white space before it")
		case len(e.attrs) == maxAttributes:
			return e.violation(i, "too many attributes")
		}
		end, err := e.attribute(p, i)
		if err != nil {
			return err
		}
		i = end
	}
}

// attribute parses the attribute at index i and returns the index after it.
func (e *element) attribute(p []byte, i int) (int, error) {
	prefix, local, n := cutName(p[i:])
	if n == 0 {
		return 0, e.violation(i, badName)
	}
	e.attrs = append(e.attrs, attribute{at: i, name: p[i : i+n], prefix: prefix, local: local})
	a := &e.attrs[len(e.attrs)-1]
	i += n
	i += spaces(p[i:])
	if i == len(p) || p[i] != '=' {
		return 0, e.violation(i, "an attribute without a value")
	}
	i++
	i += spaces(p[i:])
	if i == len(p) || p[i] != '"' && p[i] != '\'' {
		return 0, e.violation(i, "an attribute's value without quotes")
	}
	n = bytes.IndexByte(p[i+1:], p[i])
	if n < 0 {
		return 0, e.violation(i, "an attribute's value without quotes")
	}
	a.value = p[i+1 : i+1+n]
	if at, reason := checkValue(a.value); reason != "" {
		return 0, e.violation(i+1+at, reason)
	}
	return i + n + 2, nil
}

const badName = "a name that is not a plain ASCII one"

// cutName returns the prefix, the local part and the length of the qualified
// name at the beginning of p. The length is 0 if there is no name, or if its
// form or size is not allowed. prefix is nil if the name has no prefix.
func cutName(p []byte) (prefix, local []byte, n int) {
	n = part(p)
	local = p[:n]
	if n > 0 && n < len(p) && p[n] == ':' {
		rest := p[n+1:]
		prefix, local = local, rest[:part(rest)]
		if len(local) == 0 {
			return nil, nil, 0
		}
		n += 1 + len(local)
	}
	if n > maxName || n < len(p) && (p[n] == ':' || classes[p[n]]&wide != 0) {
		return nil, nil, 0
	}
	return prefix, local, n
}

// The function "part" returns the length of the name at the beginning of p, up
// to a colon.
func part(p []byte) int {
	if len(p) == 0 || classes[p[0]]&nameStart == 0 {
		return 0
	}
	n := 1
	for n < len(p) && classes[p[n]]&nameRest != 0 {
		n++
	}
	return n
}

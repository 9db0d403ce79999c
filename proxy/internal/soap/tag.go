package soap

import "bytes"

// An element is a parsed start tag. Its slices point into the tag and are valid
// until the next one.
type element struct {
	name          []byte // as written
	prefix, local []byte
	space         space
	attrs         []attribute // namespace declarations included
	empty         bool        // <like this/>
	size          int         // length of what is between "<" and ">"
}

type attribute struct {
	name          []byte
	prefix, local []byte
	value         []byte // as written; checkValue accepted it
	at            int    // index of the name in the tag
	space         space  // nowhere for one without a prefix
}

// A frame is an open element.
type frame struct {
	name     int // index of its name in s.names; the name ends where the next begins
	bindings int // number of declarations in force outside of it
	tag      tag
}

func (e *element) is(c class, local string) bool {
	return e.space.class == c && string(e.local) == local
}

// declares reports whether a is a namespace declaration.
func (a *attribute) declares() bool {
	return string(a.prefix) == "xmlns" || len(a.prefix) == 0 && string(a.local) == "xmlns"
}

// inTag returns a violation at index i of the text between "<" and ">".
func (s *Scanner) inTag(i int, reason string) error {
	return s.violation(s.token+1+int64(i), reason)
}

func (s *Scanner) startTag(p []byte) error {
	if err := s.parse(p); err != nil {
		return err
	}
	e := &s.element
	if len(s.stack) == maxDepth {
		return s.violation(s.token, "elements too deep in each other")
	}
	s.stack = append(s.stack, frame{name: len(s.names), bindings: len(s.spaces.bindings)})
	s.names = append(s.names, e.name...)
	if err := s.resolve(); err != nil {
		return err
	}
	if err := s.enter(e); err != nil {
		return err
	}
	if !e.empty {
		return nil
	}
	return s.leave()
}

func (s *Scanner) endTag(p []byte) error {
	name := p[1:]
	for len(name) > 0 && isSpace(name[len(name)-1]) {
		name = name[:len(name)-1]
	}
	if len(s.stack) == 0 {
		return s.violation(s.token, "an end tag without a start tag")
	}
	open := s.stack[len(s.stack)-1]
	if !bytes.Equal(name, s.names[open.name:]) {
		return s.violation(s.token, "an end tag that is not the open element's")
	}
	return s.leave()
}

// leave ends the innermost open element.
func (s *Scanner) leave() error {
	err := s.exit()
	top := s.stack[len(s.stack)-1]
	s.stack = s.stack[:len(s.stack)-1]
	s.names = s.names[:top.name]
	s.spaces.pop(top.bindings)
	return err
}

// parse parses a start tag into s.element. It does not resolve namespaces.
func (s *Scanner) parse(p []byte) error {
	e := &s.element
	*e = element{attrs: e.attrs[:0], size: len(p)}
	n := nameLength(p)
	if n == 0 {
		return s.inTag(0, badName)
	}
	e.name = p[:n]
	e.prefix, e.local = split(e.name)
	for i := n; ; {
		blank := spaces(p[i:])
		i += blank
		switch {
		case i == len(p):
			return s.distinct()
		case p[i] == '/' && i == len(p)-1:
			e.empty = true
			return s.distinct()
		case blank == 0:
			return s.inTag(i, "an attribute without white space before it")
		case len(e.attrs) == maxAttributes:
			return s.inTag(i, "too many attributes")
		}
		end, err := s.attribute(p, i)
		if err != nil {
			return err
		}
		i = end
	}
}

// attribute parses the attribute at index i and returns the index after it.
func (s *Scanner) attribute(p []byte, i int) (int, error) {
	a := attribute{at: i}
	n := nameLength(p[i:])
	if n == 0 {
		return 0, s.inTag(i, badName)
	}
	a.name = p[i : i+n]
	a.prefix, a.local = split(a.name)
	i += n
	i += spaces(p[i:])
	if i == len(p) || p[i] != '=' {
		return 0, s.inTag(i, "an attribute without a value")
	}
	i++
	i += spaces(p[i:])
	if i == len(p) || p[i] != '"' && p[i] != '\'' {
		return 0, s.inTag(i, "an attribute's value without quotes")
	}
	n = bytes.IndexByte(p[i+1:], p[i])
	if n < 0 {
		return 0, s.inTag(i, "an attribute's value without quotes")
	}
	a.value = p[i+1 : i+1+n]
	if at, reason := checkValue(a.value); reason != "" {
		return 0, s.inTag(i+1+at, reason)
	}
	s.element.attrs = append(s.element.attrs, a)
	return i + n + 2, nil
}

// distinct refuses two attributes that are written with the same name.
func (s *Scanner) distinct() error {
	attrs := s.element.attrs
	for i := range attrs {
		for j := range i {
			s.work++
			if bytes.Equal(attrs[i].name, attrs[j].name) {
				return s.inTag(attrs[i].at, "an attribute twice")
			}
		}
	}
	return nil
}

const badName = "a name that is not a plain ASCII one"

// nameLength returns the length of the qualified name at the beginning of p, 0 if
// there is none or its form or size is not allowed.
func nameLength(p []byte) int {
	n := part(p)
	if n > 0 && n < len(p) && p[n] == ':' {
		local := part(p[n+1:])
		if local == 0 {
			return 0
		}
		n += 1 + local
	}
	if n > maxName || n < len(p) && (p[n] == ':' || classes[p[n]]&wide != 0) {
		return 0
	}
	return n
}

// part returns the length of the name without a colon at the beginning of p.
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

func split(name []byte) (prefix, local []byte) {
	if prefix, local, ok := bytes.Cut(name, []byte(":")); ok {
		return prefix, local
	}
	return nil, name
}

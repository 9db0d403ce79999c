package soap

import "bytes"

// A state says what the next byte continues.
type state uint8

const (
	inStart       state = iota // nothing yet, or a part of the BOM
	inText                     // between tokens, white space outside the root included
	inMarkup                   // "<"
	inMarker                   // "<!", a part of s.marker
	inTag                      // "<" and more, a part of a tag
	inReference                // "&", a part of a reference
	inDeclaration              // "<?", a part of the XML declaration
	inComment
	inCDATA
)

// Reasons that are used more than once.
const (
	notXML       = "a byte that is no character of XML in UTF-8"
	badMarkup    = "a DOCTYPE, or other markup that is neither tag, comment nor CDATA section"
	badReference = "an entity or character reference that is not allowed"
)

// step consumes at least one byte of p, or changes the state.
func (s *Scanner) step(p []byte) (int, error) {
	if s.cut > 0 {
		return s.mend(p)
	}
	switch s.state {
	case inStart:
		return s.start(p)
	case inText:
		return s.text(p)
	case inMarkup:
		return s.markup(p)
	case inMarker:
		return s.mark(p)
	case inTag:
		return s.tag(p)
	case inReference:
		return s.reference(p)
	case inDeclaration:
		return s.declaration(p)
	case inComment:
		return s.comment(p)
	default:
		return s.cdata(p)
	}
}

// start skips one byte order mark.
func (s *Scanner) start(p []byte) (int, error) {
	const bom = "\xEF\xBB\xBF"
	switch {
	case p[0] == bom[s.off]:
		if s.off == int64(len(bom))-1 {
			s.opened = int64(len(bom))
			s.state = inText
		}
		return 1, nil
	case s.off > 0:
		return 0, s.violation(0, notXML)
	}
	s.state = inText
	return 0, nil
}

func (s *Scanner) begin(next state) (int, error) {
	s.state, s.token, s.run = next, s.off, 0
	s.pending = s.pending[:0]
	return 1, nil
}

func (s *Scanner) text(p []byte) (int, error) {
	switch p[0] {
	case '<':
		return s.begin(inMarkup)
	case '&':
		return s.begin(inReference)
	case ']':
		s.run = min(s.run+1, 2)
		return 1, s.data(s.off, p[:1])
	case '>':
		if s.run == 2 {
			return 0, s.violation(s.off-2, "]]> in text")
		}
	}
	s.run = 0
	return s.deliver(p, stopsText)
}

// deliver handles the run of characters at the beginning of p as text.
func (s *Scanner) deliver(p []byte, stop uint8) (int, error) {
	n, bad := s.characters(p, stop)
	if err := s.data(s.off, p[:n-s.cut]); err != nil {
		return 0, err
	}
	if bad {
		return n, s.violation(s.off+int64(n), notXML)
	}
	return n, nil
}

func (s *Scanner) markup(p []byte) (int, error) {
	switch c := p[0]; {
	case c == '!':
		s.state, s.matched, s.marker = inMarker, len("<!"), "<!--"
		return 1, nil
	case c == '?' && s.token == s.opened:
		s.state = inDeclaration
		return 1, nil
	case c == '?':
		return 0, s.violation(s.token, "a processing instruction, or an XML declaration that is not at the beginning")
	case c == '/' || classes[c]&nameStart != 0:
		s.state, s.quote = inTag, 0
		return 0, nil
	}
	return 0, s.violation(s.token, badMarkup)
}

// mark reads "<!--" or "<![CDATA[" after its second byte.
func (s *Scanner) mark(p []byte) (int, error) {
	if s.matched == len("<!") && p[0] == '[' {
		s.marker = "<![CDATA["
	}
	if p[0] != s.marker[s.matched] {
		return 0, s.violation(s.token, badMarkup)
	}
	s.matched++
	if s.matched < len(s.marker) {
		return 1, nil
	}
	s.state = inComment
	if s.marker == "<![CDATA[" {
		if s.place != inOperation {
			return 0, s.violation(s.token, "a CDATA section outside the operation")
		}
		s.state = inCDATA
	}
	s.interrupted()
	return 1, nil
}

func (s *Scanner) comment(p []byte) (int, error) {
	switch {
	case s.run == 2 && p[0] == '>':
		s.state, s.run = inText, 0
		return 1, nil
	case s.run == 2:
		return 0, s.violation(s.off-2, "-- in a comment")
	case p[0] == '-':
		s.run++
		return 1, nil
	}
	return s.skip(p, stopsComment)
}

func (s *Scanner) cdata(p []byte) (int, error) {
	switch {
	case s.run == 2 && p[0] == '>':
		s.state, s.run = inText, 0
		return 1, nil
	case p[0] == ']':
		s.run = min(s.run+1, 2)
		return 1, nil
	}
	return s.skip(p, stopsCDATA)
}

// skip ignores the run of characters at the beginning of p.
func (s *Scanner) skip(p []byte, stop uint8) (int, error) {
	s.run = 0
	n, bad := s.characters(p, stop)
	if bad {
		return n, s.violation(s.off+int64(n), notXML)
	}
	return n, nil
}

// tag collects a tag and parses it when it is complete.
func (s *Scanner) tag(p []byte) (int, error) {
	room := maxTag - len("<") - len(s.pending)
	p = p[:min(room, len(p))]
	end := s.tagEnd(p)
	if end < 0 {
		if len(p) == room {
			return 0, s.violation(s.token+maxTag, "tag too long")
		}
		s.pending = append(s.pending, p...)
		return len(p), nil
	}
	inner := p[:end]
	if len(s.pending) > 0 {
		s.pending = append(s.pending, inner...)
		inner = s.pending
	}
	s.state = inText
	s.work += int64(len(inner))
	if inner[0] == '/' {
		return end + 1, s.endTag(inner)
	}
	return end + 1, s.startTag(inner)
}

// tagEnd returns the index of the ">" that ends the current tag, or -1.
func (s *Scanner) tagEnd(p []byte) int {
	for i := 0; i < len(p); i++ {
		switch c := p[i]; {
		case s.quote != 0:
			n := bytes.IndexByte(p[i:], s.quote)
			if n < 0 {
				return -1
			}
			i += n
			s.quote = 0
		case c == '"' || c == '\'':
			s.quote = c
		case c == '>':
			return i
		}
	}
	return -1
}

func (s *Scanner) reference(p []byte) (int, error) {
	c := p[0]
	if c != ';' {
		if c != '#' && classes[c]&nameRest == 0 || len(s.pending) == maxReference {
			return 0, s.violation(s.token, badReference)
		}
		s.pending = append(s.pending, c)
		return 1, nil
	}
	r := decodeReference(s.pending)
	if r < 0 {
		return 0, s.violation(s.token, badReference)
	}
	s.state = inText
	return 1, s.referred(r)
}

package soap

import (
	"bytes"
	"unicode/utf8"
)

// A state is the part of the document to which the next byte belongs.
type state uint8

const (
	inStart       state = iota // at the beginning, perhaps within the byte order mark
	inText                     // in text, or in white space outside the root
	inMarkup                   // after "<"
	inMarker                   // after "<!", within "<!--" or "<![CDATA["
	inTag                      // after "<" and another byte, within a tag
	inReference                // after "&", within a reference
	inDeclaration              // after "<?", within the XML declaration
	inComment
	inCDATA
)

// Reasons that several checks return.
const (
	notXML       = "a byte that is not a character of XML in UTF-8"
	badMarkup    = "a DOCTYPE, or other markup that is neither tag, comment nor CDATA section"
	badReference = "an entity or character reference that is not allowed"
)

// A tokenKind is a kind of token.
type tokenKind uint8

const (
	noToken        tokenKind = iota // bytes were scanned, but no token is complete
	textToken                       // complete characters of text
	referenceToken                  // a character of text, written as a reference
	startTag                        // a start tag or an empty element's tag, without "<" and ">"
	endTag                          // an end tag without "<" and ">", with its "/"
	commentToken                    // the beginning of a comment
	cdataToken                      // the beginning of a CDATA section
)

// A token is a part of a document.
type token struct {
	kind tokenKind
	at   int64  // offset of its first byte in the document
	text []byte // valid until the method next is called again
}

// A lexer cuts a document into tokens and checks its characters. It refuses
// markup that the profile of Scanner does not permit.
type lexer struct {
	state   state
	off     int64     // number of bytes scanned
	start   int64     // offset of the current token's first byte
	opened  int64     // offset of the first byte after the BOM
	pending []byte    // bytes of the current token from earlier calls of next
	quote   byte      // the quote around the current attribute value, or 0
	run     int       // number of consecutive "]" or "-" before the current byte, at most 2
	char    character // the last character, while it is incomplete
	token   token     // the token that the last call of next completed, or noToken
	work    int64
}

// A character collects the first bytes of a character that has several bytes.
type character struct {
	bytes [4]byte
	n     int
}

func (l *lexer) reset() { *l = lexer{pending: l.pending[:0]} }

// complete reports whether the document may end here.
func (l *lexer) complete() bool { return l.state == inText && l.char.n == 0 }

// The method "whole" returns the offset of the end of the scanned bytes, without an
// incomplete token or character.
func (l *lexer) whole() int64 {
	switch l.state {
	case inText, inComment, inCDATA:
		return l.off - int64(l.char.n)
	}
	return l.start
}

// next scans p, which is not empty, up to the end of a token, and returns how
// many bytes it scanned. It sets l.token. If next also returns an error, the
// token precedes the error in the document.
func (l *lexer) next(p []byte) (scanned int, err error) {
	l.token.kind = noToken
	for err == nil && l.token.kind == noToken && len(p) > 0 {
		var n int
		n, err = l.step(p)
		l.off += int64(n)
		l.work += int64(n) + 1
		scanned += n
		p = p[n:]
	}
	return scanned, err
}

func (l *lexer) emit(kind tokenKind, at int64, text []byte) {
	l.token = token{kind, at, text}
}

// step scans at least one byte of p, or changes the state.
func (l *lexer) step(p []byte) (int, error) {
	if l.char.n > 0 {
		return l.mend(p)
	}
	switch l.state {
	case inStart:
		return l.byteOrderMark(p)
	case inText:
		return l.text(p)
	case inMarkup:
		return l.markup(p)
	case inMarker:
		return l.marker(p)
	case inTag:
		return l.tag(p)
	case inReference:
		return l.reference(p)
	case inDeclaration:
		return l.declaration(p)
	}
	return l.skip(p)
}

// byteOrderMark skips one byte order mark.
func (l *lexer) byteOrderMark(p []byte) (int, error) {
	const bom = "\xEF\xBB\xBF"
	switch {
	case p[0] == bom[l.off]:
		if l.off == int64(len(bom))-1 {
			l.opened = int64(len(bom))
			l.state = inText
		}
		return 1, nil
	case l.off > 0:
		return 0, violation(0, notXML)
	}
	l.state = inText
	return 0, nil
}

// begin starts a token with the current byte.
func (l *lexer) begin(next state) {
	l.state, l.start, l.run = next, l.off, 0
	l.pending = l.pending[:0]
}

func (l *lexer) text(p []byte) (int, error) {
	switch p[0] {
	case '<':
		l.begin(inMarkup)
		// The tag usually follows in the same piece of the document. It is then read
		// here, which saves the step in state inMarkup.
		if len(p) > 1 && startsTag(p[1]) {
			l.state, l.quote = inTag, 0
			n, err := l.tag(p[1:])
			return 1 + n, err
		}
		return 1, nil
	case '&':
		l.begin(inReference)
		return 1, nil
	case ']':
		l.run = min(l.run+1, 2)
		l.emit(textToken, l.off, p[:1])
		return 1, nil
	case '>':
		if l.run == 2 {
			return 0, violation(l.off-2, "]]> in text")
		}
	}
	l.run = 0
	n, bad := l.characters(p, stopsText)
	l.emit(textToken, l.off, p[:n-l.char.n])
	if bad {
		return n, violation(l.off+int64(n), notXML)
	}
	return n, nil
}

// characters returns the number of bytes at the beginning of p that are
// characters and not of the class stop. It includes an incomplete last character,
// which it keeps in l.char. bad reports that bytes follow that are not a character.
func (l *lexer) characters(p []byte, stop uint8) (n int, bad bool) {
	n, incomplete, bad := characters(p, stop)
	if incomplete {
		l.char.n = copy(l.char.bytes[:], p[n:])
		n = len(p)
	}
	return n, bad
}

// mend completes a character whose first bytes were passed in an earlier call.
func (l *lexer) mend(p []byte) (int, error) {
	c := &l.char
	at := l.off - int64(c.n)
	for n := range p {
		c.bytes[c.n] = p[n]
		c.n++
		switch size := characterLength(c.bytes[:c.n]); size {
		case 0:
			continue
		case -1:
			return n, violation(at, notXML)
		}
		whole := c.bytes[:c.n]
		c.n = 0
		if l.state == inText {
			l.emit(textToken, at, whole)
		}
		return n + 1, nil
	}
	return len(p), nil
}

// startsTag reports whether "<" and c are the beginning of a tag.
func startsTag(c byte) bool { return c == '/' || classes[c]&nameStart != 0 }

// markup handles the byte after "<".
func (l *lexer) markup(p []byte) (int, error) {
	switch c := p[0]; {
	case c == '!':
		l.state = inMarker
		return 1, nil
	case c == '?' && l.start == l.opened:
		l.state = inDeclaration
		return 1, nil
	case c == '?':
		return 0, violation(l.start, "a processing instruction, or an XML declaration that is not at the beginning")
	case startsTag(c):
		l.state, l.quote = inTag, 0
		return 0, nil
	}
	return 0, violation(l.start, badMarkup)
}

// marker reads the bytes after "<!".
func (l *lexer) marker(p []byte) (int, error) {
	const comment, cdata = "--", "[CDATA["
	l.pending = append(l.pending, p[0])
	switch n := len(l.pending); {
	case string(l.pending) == comment:
		l.state = inComment
		l.emit(commentToken, l.start, nil)
		return 1, nil
	case string(l.pending) == cdata:
		l.state = inCDATA
		l.emit(cdataToken, l.start, nil)
		return 1, nil
	case string(l.pending) == comment[:min(n, len(comment))], string(l.pending) == cdata[:min(n, len(cdata))]:
		return 1, nil
	}
	return 0, violation(l.start, badMarkup)
}

// skip ignores the content of a comment or a CDATA section up to its end.
func (l *lexer) skip(p []byte) (int, error) {
	end, stop := byte('-'), stopsComment
	if l.state == inCDATA {
		end, stop = ']', stopsCDATA
	}
	switch {
	case l.run == 2 && p[0] == '>':
		l.state, l.run = inText, 0
		return 1, nil
	case l.run == 2 && l.state == inComment:
		return 0, violation(l.off-2, "-- in a comment")
	case p[0] == end:
		l.run = min(l.run+1, 2)
		return 1, nil
	}
	l.run = 0
	n, bad := l.characters(p, stop)
	if bad {
		return n, violation(l.off+int64(n), notXML)
	}
	return n, nil
}

// tag collects the bytes of a tag and emits the token when the tag is complete.
func (l *lexer) tag(p []byte) (int, error) {
	room := maxTag - len("<") - len(l.pending)
	p = p[:min(room, len(p))]
	end := l.tagEnd(p)
	if end < 0 {
		if len(p) == room {
			return 0, violation(l.start+maxTag, "tag too long")
		}
		l.pending = append(l.pending, p...)
		return len(p), nil
	}
	inner := p[:end]
	if len(l.pending) > 0 {
		l.pending = append(l.pending, inner...)
		inner = l.pending
	}
	l.state = inText
	l.work += int64(len(inner))
	kind := startTag
	if inner[0] == '/' {
		kind = endTag
	}
	l.emit(kind, l.start, inner)
	return end + 1, nil
}

// tagEnd returns the index of the ">" that ends the current tag, or -1.
func (l *lexer) tagEnd(p []byte) int {
	for i := 0; ; {
		if l.quote != 0 {
			n := bytes.IndexByte(p[i:], l.quote)
			if n < 0 {
				return -1
			}
			i += n + 1
			l.quote = 0
		}
		n := quoteOrEnd(p[i:])
		if n < 0 {
			return -1
		}
		i += n
		if p[i] == '>' {
			return i
		}
		l.quote = p[i]
		i++
	}
}

// reference collects an entity or character reference and decodes it when it is
// complete.
func (l *lexer) reference(p []byte) (int, error) {
	c := p[0]
	if c != ';' {
		if c != '#' && classes[c]&nameRest == 0 || len(l.pending) == maxReference {
			return 0, violation(l.start, badReference)
		}
		l.pending = append(l.pending, c)
		return 1, nil
	}
	r := decodeReference(l.pending)
	if r < 0 {
		return 0, violation(l.start, badReference)
	}
	l.state = inText
	l.pending = utf8.AppendRune(l.pending[:0], r)
	l.emit(referenceToken, l.start, l.pending)
	return 1, nil
}

// declaration collects the XML declaration and checks it when it is complete.
func (l *lexer) declaration(p []byte) (int, error) {
	p = p[:min(maxDeclaration-len(l.pending), len(p))]
	if end := bytes.IndexByte(p, '>'); end >= 0 {
		p = p[:end+1]
	}
	l.pending = append(l.pending, p...)
	inner, complete := bytes.CutSuffix(l.pending, []byte("?>"))
	switch {
	case !complete && len(l.pending) == maxDeclaration:
		return 0, violation(l.start, "an XML declaration that is too long")
	case !complete:
		return len(p), nil
	case !goodDeclaration(inner):
		return 0, violation(l.start, "an XML declaration other than for version 1.0 in UTF-8")
	}
	l.state = inText
	return len(p), nil
}

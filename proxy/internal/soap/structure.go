package soap

import (
	"slices"
	"unicode/utf8"
)

// A place is the scanner's position in the envelope.
type place uint8

const (
	beforeRoot place = iota
	inEnvelope       // before Header and Body
	inHeader         // between its blocks
	inBlock
	afterHeader
	inBody // before the operation
	inOperation
	afterOperation
	afterBody
	afterRoot
)

// Depths of elements: 1 is the root.
const (
	envelopeDepth = 1 + iota
	partDepth     // Header and Body
	blockDepth    // header blocks and the operation
	requestDepth  // children of the operation
)

// enter handles a start tag. Its element is the innermost of s.stack.
func (s *Scanner) enter(e *element) error {
	if s.bare && s.place != afterRoot {
		s.place = inOperation
		return nil
	}
	switch s.place {
	case beforeRoot:
		return s.enterEnvelope(e)
	case inEnvelope, afterHeader:
		return s.enterPart(e)
	case inHeader, inBlock, inBody, inOperation:
		if e.space.class == envelopeClass {
			return s.violation(s.token, "an element of the SOAP namespace out of place")
		}
		return s.enterContent(e)
	}
	return s.violation(s.token, "an element where none may be")
}

func (s *Scanner) enterEnvelope(e *element) error {
	if !e.is(envelopeClass, "Envelope") {
		return s.violation(s.token, "the root is no SOAP 1.1 Envelope")
	}
	s.place = inEnvelope
	s.keepEnvelope(e)
	return s.soapAttributes(e)
}

func (s *Scanner) enterPart(e *element) error {
	switch {
	case e.is(envelopeClass, "Header") && s.place == inEnvelope:
		s.place = inHeader
		s.header.keep(e, s.token)
	case e.is(envelopeClass, "Body"):
		s.place = inBody
		s.request.BodyOffset = s.token
		if !passiveBody(e) {
			return s.violation(s.token, "an attribute that Body may not have")
		}
	default:
		return s.violation(s.token, "something other than one Header and then one Body in Envelope")
	}
	return s.soapAttributes(e)
}

// soapAttributes refuses attributes of the SOAP namespace on Envelope, Header
// and Body, but for encodingStyle, which many toolkits write there.
func (s *Scanner) soapAttributes(e *element) error {
	for i := range e.attrs {
		a := &e.attrs[i]
		if a.space.class == envelopeClass && string(a.local) != "encodingStyle" {
			return s.inTag(a.at, "a SOAP attribute that has no meaning here")
		}
	}
	return nil
}

// passiveBody reports whether none of Body's attributes changes the meaning of its
// content: declarations, encodingStyle, a language, the places of schemas, and
// names for the element itself. They go upstream unchanged.
func passiveBody(e *element) bool {
	for i := range e.attrs {
		a := &e.attrs[i]
		switch string(a.local) {
		case "encodingStyle", "Id", "ID", "id":
		default:
			if !a.declares() && !a.isSchemaInstance("schemaLocation") &&
				!(a.space.class == xmlClass && string(a.local) == "lang") {
				return false
			}
		}
	}
	return true
}

func (s *Scanner) enterContent(e *element) error {
	switch s.place {
	case inHeader:
		s.place = inBlock
		return s.enterBlock(e)
	case inBlock:
		s.block.enter(s, e, len(s.stack)-blockDepth)
		return nil
	case inBody:
		return s.enterOperation(e)
	}
	if len(s.stack) == requestDepth && s.request.Operation == "Subscribe" {
		if s.known {
			return s.violation(s.token, "more than one request in Subscribe")
		}
		s.request.Push = string(e.local) == "PushSubscriptionRequest"
		s.known = true
	}
	return s.follow(e)
}

func (s *Scanner) enterOperation(e *element) error {
	if e.space.class != messagesClass {
		return s.violation(s.token, "an operation that is not of the messages namespace")
	}
	s.place = inOperation
	s.request.Operation = string(e.local)
	s.known = s.request.Operation != "Subscribe"
	return s.follow(e)
}

// exit handles the end of the innermost element of s.stack.
func (s *Scanner) exit() error {
	depth := len(s.stack)
	if s.bare {
		if depth == envelopeDepth {
			s.place = afterRoot
		}
		return nil
	}
	switch {
	case s.place == inBlock && depth == blockDepth:
		s.place = inHeader
		s.exitBlock()
	case s.place == inBlock:
		s.block.exit(s, depth-blockDepth)
	case s.place == inOperation && depth == blockDepth:
		s.place = afterOperation
		s.opEnd = s.token
		s.known = true
	case s.place == inOperation:
		return s.unfollow()
	case s.place == inHeader:
		s.place = afterHeader
		s.header.end(s.token)
	case s.place == afterOperation:
		s.place = afterBody
	case s.place == afterBody:
		s.place = afterRoot
	default:
		return s.violation(s.token, "no operation")
	}
	return nil
}

// data handles text at offset at: complete characters.
func (s *Scanner) data(at int64, p []byte) error {
	switch s.place {
	case inBlock:
		s.block.data(s, p, len(s.stack)-blockDepth)
	case inOperation:
		if s.refs.leaf != nil {
			s.leaf.add(p)
		}
	default:
		if n := spaces(p); n < len(p) {
			return s.violation(at+int64(n), "text where none may be")
		}
	}
	return nil
}

// referred handles a character that was written as a reference.
func (s *Scanner) referred(r rune) error {
	if s.place != inBlock && s.place != inOperation {
		return s.violation(s.token, "text where none may be")
	}
	var buf [utf8.UTFMax]byte
	return s.data(s.token, buf[:utf8.EncodeRune(buf[:], r)])
}

// interrupted notes a comment or a CDATA section. Readers disagree about the text
// around it: they may take all of it, or the first or the last part.
func (s *Scanner) interrupted() {
	s.leaf.mixed = true
}

// A leaf collects the text of an element whose value is needed.
type leaf struct {
	text  []byte
	long  bool // there was more than maxLeaf
	mixed bool // there was something besides text
}

func (l *leaf) reset() { *l = leaf{text: l.text[:0]} }

func (l *leaf) add(p []byte) {
	if len(l.text)+len(p) > maxLeaf {
		l.long = true
		return
	}
	l.text = append(l.text, p...)
}

// ascii reports whether all of the text is ASCII.
func (l *leaf) ascii() bool {
	return !slices.ContainsFunc(l.text, func(c byte) bool { return c >= utf8.RuneSelf })
}

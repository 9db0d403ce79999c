package soap

import (
	"math"

	"hmaproxy/proxy/ews"
)

// Limits on the memory and work that a document may cost. Sizes are in bytes.
// Real requests stay far below all limits.
const (
	maxHead        = 160 << 10 // the document up to the end of the operation's start tag; Exchange's own limit
	maxTail        = 64 << 10  // bytes after the operation, which are buffered until the document has ended
	maxTag         = 32 << 10  // one tag, "<" and ">" included
	maxName        = 256       // one qualified name
	maxDepth       = 128       // open elements
	maxAttributes  = 96        // attributes of one element, namespace declarations included
	maxBindings    = 512       // namespace declarations in force
	maxBindingText = 32 << 10  // bytes of the prefixes and URIs of all declarations in force
	maxDeclaration = 256       // the XML declaration
	maxReference   = 64        // one entity or character reference
	maxLeaf        = 1 << 10   // text of an element whose value is needed
	maxBlocks      = 64        // children of Header
	maxZone        = 64 << 10  // a rewritten TimeZoneContext
	maxMIMEHead    = 256 << 10 // header section of a MimeContent, decoded; a message to 2,000 recipients has half as much
)

// A Violation is a departure from the profile that Scanner requires. It does not
// depend on how the document was split into calls of Write.
type Violation struct {
	Offset int64  // offset in the document, in bytes
	Reason string // a constant text that contains no data of the client
}

// Error returns the reason, with the package's prefix.
func (v *Violation) Error() string { return "soap: " + v.Reason }

func violation(at int64, reason string) error {
	return &Violation{Offset: at, Reason: reason}
}

// A Scanner reads one document that is pushed into it. It refuses documents that
// two readers could read differently. It accepts:
//
//   - valid UTF-8 with at most one byte order mark, XML 1.0; an XML declaration
//     only at the beginning and only for UTF-8;
//   - no DOCTYPE, no processing instruction, no entity except the five of XML, CDATA
//     only inside the operation;
//   - ASCII names, every prefix declared, the reserved prefixes bound to their own
//     namespaces only, namespace URIs of plain characters, no attribute twice;
//   - one SOAP 1.1 Envelope that contains at most one Header and then one Body
//     with one element of the messages namespace; no other elements of the SOAP
//     namespace; only white space and comments around these elements;
//   - sizes within limits, so that time grows linearly with the input and memory
//     does not grow.
//
// A Scanner copies what it needs and does not keep the slices given to Write. It
// is not safe for concurrent use. It keeps its buffers, at most about 400 KB after
// the worst document, so that a Scanner from a pool hardly allocates.
type Scanner struct {
	lexer    lexer
	elements elements
	envelope envelope

	err    error
	closed bool
}

// NewScanner returns a Scanner that is ready for a document and reports no
// references.
func NewScanner() *Scanner {
	s := &Scanner{elements: elements{spaces: newNamespaces()}}
	s.Reset(nil, false)
	return s
}

// Reset prepares s for the next document. If references is not nil, Write calls
// it for each Reference as soon as the Reference is known completely.
// References by an id are included only if ids is true. If references returns
// an error, the scan ends and Write returns the error.
func (s *Scanner) Reset(references func(ews.Reference) error, ids bool) {
	s.lexer.reset()
	s.elements.reset()
	s.envelope.reset(references, ids)
	s.err, s.closed = nil, false
}

// Write scans p and returns the number of bytes scanned. The number is less
// than len(p) only if Write returns an error: a *Violation, or the error of the
// function given to Reset. Every later call returns the same error.
func (s *Scanner) Write(p []byte) (int, error) {
	begin := s.lexer.off
	for len(p) > 0 && s.err == nil {
		window := s.window(p)
		if len(window) == 0 {
			break
		}
		n, err := s.lexer.next(window)
		if s.err = s.handle(&s.lexer.token); s.err == nil {
			s.err = err
		}
		p = p[n:]
	}
	return int(s.lexer.off - begin), s.err
}

// window returns the beginning of p that the limits permit. If they permit no
// byte, it sets s.err.
func (s *Scanner) window(p []byte) []byte {
	limit, reason := int64(math.MaxInt64), ""
	switch v := &s.envelope; {
	case s.closed:
		limit, reason = s.lexer.off, "bytes after the end"
	case v.operationEnd >= 0:
		limit, reason = v.operationEnd+maxTail, "too much after the operation"
	case !v.known && !v.bare:
		limit, reason = maxHead, "head too large"
	}
	room := max(limit-s.lexer.off, 0)
	if room == 0 {
		s.err = violation(s.lexer.off, reason)
	}
	return p[:min(room, int64(len(p)))]
}

// handle passes a token to the parts of the Scanner that check it.
func (s *Scanner) handle(t *token) error {
	switch t.kind {
	case textToken:
		return s.envelope.text(t, s.elements.depth())
	case startTag:
		return s.open(t)
	case endTag:
		if err := s.elements.closes(t); err != nil {
			return err
		}
		return s.leave(t.at)
	case referenceToken:
		return s.envelope.referred(t, s.elements.depth())
	case commentToken, cdataToken:
		return s.envelope.interrupted(t)
	}
	return nil
}

func (s *Scanner) open(t *token) error {
	e, err := s.elements.open(t)
	if err != nil {
		return err
	}
	if err := s.envelope.enter(e); err != nil {
		return err
	}
	if e.empty {
		return s.leave(t.at)
	}
	return nil
}

// leave ends the innermost open element.
func (s *Scanner) leave(at int64) error {
	err := s.envelope.exit(s.elements.depth(), s.elements.innermost(), at)
	s.elements.pop()
	return err
}

// Close ends the document. It returns nil only if the document is complete and
// keeps to the profile.
func (s *Scanner) Close() error {
	if s.err == nil && (!s.lexer.complete() || s.envelope.place != afterRoot) {
		s.err = violation(s.lexer.off, "the document is cut short")
	}
	s.closed = s.err == nil
	return s.err
}

// Request returns the content of the head. It returns nil until the start tag of
// the operation has been scanned. If the operation is Subscribe, it returns nil
// until the start tag of the first child has been scanned too. The Request is valid
// until Reset, even after an error.
func (s *Scanner) Request() *ews.Request {
	if !s.envelope.known {
		return nil
	}
	return &s.envelope.request
}

// Forwardable returns the offset in the document up to which bytes may be sent
// upstream. While Request returns nil, and after an error, it is 0. Otherwise
// it is the end of the scanned bytes, without an incomplete tag, reference or
// character. It stops at the operation's end tag (or at the tag of an empty
// operation) until Close has returned nil.
func (s *Scanner) Forwardable() int64 {
	switch {
	case s.err != nil || !s.envelope.known:
		return 0
	case s.closed:
		return s.lexer.off
	case s.envelope.operationEnd >= 0:
		return s.envelope.operationEnd
	}
	return s.lexer.whole()
}

// AppendHead appends a new head, which replaces everything before the "<" of
// Body. The new head has the Envelope's start tag, with the name and the
// namespace declarations that the client wrote, and a Header. The Header
// contains the known blocks without a Problem, each kind once, written from
// their values. The client's ExchangeImpersonation is not among them. Unless id
// is zero, the Header contains a new ExchangeImpersonation with id. AppendHead
// may be called once Request returns a Request.
func (s *Scanner) AppendHead(dst []byte, id ews.Identity) []byte {
	return s.envelope.tags.appendHead(dst, s.envelope.header.written, id)
}

// AppendSpliced appends head, the client's bytes before the "<" of Body, with
// an added ExchangeImpersonation for id. It adds a Header if there is none, and
// replaces <Header/> by a start tag and an end tag. Everything else is
// unchanged. The request must not contain an ExchangeImpersonation.
func (s *Scanner) AppendSpliced(dst, head []byte, id ews.Identity) []byte {
	return s.envelope.tags.appendSpliced(dst, head, id)
}

// Work counts elementary steps: bytes examined, names compared. Tests use it to
// check that work grows linearly with the input.
func (s *Scanner) Work() int64 {
	return s.lexer.work + s.elements.work + s.elements.spaces.work + s.envelope.references.work
}

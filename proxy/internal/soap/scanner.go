package soap

import (
	"math"

	"hmaproxy/proxy/ews"
)

// Limits on the memory and work that a document may cost. Real requests stay far
// below all of them.
const (
	maxHead        = 160 << 10 // Exchange's own limit for the part before the operation
	maxTail        = 64 << 10  // after the operation: it is not forwarded before the document has ended
	maxTag         = 32 << 10  // one tag, "<" and ">" included
	maxName        = 256       // one qualified name
	maxDepth       = 128       // open elements
	maxAttributes  = 96        // of one element, namespace declarations included
	maxBindings    = 512       // namespace declarations in force
	maxBindingText = 32 << 10  // their prefixes and URIs together
	maxDeclaration = 256       // the XML declaration
	maxReference   = 64        // one entity or character reference
	maxLeaf        = 1 << 10   // text of an element whose value is wanted
	maxBlocks      = 64        // children of Header
	maxZone        = 64 << 10  // a TimeZoneContext written again
)

// A Violation is a departure from the profile that Scanner requires. It does not
// depend on how the document was split into calls of Write.
type Violation struct {
	Offset int64  // where, in bytes from the document's first
	Reason string // a constant text without any of the client's data
}

// Error returns the reason, with the package's prefix.
func (v *Violation) Error() string { return "soap: " + v.Reason }

// A Scanner reads one document that is pushed into it, and refuses what two
// readers could read differently. It accepts:
//
//   - valid UTF-8 with at most one byte order mark, XML 1.0; an XML declaration
//     only at the beginning and for that encoding;
//   - no DOCTYPE, no processing instruction, no entity but the five of XML, CDATA
//     only inside the operation;
//   - ASCII names, every prefix declared, the reserved prefixes bound to their own
//     namespaces only, namespace URIs of plain characters, no attribute twice;
//   - one SOAP 1.1 Envelope that contains at most one Header and then one Body
//     with one element of the messages namespace; no other elements of the SOAP
//     namespace; nothing but white space and comments around all that;
//   - sizes within limits, so that time grows linearly with the input and memory
//     does not grow.
//
// A Scanner copies what it needs and does not keep the slices given to Write. It
// is not safe for concurrent use. It keeps its buffers, at most about 400 KB after
// the worst document, so that a Scanner from a pool hardly allocates.
type Scanner struct {
	// bare turns off the rules about envelopes, for tests of the rules of XML.
	bare bool

	err    error
	closed bool
	off    int64 // bytes scanned
	work   int64

	// The current token.
	state   state
	token   int64  // offset of its first byte
	pending []byte // its bytes from earlier calls of Write
	quote   byte   // that encloses the current attribute value, or 0
	matched int    // bytes of marker that were seen
	marker  string // "<!--" or "<![CDATA["
	run     int    // "]" or "-" in a row just before, 2 at most
	partial [4]byte
	cut     int // bytes of a character in partial

	element  element // current start tag
	stack    []frame // open elements
	names    []byte  // their qualified names
	spaces   namespaces
	place    place
	opened   int64 // offset after the BOM
	opEnd    int64 // offset of the operation's end tag, -1 until it is known
	known    bool  // request is complete
	request  ews.Request
	envelope []byte // start tag of Envelope written again
	prefix   []byte // of Envelope, with its colon
	header   headerTag
	block    block
	leaf     leaf
	refs     tracker
	value    []byte // an attribute's value, decoded
}

// NewScanner returns a Scanner that is ready for a document and reports no
// references.
func NewScanner() *Scanner {
	s := &Scanner{spaces: newNamespaces()}
	s.Reset(nil, false)
	return s
}

// Reset makes s ready for the next document. If references is not nil, Write
// calls it for each Reference as soon as its element has ended; with ids also for
// those by the id of something in a mailbox. An error that references returns ends
// the scan, and Write returns it.
func (s *Scanner) Reset(references func(ews.Reference) error, ids bool) {
	s.spaces.reset()
	clear(s.request.Blocks) // release the strings of the last document
	*s = Scanner{
		refs:     tracker{report: references, ids: ids},
		bare:     s.bare,
		opEnd:    -1,
		pending:  s.pending[:0],
		element:  element{attrs: s.element.attrs[:0]},
		stack:    s.stack[:0],
		names:    s.names[:0],
		spaces:   s.spaces,
		request:  ews.Request{Blocks: s.request.Blocks[:0]},
		envelope: s.envelope[:0],
		prefix:   s.prefix[:0],
		header:   headerTag{name: s.header.name[:0]},
		block:    block{out: s.block.out[:0]},
		leaf:     leaf{text: s.leaf.text[:0]},
		value:    s.value[:0],
	}
}

// Write scans p and returns how many bytes it scanned. These are fewer than len(p)
// only with an error: a *Violation, or the error of the function given to Reset.
// Every later call returns the same error.
func (s *Scanner) Write(p []byte) (int, error) {
	begin := s.off
	for len(p) > 0 && s.err == nil {
		window := s.window(p)
		if len(window) == 0 {
			break
		}
		n, err := s.step(window)
		s.err = err
		s.off += int64(n)
		s.work += int64(n) + 1
		p = p[n:]
	}
	return int(s.off - begin), s.err
}

// window returns as much of p as the limits allow.
func (s *Scanner) window(p []byte) []byte {
	limit, reason := int64(math.MaxInt64), ""
	switch {
	case s.closed:
		limit, reason = s.off, "bytes after the end"
	case s.opEnd >= 0:
		limit, reason = s.opEnd+maxTail, "too much after the operation"
	case !s.known && !s.bare:
		limit, reason = maxHead, "head too large"
	}
	room := max(limit-s.off, 0)
	if room == 0 {
		s.err = s.violation(s.off, reason)
	}
	return p[:min(room, int64(len(p)))]
}

// Close ends the document. It returns nil only if the document is complete and
// keeps to the profile.
func (s *Scanner) Close() error {
	if s.err == nil && (s.state != inText || s.cut > 0 || s.place != afterRoot) {
		s.err = s.violation(s.off, "the document is cut short")
	}
	s.closed = s.err == nil
	return s.err
}

// Request returns what the head says, or nil until that is known: until the
// operation's start tag has been scanned, for Subscribe the start tag of its first
// child. The Request is valid until Reset, also after an error.
func (s *Scanner) Request() *ews.Request {
	if !s.known {
		return nil
	}
	return &s.request
}

// Forwardable returns the offset in the document up to which bytes may go
// upstream. It is 0 while Request returns nil and after an error. Then it is the
// end of what was scanned, without an incomplete tag, reference or character. From
// the operation's end tag on (for an empty operation, from its tag on) it does not
// advance until Close has returned nil.
func (s *Scanner) Forwardable() int64 {
	switch {
	case s.err != nil || !s.known:
		return 0
	case s.closed:
		return s.off
	case s.opEnd >= 0:
		return s.opEnd
	case s.state == inText, s.state == inComment, s.state == inCDATA:
		return s.off - int64(s.cut)
	}
	return s.token
}

// Work counts elementary steps: bytes examined, names compared. Tests use it to
// check that work grows linearly with the input.
func (s *Scanner) Work() int64 { return s.work + s.spaces.work }

func (s *Scanner) violation(at int64, reason string) error {
	return &Violation{Offset: at, Reason: reason}
}

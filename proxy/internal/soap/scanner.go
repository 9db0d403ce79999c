package soap

import (
	"math"

	"hmaproxy/proxy/ews"
)

// Limits on what a document may make the scanner hold or do. Real requests
// stay far below all of them.
const (
	maxHead        = 160 << 10 // Exchange's own limit for the part before the operation
	maxTail        = 64 << 10  // after the operation: it is held back until the document has ended
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

// A Violation is a departure from the profile that Scanner demands. It is the
// same for a document however that is cut into pieces.
type Violation struct {
	Offset int64  // where, in bytes from the document's first
	Reason string // a constant text without any of the client's data
}

// Error returns the reason, with the package's prefix.
func (v *Violation) Error() string { return "soap: " + v.Reason }

// A Scanner reads one document that is pushed into it, and refuses what two
// readers could read differently:
//
//   - UTF-8 without a flaw, one byte order mark at most, XML 1.0; an XML
//     declaration only as the very first thing and for that encoding;
//   - no DOCTYPE, no processing instruction, no entity but the five of XML, CDATA
//     only inside the operation;
//   - ASCII names, every prefix declared and none bound to what is not its own,
//     namespace URIs of plain characters, no attribute twice;
//   - one Envelope of SOAP 1.1 that holds one Header or none and then one Body
//     with one element of the messages namespace; elements of the SOAP namespace
//     nowhere else; white space and comments at most around all that;
//   - sizes within limits, so that time grows with the input and memory does not.
//
// What it needs it copies: the slices given to Write stay the caller's. It is
// not safe for concurrent use. A Scanner holds on to its buffers, at most some
// 400 KB after the worst document, so that one from a pool costs next to no
// allocation.
type Scanner struct {
	references func(ews.Reference) error

	// bare turns off all rules about envelopes, for tests of the rules of XML.
	bare bool

	err    error
	closed bool
	off    int64 // bytes scanned
	work   int64

	// The token under way.
	state   state
	token   int64  // offset of its first byte
	pending []byte // what earlier calls of Write gave of it
	quote   byte   // that encloses the attribute value under way, or 0
	matched int    // bytes of marker that were seen
	marker  string // "<!--" or "<![CDATA["
	run     int    // "]" or "-" in a row just before, 2 at most
	partial [4]byte
	cut     int // bytes of a character in partial

	element  element // start tag under way
	stack    []frame // open elements
	names    []byte  // their qualified names
	spaces   namespaces
	place    place
	opened   int64 // offset after the BOM
	opEnd    int64 // where the operation's end tag begins, -1 before
	known    bool  // message is complete
	message  ews.Request
	envelope []byte // start tag of Envelope written again
	prefix   []byte // of Envelope, with its colon
	header   headerTag
	block    block
	leaf     leaf
	target   *target // the reference whose text is in leaf, or nil
	targetAt int     // depth of its element
	embedded int     // depth of the outermost open ItemAttachment, or 0
}

// NewScanner returns a Scanner that is ready for a document and collects no
// references.
func NewScanner() *Scanner {
	s := &Scanner{spaces: newNamespaces()}
	s.Reset(nil)
	return s
}

// Reset makes s ready for the next document. If references is not nil it is
// called for each Reference as soon as its element has ended, before Write
// returns; its error ends the scan and is what Write returns.
func (s *Scanner) Reset(references func(ews.Reference) error) {
	s.spaces.reset()
	clear(s.message.Blocks) // lets go of the last document's strings
	*s = Scanner{
		references: references,
		bare:       s.bare,
		opEnd:      -1,
		pending:    s.pending[:0],
		element:    element{attrs: s.element.attrs[:0]},
		stack:      s.stack[:0],
		names:      s.names[:0],
		spaces:     s.spaces,
		message:    ews.Request{Blocks: s.message.Blocks[:0]},
		envelope:   s.envelope[:0],
		prefix:     s.prefix[:0],
		header:     headerTag{name: s.header.name[:0]},
		block:      block{out: s.block.out[:0]},
		leaf:       leaf{text: s.leaf.text[:0]},
	}
}

// Write scans p and returns how many bytes it took: fewer than len(p) only with
// an error, a *Violation or what the function given to Reset returned. That
// error is also what every later call returns.
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

// window cuts p to what may still come before a limit is reached.
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

// Close ends the document. It returns nil only if that is one whole document
// that kept to the profile.
func (s *Scanner) Close() error {
	if s.err == nil && (s.state != inText || s.cut > 0 || s.place != afterRoot) {
		s.err = s.violation(s.off, "the document is cut short")
	}
	s.closed = s.err == nil
	return s.err
}

// Request returns what the head says, or nil while that is not known: before
// the operation's start tag has been scanned, for Subscribe its first child's.
// It stays valid until Reset, also after an error.
func (s *Scanner) Request() *ews.Request {
	if !s.known {
		return nil
	}
	return &s.message
}

// Forwardable returns the offset, from the document's first byte, up to which
// bytes may go upstream: 0 while Request returns nil or once there was an
// error; then the end of what was scanned, but not a part of a tag, of a
// reference or of a character; from the operation's end tag on (an operation
// without content: from its tag on) it stands still until Close has returned
// nil.
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

// Work counts elementary steps: bytes looked at, names compared. Tests see by
// it that effort grows with the input and no faster.
func (s *Scanner) Work() int64 { return s.work + s.spaces.work }

func (s *Scanner) violation(at int64, reason string) error {
	return &Violation{Offset: at, Reason: reason}
}

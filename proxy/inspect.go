package proxy

import (
	"cmp"
	"io"
	"mime"
	"net/http"

	"hmaproxy/proxy/ews"
	"hmaproxy/proxy/internal/ascii"
	"hmaproxy/proxy/internal/soap"
	"hmaproxy/proxy/policy"
)

// mediaType admits text/xml: a browser cannot send that to another origin
// without asking first, so it is demanded of every request. With a list it must
// also be UTF-8 without a further encoding, or nobody could read it: that is
// the second refusal.
func mediaType(h http.Header) (refusal, unreadable *policy.Refusal) {
	refused := func(detail string) *policy.Refusal {
		return &policy.Refusal{Reason: policy.EnvelopeRefused, Detail: detail}
	}
	stated := value(h, "Content-Type")
	if stated == soapContentType && h["Content-Encoding"] == nil {
		return nil, nil // as nearly always
	}
	name, params, err := mime.ParseMediaType(stated)
	switch {
	case name != "text/xml":
		return refused("the Content-Type must be text/xml"), nil
	case err != nil:
		return nil, refused("the Content-Type cannot be read")
	case params["charset"] != "" && lowerASCII(params["charset"]) != "utf-8":
		return nil, refused("the charset must be utf-8")
	case h["Content-Encoding"] != nil && !ascii.EqualFold(value(h, "Content-Encoding"), "identity"):
		return nil, refused("a Content-Encoding cannot be inspected")
	}
	return nil, nil
}

// references returns what the scanner calls for each mailbox that the body
// acts on, nil when they are not judged.
func (x *exchange) references() func(ews.Reference) error {
	if !x.policy.References() {
		return nil
	}
	return func(r ews.Reference) error {
		refusal := x.policy.DecideReference(r)
		if refusal == nil || x.audited(refusal) {
			return nil
		}
		return refusal
	}
}

// audited notes a refusal that is only to be reported. It reports false where
// refusals are meant.
func (x *exchange) audited(r *policy.Refusal) bool {
	if !x.policy.Audit() || r.Always() {
		return false
	}
	x.audit.CompareAndSwap(nil, r)
	return true
}

// tolerated reports whether a body that cannot be read, or a reference that
// is not allowed, goes on as it came.
func (x *exchange) tolerated(err error) bool {
	return !x.policy.Limited() || x.audited(refusalOf(err))
}

// read reads and scans the body, of a long one as much as is held. Its error is
// the scanner's, or errClient when the client broke off.
func (x *exchange) read() error {
	x.buf = x.first()
	for !x.body.ended() && x.room() {
		at := len(x.buf)
		n, err := x.body.Read(x.buf[at:cap(x.buf)])
		if err != nil && err != io.EOF {
			return err
		}
		x.buf = x.buf[:at+n]
		if err := x.scan(x.buf[at:]); err != nil {
			return err
		}
	}
	if x.raw || !x.body.ended() {
		return nil
	}
	return x.spoil(x.scanner.Close())
}

// scan scans p unless the document was given up.
func (x *exchange) scan(p []byte) error {
	if x.raw {
		return nil
	}
	_, err := x.scanner.Write(p)
	return x.spoil(err)
}

// spoil gives the document up where that is tolerated.
func (x *exchange) spoil(err error) error {
	if err == nil || !x.tolerated(err) {
		return err
	}
	x.raw = true
	return nil
}

// first returns room for a body of the announced length, where the budget
// allows it, or a page.
func (x *exchange) first() []byte {
	x.page = pages.Get().(*page)
	n := x.r.ContentLength + 1 // net/http reports the end with the last byte
	if n <= int64(len(x.page.body)) || !x.reserve(min(n, heldBody)) {
		return x.page.body[:0]
	}
	return x.space()
}

// reserve takes n bytes of the budget for held bodies in place of what it had.
func (x *exchange) reserve(n int64) bool {
	if !x.h.held.reserve(n - x.reserved) {
		return false
	}
	x.reserved = n
	return true
}

// space returns the memory that is reserved.
func (x *exchange) space() []byte {
	if x.reserved < heldBody {
		return make([]byte, 0, x.reserved)
	}
	x.held = longBodies.Get().(*[heldBody]byte)
	return x.held[:0]
}

// room makes place in the buffer. It reports false when what is there is
// enough to go on with: more is not held, or the budget for held bodies is
// spent and the head is known.
func (x *exchange) room() bool {
	switch grown := int64(2 * cap(x.buf)); {
	case len(x.buf) >= heldBody:
		return false
	case len(x.buf) < cap(x.buf):
	case x.reserve(min(grown, heldBody)):
		x.buf = append(x.space(), x.buf...)
	case x.raw || x.scanner.Request() != nil:
		return false
	default: // the head must be known
		x.buf = append(make([]byte, 0, grown), x.buf...)
	}
	return true
}

// judge asks the policy about what was read; err is why the reading ended
// early. What it returns is meant: audit mode and the absence of a list are
// behind it.
func (x *exchange) judge(err error) *policy.Refusal {
	if err != nil {
		return refusalOf(err)
	}
	if !x.raw && x.scanner.Request() == nil {
		unread := refusalOf(&soap.Violation{Reason: "the operation is not found where it must be"})
		if !x.tolerated(unread) {
			return unread
		}
		x.raw = true
	}
	if x.raw {
		x.record.Mailbox = "unreadable"
		return nil
	}
	x.message = x.scanner.Request()
	decision, refusal := x.policy.Decide(x.message, x.login)
	x.decision = decision
	x.record.Operation, x.record.Injected = x.message.Operation, decision.Injected
	x.record.Known = string(decision.Operation)
	x.record.Mailbox = cmp.Or(decision.Identity.Value, x.message.Identity.Value)
	if refusal == nil {
		refusal = x.judgeAnchor()
	}
	if refusal != nil && x.audited(refusal) {
		return nil
	}
	return refusal
}

// judgeAnchor asks about the mailbox that a client names for routing.
func (x *exchange) judgeAnchor() *policy.Refusal {
	anchor := value(x.r.Header, anchorHeader)
	if anchor == "" || lowerASCII(anchor) == lowerASCII(x.decision.Identity.Value) {
		return nil
	}
	return x.policy.DecideAnchor(anchor)
}

// payload is what goes to Exchange: the head written anew where there is a list
// or somebody must be named, and the client's bytes from the Body on.
func (x *exchange) payload() payload {
	head, from := x.head()
	if x.body.ended() {
		return &whole{head: head, rest: x.buf[from:], readers: &x.readers}
	}
	s := &stream{
		source: &x.body, lenient: x.tolerated, size: -1, readers: &x.readers,
		head: head, store: x.buf, r: from, w: len(x.buf), offset: int64(from),
	}
	if !x.raw {
		s.scanner = x.scanner
	}
	if n := x.r.ContentLength; n >= 0 {
		s.size = n - int64(from) + int64(len(head))
	}
	return s
}

// head returns the head to send and the offset from which on the client's bytes
// follow.
func (x *exchange) head() (head []byte, from int) {
	if x.raw {
		return nil, 0
	}
	from = int(x.message.BodyOffset)
	named := x.decision.Identity.Kind != ews.NoIdentity
	added := x.decision.Injected && (x.audit.Load() != nil || !x.policy.Limited())
	switch {
	case x.policy.Limited() && named && !added:
		return x.scanner.AppendHead(x.page.head[:0], x.decision.Identity), from
	case named && added: // to the client's own head, which nobody vouches for
		return x.scanner.AppendSpliced(x.page.head[:0], x.buf[:from], x.decision.Identity), from
	}
	return nil, 0
}

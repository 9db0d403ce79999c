package proxy

import (
	"cmp"
	"errors"
	"math"
	"mime"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"hmaproxy/internal/ascii"
	"hmaproxy/proxy/ews"
	"hmaproxy/proxy/internal/body"
	"hmaproxy/proxy/internal/soap"
	"hmaproxy/proxy/policy"
)

var scanners = sync.Pool{New: func() any { return soap.NewScanner() }}

// An inspection reads one SOAP request, decides whether it may be sent, and
// determines the form to send. It implements body.Inspector. While a body is
// streamed, only the transport's goroutine uses the inspection. Other goroutines
// may use the atomic fields.
type inspection struct {
	client   clientUser
	header   http.Header // the headers of the client's request
	scanner  *soap.Scanner
	request  *ews.Request // nil before decide, and for a document that is not read
	decision policy.Decision
	unread   bool // the document, or the rest of it, is sent unchanged and without being read

	// audited is the first refusal that audit mode reports instead of
	// enforcing it.
	audited atomic.Pointer[policy.Refusal]

	unknownIDs atomic.Int32 // number of ids that the policy has allowed although their mailbox is unknown
}

// begin checks the media type and prepares the scanner.
func (i *inspection) begin(client clientUser, header http.Header) *policy.Refusal {
	i.client, i.header = client, header
	refusal, unreadable := checkMediaType(header)
	if refusal == nil && client.policy.Limited() && unreadable != nil {
		if !i.audit(unreadable) {
			refusal = unreadable
		}
		i.unread = true
	}
	if refusal == nil {
		i.scanner = scanners.Get().(*soap.Scanner)
		i.scanner.Reset(i.references(), i.client.policy.IDs())
	}
	return refusal
}

// checkMediaType requires text/xml of every request, because a browser sends
// text/xml to another origin only after a preflight request. The result
// unreadable says why the document cannot be inspected. In enforce mode such a
// request is refused.
func checkMediaType(h http.Header) (refusal, unreadable *policy.Refusal) {
	refused := func(detail string) *policy.Refusal {
		return &policy.Refusal{Reason: policy.EnvelopeRefused, Detail: detail}
	}
	stated := value(h, "Content-Type")
	if stated == soapContentType && h["Content-Encoding"] == nil {
		return nil, nil // the fast path for nearly all requests
	}
	name, params, err := mime.ParseMediaType(stated)
	switch {
	case name != "text/xml":
		return refused("the Content-Type must be text/xml"), nil
	case err != nil:
		return nil, refused("the Content-Type cannot be read")
	case params["charset"] != "" && ascii.ToLower(params["charset"]) != "utf-8":
		return nil, refused("the charset must be utf-8")
	case h["Content-Encoding"] != nil && !ascii.EqualFold(value(h, "Content-Encoding"), "identity"):
		return nil, refused("a Content-Encoding cannot be inspected")
	}
	return nil, nil
}

// references returns the callback that the scanner calls for each mailbox in
// the Body. It returns nil if the policy does not decide about such mailboxes.
func (i *inspection) references() func(ews.Reference) error {
	if !i.client.policy.References() {
		return nil
	}
	return func(r ews.Reference) error {
		refusal := i.client.policy.DecideReference(r)
		if refusal != nil && !i.audit(refusal) {
			return refusal
		}
		if r.Kind == ews.IDReference && r.ID.Kind == ews.UnknownID {
			i.unknownIDs.Add(1)
		}
		return nil
	}
}

// audit records a refusal that is reported but not enforced. It returns false
// for a refusal that is enforced.
func (i *inspection) audit(r *policy.Refusal) bool {
	if !i.client.policy.Audit() || r.Always() {
		return false
	}
	i.audited.CompareAndSwap(nil, r)
	return true
}

// Inspect scans the next bytes; see body.Inspector.
func (i *inspection) Inspect(p []byte) error {
	if i.unread {
		return nil
	}
	_, err := i.scanner.Write(p)
	return i.Refuse(err)
}

// Finish closes the document; see body.Inspector.
func (i *inspection) Finish() error {
	if i.unread {
		return nil
	}
	return i.Refuse(i.scanner.Close())
}

// Refuse returns err unless the document is sent nevertheless, which is the
// case without an allow-list and in audit mode; see body.Inspector.
func (i *inspection) Refuse(err error) error {
	if err == nil {
		return nil
	}
	if i.client.policy.Limited() && !i.audit(refusalFor(err)) {
		return err
	}
	i.unread = true
	return nil
}

// HeadKnown reports whether the SOAP head was read, or the document is sent without
// being read; see body.Inspector.
func (i *inspection) HeadKnown() bool { return i.unread || i.scanner.Request() != nil }

// Forwardable returns how far the document may be sent; see body.Inspector.
func (i *inspection) Forwardable() int64 {
	if i.unread {
		return math.MaxInt64
	}
	return i.scanner.Forwardable()
}

// errNoOperation refuses a document whose Body has no operation.
var errNoOperation = &soap.Violation{Reason: "the operation is not found where it must be"}

// decide asks the policy about the values that were read. err is the error that
// ended the reading, or nil. The caller must enforce the refusal that decide
// returns. In audit mode and without an allow-list, decide returns only refusals
// that are enforced in every mode.
func (i *inspection) decide(err error) *policy.Refusal {
	if err == nil && !i.unread && i.scanner.Request() == nil {
		err = i.Refuse(errNoOperation)
	}
	if err != nil {
		return refusalFor(err)
	}
	if i.unread {
		return nil
	}
	i.request = i.scanner.Request()
	decision, refusal := i.client.policy.Decide(i.request, i.client.login)
	i.decision = decision
	if refusal == nil {
		refusal = i.decideHeaders()
	}
	if refusal != nil && i.audit(refusal) {
		return nil
	}
	return refusal
}

// decideHeaders asks the policy about the mailboxes in the client's headers.
func (i *inspection) decideHeaders() *policy.Refusal {
	anchor := value(i.header, anchorHeader)
	if anchor != "" && !ascii.EqualFold(anchor, i.decision.Identity.Value) {
		if refusal := i.client.policy.DecideAnchor(anchor); refusal != nil {
			return refusal
		}
	}
	for _, h := range [...]struct{ name, detail string }{
		{publicFolderHeader, "X-PublicFolderMailbox names a mailbox that is not on the allow-list"},
		{explicitLogonHeader, "X-OWA-ExplicitLogonUser names a mailbox that is not on the allow-list"},
	} {
		if v := value(i.header, h.name); v != "" && !i.client.policy.Allows(v) {
			return &policy.Refusal{Reason: policy.AnchorNotAllowed, Detail: h.detail}
		}
	}
	return nil
}

// describe adds the operation and the mailbox to the Record.
func (i *inspection) describe(record *Record) {
	switch {
	case i.request != nil:
		record.Operation, record.Injected = i.request.Operation, i.decision.Injected
		record.Known = string(i.decision.Operation)
		named := cmp.Or(i.decision.Identity, i.request.Identity)
		record.Mailbox, record.Named = named.Value, named.Kind
	case i.unread:
		record.Mailbox = "unreadable"
	}
}

// head appends a new SOAP head, the document up to its Body, to dst and returns the
// result. The parameter "read" is the part of the client's document that was read.
// The result "from" is the offset in the client's document of the first byte to
// send after the new head. If the client's own head is sent, the results are nil
// and 0.
func (i *inspection) head(dst, read []byte) (head []byte, from int) {
	if i.request == nil {
		return nil, 0
	}
	limited := i.client.policy.Limited()
	named := i.decision.Identity.Kind != ews.NoIdentity
	added := i.decision.Injected && (i.audited.Load() != nil || !limited)
	from = int(i.request.BodyOffset)
	switch {
	case limited && named && !added:
		return i.scanner.AppendHead(dst, i.decision.Identity), from
	case named && added: // audit mode, or no allow-list: no rule is enforced on the client's head, so it is kept and only the mailbox is added
		return i.scanner.AppendSpliced(dst, read[:from], i.decision.Identity), from
	}
	return nil, 0
}

// operation returns the client's name for the operation. It returns "" if the
// operation was not read.
func (i *inspection) operation() string {
	if i.request == nil {
		return ""
	}
	return i.request.Operation
}

// agreesWith reports whether a SOAPAction names the operation of the Body. The
// action of GetStreamingEvents is GetEvents in Exchange's own WSDL. The names of
// some elements end in Request, but the names of their actions do not. If the
// operation was not read, agreesWith returns true only without an allow-list.
func (i *inspection) agreesWith(action string) bool {
	if i.request == nil {
		return !i.client.policy.Limited()
	}
	name, ok := strings.CutPrefix(strings.Trim(action, `"`), ews.MessagesNS+"/")
	operation := i.request.Operation
	return ok && (name == operation ||
		name == strings.TrimSuffix(operation, "Request") ||
		name == "GetEvents" && operation == streamingOperation)
}

// release returns the scanner to its pool. It may be called more than once.
func (i *inspection) release() {
	if i.scanner != nil {
		i.scanner.Reset(nil, false)
		scanners.Put(i.scanner)
		i.scanner, i.request = nil, nil
	}
}

// refusalFor returns the refusal for the error that ended the reading of a body.
// The error is a violation of the SOAP profile, the policy's refusal of a
// reference, or body.ErrTail.
func refusalFor(err error) *policy.Refusal {
	if refusal, ok := errors.AsType[*policy.Refusal](err); ok {
		return refusal
	}
	detail := "the request cannot be read"
	if violation, ok := errors.AsType[*soap.Violation](err); ok {
		detail = violation.Reason
	} else if errors.Is(err, body.ErrTail) {
		detail = body.ErrTail.Error()
	}
	return &policy.Refusal{Reason: policy.EnvelopeRefused, Detail: detail}
}

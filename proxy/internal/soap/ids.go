package soap

import (
	"bytes"

	"hmaproxy/proxy/ews"
)

// idHead is a number of characters. The first idHead characters of an id with a
// GUID determine its mailbox, unless one of them is white space. See
// ews.MailboxOfID.
const idHead = 84

// An idReader finds the mailboxes that ids belong to. It keeps the beginning of
// the previous id, because most ids of a request belong to one mailbox.
type idReader struct {
	wanted  bool   // whether ids are reported
	decoded []byte // buffer for an attribute's value with its character references decoded

	head   [idHead]byte  // the beginning of the previous id; valid if headOK
	headOK bool          // the previous id begins with head, from which last was derived
	last   ews.IDMailbox // the mailbox of the id that begins with head; valid if headOK
}

// read returns the mailbox of the id in the attribute a of the element e. t is the
// tag constant of e. read returns false if ids are not reported or the id cannot
// belong to a mailbox.
func (r *idReader) read(e *element, t tag, a *attribute) (ews.IDMailbox, bool) {
	if !r.wanted || !r.isItemID(e, t) {
		return ews.IDMailbox{}, false
	}
	value := r.value(a)
	if t == alternateIDTag && string(value) == placeholder {
		return ews.IDMailbox{}, false
	}
	return r.mailboxOf(value), true
}

// mailboxOf returns the mailbox of an id.
func (r *idReader) mailboxOf(id []byte) ews.IDMailbox {
	if r.headOK && len(id) >= idHead && [idHead]byte(id) == r.head {
		return r.last
	}
	found := ews.MailboxOfID(id)
	r.headOK = found.Kind == ews.MailboxGUIDID && len(id) >= idHead && !bytes.ContainsAny(id[:idHead], " \t\r\n")
	if r.headOK {
		r.head, r.last = [idHead]byte(id), found
	}
	return found
}

// value returns the value of the attribute a and decodes the character references
// in it. The value may contain line ends and tabs, which a parser would return as
// spaces. The slice is valid until the next call.
func (r *idReader) value(a *attribute) []byte {
	if bytes.IndexByte(a.value, '&') < 0 {
		return a.value
	}
	r.decoded = appendValue(r.decoded[:0], a.value)
	return r.decoded
}

// isItemID reports whether the ids in the attributes of e are EWS ids. In an
// AlternateId this depends on the attribute Format. If an AlternateId contains no
// EWS id, its attribute Mailbox names the mailbox.
func (r *idReader) isItemID(e *element, t tag) bool {
	switch t {
	case distinguishedFolderIDTag, wellKnownFolderTag, withOtherIDTag:
		return false
	case alternateIDTag:
		for i := range e.attrs {
			if a := &e.attrs[i]; string(a.name) == "Format" {
				format := string(r.value(a))
				return format == "EwsId" || format == "EwsLegacyId"
			}
		}
	}
	return true
}

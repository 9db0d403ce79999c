package soap

import (
	"slices"

	"hmaproxy/internal/ascii"
	"hmaproxy/proxy/ews"
)

// references tracks the elements of an operation and reports the mailboxes that
// they name.
type references struct {
	report    func(ews.Reference) error // nil: references are not reported
	operation string                    // local name of the operation's element
	path      []tag                     // tags of the open elements; the first is the operation
	embedded  int                       // len(path) when the outermost open ItemAttachment was opened, including it; 0: none is open
	value     pendingValue
	mailbox   openMailbox
	message   openMessage
	ids       idReader
	work      int64
}

// A pendingValue collects the text of an open element that is a reference.
type pendingValue struct {
	target *target // nil: no text is being collected
	depth  int     // len(references.path) just after the start tag of the element
	leaf   leaf
}

// An openMessage is the open element that contains an Internet message
// (mimeForm).
type openMessage struct {
	target *target // nil: no such element is open
	depth  int     // len(references.path) just after the start tag of the element
	mixed  bool    // the element contains something other than text
	head   mimeHead
}

// An openMailbox is the open element that contains a mailbox (mailboxForm), or
// the ExtendedProperty that contains a sender (propertyForm).
type openMailbox struct {
	target *target // nil: no such element is open
	depth  int     // len(references.path) just after the start tag of the element
	found  bool    // the element contains an address
	odd    bool    // the element contains something other than an address and its description
}

func (r *references) reset(report func(ews.Reference) error, ids bool) {
	*r = references{
		report:  report,
		path:    r.path[:0],
		value:   pendingValue{leaf: leaf{text: r.value.leaf.text[:0]}},
		message: openMessage{head: mimeHead{field: r.message.head.field[:0]}},
		ids:     idReader{wanted: ids, decoded: r.ids.decoded[:0]},
	}
}

// begin handles the start tag of the operation.
func (r *references) begin(operation string) {
	r.operation = operation
	r.path = append(r.path, operationTag)
}

// enter handles a start tag in the operation.
func (r *references) enter(e *element) error {
	if r.report == nil {
		return nil
	}
	t := tagOf(e)
	r.path = append(r.path, t)
	switch {
	case r.value.target != nil:
		r.value.leaf.mixed = true
	case r.message.target != nil:
		r.message.mixed = true
	case r.mailbox.target != nil:
		r.enterMailbox(e, t)
	case t == itemAttachmentTag && r.embedded == 0:
		r.embedded = len(r.path)
	case t != otherTag:
		r.enterTarget(e, t)
	}
	return r.attributes(e, t)
}

// enterTarget starts reading the content of e if e is a reference.
func (r *references) enterTarget(e *element, t tag) {
	for _, target := range targetsByTag[t] {
		switch {
		case !r.matches(target):
		case target.form == mailboxForm:
			r.mailbox = openMailbox{target: target, depth: len(r.path), odd: decorated(e)}
			return
		case target.form == propertyForm:
			r.enterProperty(target, e)
			return
		case target.form == mimeForm:
			r.message.target, r.message.depth = target, len(r.path)
			r.message.mixed = !plainMIME(e)
			r.message.head.reset()
			return
		case target.form == headerForm:
			r.enterHeader(target, e)
			return
		default:
			r.collect(target, e)
			return
		}
	}
}

// collect begins to collect the text of e.
func (r *references) collect(t *target, e *element) {
	v := &r.value
	v.target, v.depth = t, len(r.path)
	v.leaf.reset()
	v.leaf.mixed = decorated(e)
}

// enterProperty handles an ExtendedFieldURI in an ExtendedProperty. If the
// property names a sender, the Value after it must be an address.
func (r *references) enterProperty(t *target, e *element) {
	if p := senderPropertyOf(e, r.ids.value); p != noSender {
		r.mailbox = openMailbox{target: t, depth: len(r.path) - 1, odd: p == opaqueSender}
	}
}

// enterHeader begins to collect the text of an InternetMessageHeader if the
// attribute HeaderName is From or Sender. Exchange writes such elements into
// responses. It is not known whether it also reads them from requests.
func (r *references) enterHeader(t *target, e *element) {
	for i := range e.attrs {
		a := &e.attrs[i]
		if string(a.name) != "HeaderName" {
			continue
		}
		if path, plain := senderField(r.ids.value(a)); path != "" {
			r.collect(t, e)
			r.value.leaf.mixed = !plain
		}
	}
}

// plainMIME reports whether the attributes of a MimeContent permit reading its
// content as a message with an ASCII header.
func plainMIME(e *element) bool {
	for i := range e.attrs {
		a := &e.attrs[i]
		switch charset := string(a.value); {
		case a.declares():
		case string(a.name) != "CharacterSet":
			return false
		case charset == "", ascii.EqualFold(charset, "utf-8"), ascii.EqualFold(charset, "us-ascii"),
			ascii.HasPrefixFold(charset, "iso-8859-"), ascii.HasPrefixFold(charset, "windows-125"):
		default:
			return false
		}
	}
	return true
}

// enterMailbox handles the start tag of an element in r.mailbox. If the element
// is neither the address nor describes it, enterMailbox sets r.mailbox.odd,
// because the element could name a different mailbox.
func (r *references) enterMailbox(e *element, t tag) {
	direct := len(r.path) == r.mailbox.depth+1
	switch {
	case r.mailbox.target.form == propertyForm:
		if r.mailbox.odd = r.mailbox.odd || t != valueTag || r.mailbox.found; !r.mailbox.odd {
			r.mailbox.found = true
			r.collect(r.mailbox.target, e)
		}
	case direct && (t == emailAddressTag || t == addressTag):
		r.mailbox.found = true
		r.collect(r.mailbox.target, e)
	case direct && (t == nameTag || t == routingTypeTag || t == mailboxTypeTag) && !decorated(e):
	default:
		r.mailbox.odd = true
	}
}

// matches reports whether t applies to the innermost open element. The paths must
// match, and t must apply to the operation. A target that names a sender does not
// apply in an attached item.
func (r *references) matches(t *target) bool {
	r.work++
	above := len(r.path) - len(t.path)
	return above >= 0 && slices.Equal(r.path[above:], t.path) &&
		(t.operations == nil || slices.Contains(t.operations, r.operation)) &&
		(!t.sender || r.embedded == 0)
}

// decorated reports whether e has attributes other than namespace declarations.
// Because of an attribute such as xsi:nil or xsi:type, a reader may treat the
// content of e differently.
func decorated(e *element) bool {
	return slices.ContainsFunc(e.attrs, func(a attribute) bool { return !a.declares() })
}

// text handles text in the operation.
func (r *references) text(p []byte) error {
	switch {
	case r.value.target != nil:
		r.value.leaf.add(p)
	case r.message.target != nil && !r.message.head.done:
		return r.message.head.write(p, r.reportSender)
	}
	return nil
}

// reportSender reports a sender in a MimeContent.
func (r *references) reportSender(path, address string) error {
	return r.report(ews.Reference{Path: path, Value: address})
}

// interrupted handles a comment or a CDATA section.
func (r *references) interrupted() { r.value.leaf.mixed, r.message.mixed = true, true }

// exit handles the end of an element in the operation. If the element is a
// reference, it reports the reference.
func (r *references) exit() error {
	if r.report == nil {
		return nil
	}
	depth := len(r.path)
	r.path = r.path[:depth-1]
	if r.embedded == depth {
		r.embedded = 0
	}
	if t := r.value.target; t != nil && r.value.depth == depth {
		r.value.target = nil
		return r.reportValue(t)
	}
	if t := r.message.target; t != nil && r.message.depth == depth {
		r.message.target = nil
		if err := r.message.head.end(r.reportSender); err != nil {
			return err
		}
		if r.message.mixed || r.message.head.bad {
			return r.report(ews.Reference{Path: t.name, Unreadable: true})
		}
	}
	if t := r.mailbox.target; t != nil && r.mailbox.depth == depth {
		r.mailbox.target = nil
		if r.mailbox.odd || !r.mailbox.found {
			return r.report(ews.Reference{Path: t.name, Unreadable: true})
		}
	}
	return nil
}

// reportValue reports a reference whose text has been collected.
func (r *references) reportValue(t *target) error {
	v := &r.value.leaf
	found := ews.Reference{Path: t.name, Unreadable: v.mixed || v.long}
	text := trim(v.text)
	switch t.form {
	case guidForm:
		guid, err := ews.ParseGUID(string(text))
		if found.Unreadable || err != nil || !r.ids.wanted {
			found.Unreadable = true
			break
		}
		found.Kind, found.ID = ews.IDReference, ews.IDMailbox{Kind: ews.MailboxGUIDID, GUID: guid}
	case subscriptionForm:
		found.Kind = ews.IDReference
		if !found.Unreadable {
			found.ID = ews.MailboxOfSubscription(text)
		}
		if !r.ids.wanted {
			return nil
		}
	case headerForm:
		addresses, ok := parseMailboxes(text)
		for _, address := range addresses {
			if err := r.report(ews.Reference{Path: t.name, Value: address}); err != nil {
				return err
			}
		}
		if found.Unreadable = found.Unreadable || !ok; !found.Unreadable {
			return nil
		}
	default:
		if !found.Unreadable {
			found.Value = string(text)
		}
	}
	return r.report(found)
}

// placeholder is the Id and the Mailbox that exchangelib sends when it uses
// ConvertId to find the version of Exchange.
const placeholder = "DUMMY"

// attributes reports the references in the attributes of e: the Mailbox of an
// AlternateId, and ids.
func (r *references) attributes(e *element, t tag) error {
	for i := range e.attrs {
		var err error
		switch a := &e.attrs[i]; string(a.name) {
		case "Mailbox":
			if value := trim(r.ids.value(a)); string(value) != placeholder {
				err = r.report(ews.Reference{Path: "@Mailbox", Value: string(value)})
			}
		case "Id", "RootItemId", "RecurringMasterId", "OccurrenceId":
			if id, ok := r.ids.read(e, t, a); ok {
				err = r.report(ews.Reference{Kind: ews.IDReference, Path: "@Id", ID: id})
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

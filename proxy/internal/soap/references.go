package soap

import (
	"bytes"
	"slices"

	"hmaproxy/proxy/ews"
)

// A tag stands for an element of the operation that lies on the way to a
// reference, in the types or messages namespace.
type tag uint8

const (
	otherTag tag = iota
	operationTag
	actingAsTag
	addressTag
	distinguishedFolderIDTag
	emailTag
	emailAddressTag
	fromTag
	itemAttachmentTag
	legacyDNTag
	mailboxTag
	mailboxDataTag
	mailboxesTag
	mailboxSearchScopeTag
	mailboxSmtpAddressTag
	senderTag
	senderSmtpAddressTag
	sendingAsTag
	smtpAddressTag
	stringTag
)

func tagOf(e *element) tag {
	if e.space.class != typesClass && e.space.class != messagesClass {
		return otherTag
	}
	switch string(e.local) {
	case "ActingAs":
		return actingAsTag
	case "Address":
		return addressTag
	case "DistinguishedFolderId":
		return distinguishedFolderIDTag
	case "Email":
		return emailTag
	case "EmailAddress":
		return emailAddressTag
	case "From":
		return fromTag
	case "ItemAttachment":
		return itemAttachmentTag
	case "LegacyDN":
		return legacyDNTag
	case "Mailbox":
		return mailboxTag
	case "MailboxData":
		return mailboxDataTag
	case "Mailboxes":
		return mailboxesTag
	case "MailboxSearchScope":
		return mailboxSearchScopeTag
	case "MailboxSmtpAddress":
		return mailboxSmtpAddressTag
	case "Sender":
		return senderTag
	case "SenderSmtpAddress":
		return senderSmtpAddressTag
	case "SendingAs":
		return sendingAsTag
	case "SmtpAddress":
		return smtpAddressTag
	case "String":
		return stringTag
	}
	return otherTag
}

// A target is a kind of reference: an element that is found at the end of a
// path.
type target struct {
	name       string   // for Reference.Path
	path       []tag    // from the outside in
	operations []string // where it is one, nil for all
	sender     bool     // of the message itself, not of one that is attached
}

// targets come from a walk through all requests of messages.xsd and types.xsd.
// Left out, besides recipients, attendees, contacts and the users of permission
// sets: what is looked up in the directory (ResolveNames, ExpandDL, GetRooms,
// GetPersona, mail tips' recipients) and what is searched for (FromAddresses of
// rules, message tracking).
var targets = [...]target{
	{name: "DistinguishedFolderId/Mailbox/EmailAddress", path: []tag{distinguishedFolderIDTag, mailboxTag, emailAddressTag}},
	{name: "MailboxData/Email/Address", path: []tag{mailboxDataTag, emailTag, addressTag}},
	{name: "Mailbox/Address", path: []tag{operationTag, mailboxTag, addressTag}},
	{name: "MailboxSmtpAddress", path: []tag{mailboxSmtpAddressTag}},
	{name: "From/Mailbox/EmailAddress", path: []tag{fromTag, mailboxTag, emailAddressTag}, sender: true},
	{name: "Sender/Mailbox/EmailAddress", path: []tag{senderTag, mailboxTag, emailAddressTag}, sender: true},
	{name: "SendingAs/EmailAddress", path: []tag{sendingAsTag, emailAddressTag}},
	{name: "ActingAs/EmailAddress", path: []tag{actingAsTag, emailAddressTag}},
	{name: "Mailbox/EmailAddress", path: []tag{operationTag, mailboxTag, emailAddressTag},
		operations: []string{"AddDelegate", "GetDelegate", "UpdateDelegate", "RemoveDelegate", "CreateManagedFolder"}},
	{name: "Email", path: []tag{operationTag, emailTag}, operations: []string{"GetUserPhoto", "SetUserPhoto"}},
	{name: "SmtpAddress", path: []tag{operationTag, smtpAddressTag}, operations: []string{"GetSharingFolder"}},
	{name: "SenderSmtpAddress", path: []tag{operationTag, senderSmtpAddressTag}, operations: []string{"GetSharingMetadata"}},
	{name: "EmailAddress/EmailAddress", path: []tag{operationTag, emailAddressTag, emailAddressTag},
		operations: []string{"SetTeamMailbox", "UnpinTeamMailbox"}},
	{name: "MailboxSearchScope/Mailbox", path: []tag{mailboxSearchScopeTag, mailboxTag}},
	{name: "Mailboxes/LegacyDN", path: []tag{mailboxesTag, legacyDNTag}},
	{name: "Mailboxes/String", path: []tag{mailboxesTag, stringTag}},
}

// follow takes note of a start tag in the operation, its own included.
func (s *Scanner) follow(e *element) {
	if s.references == nil {
		return
	}
	depth := len(s.stack)
	t := operationTag
	if depth > blockDepth {
		t = tagOf(e)
	}
	s.stack[depth-1].tag = t
	switch {
	case s.target != nil:
		s.leaf.mixed = true
	case t == itemAttachmentTag && s.embedded == 0:
		s.embedded = depth
	case t != otherTag:
		s.begins(e)
	}
}

// begins looks whether e is a reference, and if so collects its text.
func (s *Scanner) begins(e *element) {
	for i := range targets {
		if t := &targets[i]; s.matches(t) {
			s.target, s.targetAt = t, len(s.stack)
			s.leaf.reset()
			s.leaf.mixed = decorated(e)
			return
		}
	}
}

func (s *Scanner) matches(t *target) bool {
	s.work++
	above := len(s.stack) - len(t.path)
	if above < blockDepth-1 {
		return false
	}
	for i, want := range t.path {
		if s.stack[above+i].tag != want {
			return false
		}
	}
	return (t.operations == nil || slices.Contains(t.operations, s.request.Operation)) &&
		(!t.sender || s.embedded == 0)
}

// decorated reports whether e has attributes, such as xsi:nil, that may change
// what a reader makes of its text.
func decorated(e *element) bool {
	return slices.ContainsFunc(e.attrs, func(a attribute) bool { return !a.declares() })
}

// unfollow takes note of an element's end in the operation and reports the
// reference that it was.
func (s *Scanner) unfollow() error {
	depth := len(s.stack)
	if s.embedded == depth {
		s.embedded = 0
	}
	if s.target == nil || s.targetAt != depth {
		return nil
	}
	found := ews.Reference{Path: s.target.name, Unreadable: s.leaf.mixed || s.leaf.long}
	if !found.Unreadable {
		found.Value = string(trim(s.leaf.text))
	}
	s.target = nil
	return s.references(found)
}

// addressed reports the reference that an AlternateId's Mailbox attribute is.
// One without "@" is a placeholder: exchangelib sends "DUMMY".
func (s *Scanner) addressed(e *element) error {
	if s.references == nil {
		return nil
	}
	for i := range e.attrs {
		a := &e.attrs[i]
		if string(a.name) != "Mailbox" {
			continue
		}
		value := trim(appendValue(nil, a.value))
		if bytes.IndexByte(value, '@') >= 0 {
			return s.references(ews.Reference{Path: "@Mailbox", Value: string(value)})
		}
	}
	return nil
}

package soap

import (
	"bytes"
	"slices"

	"hmaproxy/proxy/ews"
)

// A tag stands for an element of the operation that lies on the path to a
// reference, in the types or messages namespace.
type tag uint8

const (
	otherTag tag = iota
	operationTag
	actingAsTag
	addressTag
	alternateIDTag
	customSearchScopeTag
	distinguishedFolderIDTag
	emailTag
	emailAddressTag
	fromTag
	itemAttachmentTag
	legacyDNTag
	mailboxTag
	mailboxDataTag
	mailboxesTag
	mailboxGUIDTag
	mailboxSearchScopeTag
	mailboxSmtpAddressTag
	mailboxTypeTag
	nameTag
	organizerTag
	receivedByTag
	receivedRepresentingTag
	routingTypeTag
	senderTag
	senderSmtpAddressTag
	senderSMTPAddressTag
	sendingAsTag
	singleLargeArchiveSearchScopeTag
	smtpAddressTag
	stringTag
	subscriptionIDTag
	wellKnownFolderTag
	withOtherIDTag // has an Id that is not the id of something in a mailbox
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
	case "AlternateId":
		return alternateIDTag
	case "CustomSearchScope":
		return customSearchScopeTag
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
	case "MailboxGuid":
		return mailboxGUIDTag
	case "MailboxSearchScope":
		return mailboxSearchScopeTag
	case "MailboxSmtpAddress":
		return mailboxSmtpAddressTag
	case "MailboxType":
		return mailboxTypeTag
	case "Name":
		return nameTag
	case "Organizer":
		return organizerTag
	case "ReceivedBy":
		return receivedByTag
	case "ReceivedRepresenting":
		return receivedRepresentingTag
	case "RoutingType":
		return routingTypeTag
	case "Sender":
		return senderTag
	case "SenderSmtpAddress":
		return senderSmtpAddressTag
	case "SenderSMTPAddress": // of a message, as the schema spells it
		return senderSMTPAddressTag
	case "SendingAs":
		return sendingAsTag
	case "SingleLargeArchiveSearchScope":
		return singleLargeArchiveSearchScopeTag
	case "SmtpAddress":
		return smtpAddressTag
	case "String":
		return stringTag
	case "SubscriptionId":
		return subscriptionIDTag
	case "WellKnownFolder":
		return wellKnownFolderTag
	case "AddressListId", "EndTimeZone", "Period", "PhoneCallId", "StartTimeZone", "TimeZoneContext",
		"TimeZoneDefinition", "Transitions", "TransitionsGroup", "UserMailbox":
		return withOtherIDTag
	}
	return otherTag
}

// A form is how the element at the end of a target's path names a mailbox.
type form uint8

const (
	addressForm      form = iota // by an address as its text
	mailboxForm                  // by a child EmailAddress or Address
	guidForm                     // by the GUID as its text
	subscriptionForm             // by the id of a subscription as its text
)

// A target is a kind of reference: an element at the end of a path.
type target struct {
	name       string   // for Reference.Path
	form       form     // of the last element
	path       []tag    // from the outside in
	operations []string // where it is one, nil for all
	sender     bool     // only in the message itself, not in one that is attached
}

// targets are the elements that name a mailbox that a request acts on. Their
// completeness is checked against messages.xsd and types.xsd; the test lists what
// is left out, with the reasons.
var targets = [...]target{
	{name: "DistinguishedFolderId/Mailbox/EmailAddress", form: mailboxForm, path: []tag{distinguishedFolderIDTag, mailboxTag}},
	{name: "WellKnownFolder/Mailbox/EmailAddress", form: mailboxForm, path: []tag{wellKnownFolderTag, mailboxTag}},
	{name: "MailboxData/Email/Address", form: mailboxForm, path: []tag{mailboxDataTag, emailTag}},
	{name: "Mailbox/Address", form: mailboxForm, path: []tag{operationTag, mailboxTag},
		operations: []string{"GetUserOofSettingsRequest", "SetUserOofSettingsRequest"}},
	{name: "Mailbox/EmailAddress", form: mailboxForm, path: []tag{operationTag, mailboxTag},
		operations: []string{"AddDelegate", "GetDelegate", "UpdateDelegate", "RemoveDelegate", "CreateManagedFolder"}},
	{name: "From/Mailbox/EmailAddress", form: mailboxForm, path: []tag{fromTag, mailboxTag}, sender: true},
	{name: "Sender/Mailbox/EmailAddress", form: mailboxForm, path: []tag{senderTag, mailboxTag}, sender: true},
	{name: "ReceivedBy/Mailbox/EmailAddress", form: mailboxForm, path: []tag{receivedByTag, mailboxTag}, sender: true},
	{name: "ReceivedRepresenting/Mailbox/EmailAddress", form: mailboxForm, path: []tag{receivedRepresentingTag, mailboxTag}, sender: true},
	{name: "Organizer/Mailbox/EmailAddress", form: mailboxForm, path: []tag{organizerTag, mailboxTag}, sender: true},
	{name: "SendingAs/EmailAddress", form: mailboxForm, path: []tag{operationTag, sendingAsTag}},
	{name: "ActingAs/EmailAddress", form: mailboxForm, path: []tag{operationTag, actingAsTag}},
	{name: "EmailAddress/EmailAddress", form: mailboxForm, path: []tag{operationTag, emailAddressTag},
		operations: []string{"SetTeamMailbox", "UnpinTeamMailbox"}},
	{name: "MailboxSmtpAddress", path: []tag{mailboxSmtpAddressTag}},
	{name: "Email", path: []tag{operationTag, emailTag}, operations: []string{"GetUserPhoto", "SetUserPhoto"}},
	{name: "SmtpAddress", path: []tag{operationTag, smtpAddressTag}, operations: []string{"GetSharingFolder"}},
	{name: "SenderSmtpAddress", path: []tag{operationTag, senderSmtpAddressTag}, operations: []string{"GetSharingMetadata"}},
	{name: "SenderSMTPAddress", path: []tag{senderSMTPAddressTag}, sender: true},
	{name: "MailboxSearchScope/Mailbox", path: []tag{mailboxSearchScopeTag, mailboxTag}},
	{name: "Mailboxes/LegacyDN", path: []tag{mailboxesTag, legacyDNTag}},
	{name: "Mailboxes/String", path: []tag{mailboxesTag, stringTag}},
	{name: "CustomSearchScope/MailboxGuid", form: guidForm, path: []tag{customSearchScopeTag, mailboxGUIDTag}},
	{name: "SingleLargeArchiveSearchScope/MailboxGuid", form: guidForm, path: []tag{singleLargeArchiveSearchScopeTag, mailboxGUIDTag}},
	{name: "SubscriptionId", form: subscriptionForm, path: []tag{subscriptionIDTag}},
}

// A tracker follows the elements of an operation and finds references.
type tracker struct {
	report func(ews.Reference) error // nil: references are not wanted
	ids    bool                      // also report references by ids

	leaf     *target // the reference whose text is being collected, or nil
	leafAt   int     // depth of its element
	box      *target // the open element of mailboxForm, or nil
	boxAt    int     // its depth
	found    bool    // it has an address
	odd      bool    // it has something other than an address and its description
	embedded int     // depth of the outermost open ItemAttachment, or 0

	// The beginning of the last id, if that alone says what last is. Most ids
	// of a request belong to one mailbox.
	idHead   [idHead]byte
	idHeadOK bool
	last     ews.IDMailbox
}

// idHead is the number of characters, without white space, that decide about the
// GUID in an id; see ews.MailboxOfID.
const idHead = 84

// mailboxOf returns the mailbox of an id.
func (r *tracker) mailboxOf(id []byte) ews.IDMailbox {
	if r.idHeadOK && len(id) >= idHead && [idHead]byte(id) == r.idHead {
		return r.last
	}
	found := ews.MailboxOfID(id)
	r.idHeadOK = found.Kind == ews.MailboxGUIDID && len(id) >= idHead && !bytes.ContainsAny(id[:idHead], " \t\r\n")
	if r.idHeadOK {
		r.idHead, r.last = [idHead]byte(id), found
	}
	return found
}

// follow handles a start tag in the operation, its own included.
func (s *Scanner) follow(e *element) error {
	r := &s.refs
	if r.report == nil {
		return nil
	}
	depth := len(s.stack)
	t := operationTag
	if depth > blockDepth {
		t = tagOf(e)
	}
	s.stack[depth-1].tag = t
	switch {
	case r.leaf != nil:
		s.leaf.mixed = true
	case r.box != nil:
		s.inMailbox(e, t)
	case t == itemAttachmentTag && r.embedded == 0:
		r.embedded = depth
	case t != otherTag:
		s.begins(e)
	}
	if depth == blockDepth {
		return nil
	}
	return s.attributeReferences(e, t)
}

// begins looks whether e is a reference, and if so prepares for its content.
func (s *Scanner) begins(e *element) {
	for i := range targets {
		if t := &targets[i]; s.matches(t) {
			if t.form == mailboxForm {
				r := &s.refs
				r.box, r.boxAt, r.found, r.odd = t, len(s.stack), false, decorated(e)
				return
			}
			s.collect(t, e)
			return
		}
	}
}

// collect begins to collect the text of e.
func (s *Scanner) collect(t *target, e *element) {
	s.refs.leaf, s.refs.leafAt = t, len(s.stack)
	s.leaf.reset()
	s.leaf.mixed = decorated(e)
}

// inMailbox handles an element in one of mailboxForm. Besides the address only
// what describes it is expected: another child could name another mailbox.
func (s *Scanner) inMailbox(e *element, t tag) {
	r := &s.refs
	direct := len(s.stack) == r.boxAt+1
	switch {
	case direct && (t == emailAddressTag || t == addressTag):
		r.found = true
		s.collect(r.box, e)
	case direct && (t == nameTag || t == routingTypeTag || t == mailboxTypeTag) && !decorated(e):
	default:
		r.odd = true
	}
}

// matches reports whether the innermost elements are the path of t.
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
		(!t.sender || s.refs.embedded == 0)
}

// decorated reports whether e has attributes, such as xsi:nil or xsi:type, that may
// change what a reader makes of its content.
func decorated(e *element) bool {
	return slices.ContainsFunc(e.attrs, func(a attribute) bool { return !a.declares() })
}

// unfollow handles the end of an element in the operation. If the element is a
// reference, it reports the reference.
func (s *Scanner) unfollow() error {
	r := &s.refs
	depth := len(s.stack)
	if r.embedded == depth {
		r.embedded = 0
	}
	if r.leaf != nil && r.leafAt == depth {
		t := r.leaf
		r.leaf = nil
		return s.reportLeaf(t)
	}
	if r.box != nil && r.boxAt == depth {
		t := r.box
		r.box = nil
		if r.odd || !r.found {
			return r.report(ews.Reference{Path: t.name, Unreadable: true})
		}
	}
	return nil
}

// reportLeaf reports a reference whose text has been collected.
func (s *Scanner) reportLeaf(t *target) error {
	found := ews.Reference{Path: t.name, Unreadable: s.leaf.mixed || s.leaf.long}
	text := trim(s.leaf.text)
	switch t.form {
	case guidForm:
		guid, err := ews.ParseGUID(string(text))
		if found.Unreadable || err != nil || !s.refs.ids {
			found.Unreadable = true
			break
		}
		found.Kind, found.ID = ews.IDReference, ews.IDMailbox{Kind: ews.MailboxGUIDID, GUID: guid}
	case subscriptionForm:
		found.Kind = ews.IDReference
		if !found.Unreadable {
			found.ID = ews.MailboxOfSubscription(text)
		}
		if !s.refs.ids || !found.Unreadable && found.ID.Kind == ews.UnknownID {
			return nil // a subscription without a mailbox in its id
		}
	default:
		if !found.Unreadable {
			found.Value = string(text)
		}
	}
	return s.refs.report(found)
}

// placeholder is what exchangelib sends as Id and as Mailbox when it asks ConvertId
// for the version of Exchange.
const placeholder = "DUMMY"

// attributeReferences reports the references in the attributes of e: the Mailbox
// of an AlternateId, and ids.
func (s *Scanner) attributeReferences(e *element, t tag) error {
	for i := range e.attrs {
		a := &e.attrs[i]
		switch string(a.name) {
		case "Mailbox":
			value := trim(s.attributeValue(a))
			if string(value) == placeholder {
				continue
			}
			if err := s.refs.report(ews.Reference{Path: "@Mailbox", Value: string(value)}); err != nil {
				return err
			}
		case "Id", "RootItemId", "RecurringMasterId", "OccurrenceId":
			if !s.refs.ids || !s.isItemID(e, t) {
				continue
			}
			value := s.attributeValue(a)
			if t == alternateIDTag && string(value) == placeholder {
				continue
			}
			found := ews.Reference{Kind: ews.IDReference, Path: "@Id", ID: s.refs.mailboxOf(value)}
			if err := s.refs.report(found); err != nil {
				return err
			}
		}
	}
	return nil
}

// attributeValue returns the value of a as a reader sees it, valid until the next
// call.
func (s *Scanner) attributeValue(a *attribute) []byte {
	if bytes.IndexByte(a.value, '&') < 0 {
		return a.value
	}
	s.value = appendValue(s.value[:0], a.value)
	return s.value
}

// isItemID reports whether the ids in the attributes of e are ids of EWS. In an
// AlternateId they are only in some formats; for the others its Mailbox decides.
func (s *Scanner) isItemID(e *element, t tag) bool {
	switch t {
	case distinguishedFolderIDTag, wellKnownFolderTag, withOtherIDTag:
		return false
	case alternateIDTag:
		for i := range e.attrs {
			if a := &e.attrs[i]; string(a.name) == "Format" {
				format := string(s.attributeValue(a))
				return format == "EwsId" || format == "EwsLegacyId"
			}
		}
	}
	return true
}

package soap

// A tag identifies an element of the types or messages namespace within the
// operation. Elements that can contain or name a mailbox have tags of their own, and
// so do elements that are needed to tell these apart. All others have otherTag.
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
	extendedFieldURITag
	extendedPropertyTag
	fromTag
	internetMessageHeaderTag
	itemAttachmentTag
	legacyDNTag
	mailboxTag
	mailboxDataTag
	mailboxesTag
	mailboxGUIDTag
	mailboxSearchScopeTag
	mailboxSmtpAddressTag
	mailboxTypeTag
	mimeContentTag
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
	valueTag
	wellKnownFolderTag
	withOtherIDTag // an element with an Id that is not the id of an object in a mailbox
	tagCount
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
	case "ExtendedFieldURI":
		return extendedFieldURITag
	case "ExtendedProperty":
		return extendedPropertyTag
	case "From":
		return fromTag
	case "InternetMessageHeader":
		return internetMessageHeaderTag
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
	case "MimeContent", "MimeContentUTF8":
		return mimeContentTag
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
	case "SenderSMTPAddress": // the schema of a message has this element with "SMTP" in capitals
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
	case "Value":
		return valueTag
	case "WellKnownFolder":
		return wellKnownFolderTag
	case "AddressListId", "EndTimeZone", "Period", "PhoneCallId", "StartTimeZone", "TimeZoneContext",
		"TimeZoneDefinition", "Transitions", "TransitionsGroup", "UserMailbox":
		return withOtherIDTag
	}
	return otherTag
}

// A form says how the element at the end of a target's path names a mailbox.
type form uint8

const (
	addressForm      form = iota // the text of the element is an address
	mailboxForm                  // the element has a child EmailAddress or Address
	guidForm                     // the text is the GUID of the mailbox
	subscriptionForm             // the text is the id of a subscription
	propertyForm                 // the element specifies a MAPI property, whose value names the mailbox
	mimeForm                     // the text is a message in base64, whose header fields name the mailbox
	headerForm                   // the text names the mailbox, if the attribute HeaderName is From or Sender
)

// A target describes an element that is a reference: where the element occurs, and
// how it names the mailbox.
type target struct {
	name       string   // value of Reference.Path
	form       form     // how the last element names the mailbox
	path       []tag    // from the outermost element to the innermost
	operations []string // operations in which the element is a reference, nil for all
	sender     bool     // the element names a sender; it is a reference only in the message itself, not in an attached item
}

// targets are the elements that name a mailbox that a request acts on. A test
// checks against messages.xsd and types.xsd that the list is complete. The test
// also lists the elements that are left out, with the reasons.
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
	{name: "ExtendedProperty/Value", form: propertyForm, path: []tag{extendedPropertyTag, extendedFieldURITag}, sender: true},
	{name: "MimeContent", form: mimeForm, path: []tag{mimeContentTag}, sender: true},
	{name: "InternetMessageHeader", form: headerForm, path: []tag{internetMessageHeaderTag}, sender: true},
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

// targetsByTag contains for each tag the targets whose paths end with the tag.
var targetsByTag = func() (by [tagCount][]*target) {
	for i := range targets {
		t := &targets[i]
		last := t.path[len(t.path)-1]
		by[last] = append(by[last], t)
	}
	return by
}()

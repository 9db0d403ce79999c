package exchange

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// fieldOrder is the schema's order of an item's elements.
const fieldOrder = " MimeContent ItemId ParentFolderId ItemClass Subject Sensitivity Body Attachments DateTimeReceived Size " +
	"Categories Importance InReplyTo IsSubmitted IsDraft IsFromMe IsResend IsUnmodified InternetMessageHeaders DateTimeSent " +
	"DateTimeCreated ResponseObjects ReminderDueBy ReminderIsSet ReminderMinutesBeforeStart DisplayCc DisplayTo HasAttachments " +
	"ExtendedProperty Culture EffectiveRights LastModifiedName LastModifiedTime Flag TextBody " +
	"Sender ToRecipients CcRecipients BccRecipients IsReadReceiptRequested IsDeliveryReceiptRequested ConversationIndex " +
	"ConversationTopic From InternetMessageId IsRead References ReplyTo " +
	"UID RecurrenceId DateTimeStamp Start End IsAllDayEvent LegacyFreeBusyStatus Location When IsMeeting IsCancelled IsRecurring " +
	"MeetingRequestWasSent IsResponseRequested CalendarItemType MyResponseType Organizer RequiredAttendees OptionalAttendees " +
	"Resources Duration TimeZone AppointmentSequenceNumber Recurrence MeetingTimeZone StartTimeZone EndTimeZone " +
	"FileAs FileAsMapping DisplayName GivenName Initials MiddleName Nickname CompanyName EmailAddresses PhysicalAddresses " +
	"PhoneNumbers Birthday Department JobTitle Surname " +
	"DueDate IsComplete PercentComplete StartDate Status "

// rank returns a field's position in the schema. Fields that are not in the list
// come last.
func rank(name string) int {
	if at := strings.Index(fieldOrder, " "+name+" "); at >= 0 {
		return at
	}
	return len(fieldOrder)
}

// field returns the field that a client set under a name, or nil.
func (i *item) field(name string) *node {
	for _, f := range i.fields {
		if f.name.Local == name {
			return f
		}
	}
	return nil
}

// text returns the text of a field that a client set or that Exchange computes.
func (i *item) text(name string) string {
	for _, f := range i.render() {
		if f.name.Local == name {
			return strings.TrimSpace(f.text)
		}
	}
	return ""
}

// set replaces the field with the name of n. If n is an extended property, set
// replaces that property only. If n has entries with keys, set replaces the
// entries with the same keys only.
func (i *item) set(n *node) {
	switch n.name.Local {
	case "Start", "End":
		n = leaf(n.name.Local, inUTC(n.text))
	case "IsRead", "IsReadReceiptRequested", "IsDeliveryReceiptRequested", "IsResponseRequested", "IsAllDayEvent", "ReminderIsSet", "IsDraft":
		n = leaf(n.name.Local, truth(n.text))
	case "ExtendedProperty":
		i.unsetExtended(extendedKey(n.find("ExtendedFieldURI")))
		i.fields = append(i.fields, n)
		return
	}
	if old := i.field(n.name.Local); old != nil && len(n.kids) > 0 && n.kids[0].name.Local == "Entry" {
		n = branch(n.name.Local, slices.Concat(slices.DeleteFunc(slices.Clone(old.kids), func(e *node) bool {
			return slices.ContainsFunc(n.kids, func(k *node) bool { return k.attribute("", "Key") == e.attribute("", "Key") })
		}), n.kids)...)
	}
	i.unset(n.name.Local)
	i.fields = append(i.fields, n)
}

func (i *item) unset(name string) {
	i.fields = slices.DeleteFunc(slices.Clone(i.fields), func(f *node) bool { return f.name.Local == name })
}

func (i *item) unsetExtended(key string) {
	i.fields = slices.DeleteFunc(slices.Clone(i.fields), func(f *node) bool {
		return f.name.Local == "ExtendedProperty" && extendedKey(f.find("ExtendedFieldURI")) == key
	})
}

// extendedKey returns a text that identifies the property to which an
// ExtendedFieldURI refers.
func extendedKey(uri *node) string {
	if tag := uri.attribute("", "PropertyTag"); tag != "" {
		n, err := strconv.ParseUint(tag, 0, 32)
		if err == nil {
			return strconv.FormatUint(n, 16)
		}
	}
	var parts []string
	for _, name := range []string{"DistinguishedPropertySetId", "PropertySetId", "PropertyName", "PropertyId"} {
		parts = append(parts, strings.ToLower(uri.attribute("", name)))
	}
	return strings.Join(parts, "|")
}

// truth returns a Boolean as Exchange writes it: true or false. It also accepts
// 0 and 1.
func truth(text string) string {
	switch text = strings.TrimSpace(text); text {
	case "0":
		return "false"
	case "1":
		return "true"
	}
	return text
}

// inUTC formats a time as Exchange returns it. A time without a zone is read as
// UTC; the emulator ignores time zone contexts.
func inUTC(text string) string {
	text = strings.TrimSpace(text)
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC().Format(time.RFC3339)
		}
	}
	return text
}

// render returns the fields that clients set and those that Exchange computes, in
// the schema's order.
func (i *item) render() []*node {
	list := slices.Clone(i.fields)
	for _, c := range i.computed() {
		if i.field(c.name.Local) == nil {
			list = append(list, c)
		}
	}
	slices.SortStableFunc(list, func(a, b *node) int { return rank(a.name.Local) - rank(b.name.Local) })
	return list
}

// computed returns the fields that Exchange computes.
func (i *item) computed() []*node {
	created := i.created.UTC().Format(time.RFC3339)
	list := []*node{
		branch("ItemId").with("Id", i.id).with("ChangeKey", i.changeKey()),
		branch("ParentFolderId").with("Id", i.folder.id).with("ChangeKey", "AQAAAA=="),
		leaf("ItemClass", i.itemClass()), leaf("Sensitivity", "Normal"), leaf("Importance", "Normal"),
		leaf("Size", strconv.FormatInt(i.size, 10)), leaf("DateTimeReceived", created), leaf("DateTimeSent", created),
		leaf("DateTimeCreated", created), leaf("LastModifiedTime", created), leaf("Culture", "en-US"),
		leaf("HasAttachments", strconv.FormatBool(len(i.attachments) > 0)),
		leaf("IsDraft", strconv.FormatBool(i.draft)), leaf("IsSubmitted", "false"), leaf("IsFromMe", "false"),
		leaf("TextBody", plainBody(i)),
	}
	if len(i.attachments) > 0 {
		list = append(list, i.attachmentList())
	}
	if i.field("Body") == nil {
		list = append(list, leaf("Body", "").with("BodyType", "Text"))
	}
	switch i.class {
	case "Message":
		list = append(list, leaf("IsRead", "false"), leaf("InternetMessageId", "<"+strconv.Itoa(i.number())+"@contoso.com>"))
	case "CalendarItem":
		list = append(list, leaf("UID", i.id), leaf("IsAllDayEvent", "false"), leaf("LegacyFreeBusyStatus", "Busy"),
			leaf("IsMeeting", "false"), leaf("IsCancelled", "false"), leaf("IsRecurring", "false"),
			leaf("CalendarItemType", "Single"), leaf("MyResponseType", "Organizer"))
	}
	return append(list, leaf("MimeContent", mimeOf(i)).with("CharacterSet", "UTF-8"))
}

func (i *item) itemClass() string {
	switch i.class {
	case "CalendarItem":
		return "IPM.Appointment"
	case "Contact":
		return "IPM.Contact"
	case "Task":
		return "IPM.Task"
	}
	return "IPM.Note"
}

// extended returns an extended property that a client set or that Exchange
// computes, or nil.
func (i *item) extended(uri *node) *node {
	key := extendedKey(uri)
	for _, f := range i.fields {
		if f.name.Local == "ExtendedProperty" && extendedKey(f.find("ExtendedFieldURI")) == key {
			return f
		}
	}
	if value := i.property(key); value != "" {
		return branch("ExtendedProperty", uri, leaf("Value", value))
	}
	return nil
}

// property returns the value of a MAPI property, by its tag in hexadecimal. It
// computes only some properties.
func (i *item) property(tag string) string {
	switch tag {
	case "e23": // PidTagInternetArticleNumber, IMAP's unique identifier
		return strconv.Itoa(i.number())
	case "e08": // PidTagMessageSize
		return strconv.FormatInt(i.size, 10)
	case "e07": // PidTagMessageFlags: read, unsent
		flags := 0
		if i.text("IsRead") == "true" {
			flags |= 1
		}
		if i.draft {
			flags |= 8
		}
		return strconv.Itoa(flags)
	case "1a": // PidTagMessageClass
		return i.itemClass()
	}
	return ""
}

// valueOf finds the first FieldURI or ExtendedFieldURI in list and returns the
// value of that field, or "" if the item does not have it.
func (i *item) valueOf(list []*node) string {
	for _, n := range list {
		switch n.name.Local {
		case "FieldURI":
			return i.text(fieldName(n))
		case "ExtendedFieldURI":
			if f := i.extended(n); f != nil {
				return f.value("Value")
			}
			return ""
		}
	}
	return ""
}

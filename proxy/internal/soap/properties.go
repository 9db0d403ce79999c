package soap

import (
	"strconv"

	"hmaproxy/proxy/ews"
)

// A senderProperty says how a MAPI property names the sender of a message, or the
// mailbox that received it.
type senderProperty uint8

const (
	noSender      senderProperty = iota // the property does not name the sender, or only by a display name
	senderAddress                       // the property contains the sender's address as text
	opaqueSender                        // the property names the sender in a form that cannot be read, or the property cannot be identified
)

// Property sets with properties that can name a sender.
var (
	// psMAPI is the set of the properties that also have a property tag. The id
	// of a property in this set is the id in its tag. Exchange accepts either, the
	// id or the tag, as the name of the property ([MS-OXCPRPT] section 3.2.5.10).
	psMAPI = ews.GUID{0x00, 0x02, 0x03, 0x28, 8: 0xc0, 15: 0x46}
	// psInternetHeaders is the set of properties that are header fields. The
	// name of a property is the name of the field. Exchange writes these fields
	// into a message ([MS-OXCMAIL] section 2.1.3.2).
	psInternetHeaders = ews.GUID{0x00, 0x02, 0x03, 0x86, 8: 0xc0, 15: 0x46}
)

// senderPropertyOf classifies the property that e, an ExtendedFieldURI, specifies.
// The function value returns the value of an attribute.
func senderPropertyOf(e *element, value func(*attribute) []byte) senderProperty {
	var tag, id, name, set string
	distinguished := ""
	for i := range e.attrs {
		a := &e.attrs[i]
		switch string(a.name) {
		case "PropertyTag":
			tag = string(trim(value(a)))
			if tag == "" {
				return opaqueSender
			}
		case "PropertyId":
			id = string(trim(value(a)))
		case "PropertyName":
			name = string(value(a))
		case "PropertySetId":
			set = string(trim(value(a)))
		case "DistinguishedPropertySetId":
			distinguished = string(trim(value(a)))
		}
	}
	if tag != "" {
		return senderOfTag(tag)
	}
	guid := ews.GUID{}
	if set != "" {
		var err error
		if guid, err = ews.ParseGUID(set); err != nil {
			return opaqueSender
		}
	}
	if guid == psMAPI {
		return senderOfTag(id)
	}
	if guid == psInternetHeaders || distinguished == "InternetHeaders" {
		if path, _ := senderField([]byte(name)); path != "" {
			return opaqueSender
		}
	}
	return noSender
}

// senderOfTag classifies the property with the given tag. tag is the property's id
// as text, without the type. The ids come from [MS-OXPROPS] and from Microsoft's
// header files for MAPI.
func senderOfTag(tag string) senderProperty {
	digits, base := tag, 10
	if len(tag) > 2 && (tag[:2] == "0x" || tag[:2] == "0X") {
		digits, base = tag[2:], 16
	}
	id, err := strconv.ParseUint(digits, base, 16)
	if err != nil {
		return opaqueSender
	}
	switch id {
	case 0x0065, // PidTagSentRepresentingEmailAddress
		0x0076, // PidTagReceivedByEmailAddress
		0x0078, // PidTagReceivedRepresentingEmailAddress
		0x0C1F, // PidTagSenderEmailAddress
		0x5D01, // PidTagSenderSmtpAddress
		0x5D02, // PidTagSentRepresentingSmtpAddress
		0x5D07, // PidTagReceivedBySmtpAddress
		0x5D08: // PidTagReceivedRepresentingSmtpAddress
		return senderAddress
	case 0x003B, // PidTagSentRepresentingSearchKey
		0x003F, // PidTagReceivedByEntryId
		0x0041, // PidTagSentRepresentingEntryId
		0x0043, // PidTagReceivedRepresentingEntryId
		0x0051, // PidTagReceivedBySearchKey
		0x0052, // PidTagReceivedRepresentingSearchKey
		0x0C19, // PidTagSenderEntryId
		0x0C1D, // PidTagSenderSearchKey
		0x0E4D, // PR_SENDER_SID
		0x0E4E: // PR_SENT_REPRESENTING_SID
		return opaqueSender
	}
	return noSender
}

package soap

import "strconv"

// A senderProperty says what a MAPI property tells about the sender of a message.
type senderProperty uint8

const (
	noSender      senderProperty = iota // nothing, or a display name
	senderAddress                       // an address as text
	opaqueSender                        // the sender in a form that is not read, or a tag that is not
)

// senderPropertyOf returns what the property of an ExtendedFieldURI tells. Senders
// have no named properties, so only PropertyTag matters. The tags are those of
// [MS-OXPROPS].
func senderPropertyOf(tag string) senderProperty {
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
		0x0C1F, // PidTagSenderEmailAddress
		0x5D01, // PidTagSenderSmtpAddress
		0x5D02: // PidTagSentRepresentingSmtpAddress
		return senderAddress
	case 0x003B, // PidTagSentRepresentingSearchKey
		0x0041, // PidTagSentRepresentingEntryId
		0x0C19, // PidTagSenderEntryId
		0x0C1D, // PidTagSenderSearchKey
		0x0E4D, // PR_SENDER_SID
		0x0E4E: // PR_SENT_REPRESENTING_SID
		return opaqueSender
	}
	return noSender
}

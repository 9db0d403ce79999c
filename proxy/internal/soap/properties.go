package soap

import "strconv"

// A senderProperty says how a MAPI property names the sender of a message.
type senderProperty uint8

const (
	noSender      senderProperty = iota // not at all, or by a display name
	senderAddress                       // an address as text
	opaqueSender                        // in a form that cannot be read; also for an unreadable tag
)

// senderPropertyOf returns how the property of an ExtendedFieldURI names the
// sender. Senders have no named properties, so that only PropertyTag matters.
// The tags are those of [MS-OXPROPS].
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

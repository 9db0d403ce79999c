package ews

// A Reference is a mailbox that the Body of a request acts on. Recipients and
// attendees are not references.
type Reference struct {
	Path  string // where it stands, a constant: "DistinguishedFolderId/Mailbox/EmailAddress"
	Value string // text, decoded and trimmed; "" if Unreadable

	// Unreadable reports that the element contains something other than text,
	// so that two readers may find two values.
	Unreadable bool
}

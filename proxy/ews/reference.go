package ews

// A ReferenceKind says how a Body names a mailbox.
type ReferenceKind uint8

// The kinds of references.
const (
	AddressReference ReferenceKind = iota // by an address
	IDReference                           // by the id of an object in the mailbox, or by the mailbox's GUID
)

// A Reference is a mailbox that the Body of a request acts on. Recipients and
// attendees are not references.
type Reference struct {
	Kind ReferenceKind
	Path string // the place of the reference, a constant: "DistinguishedFolderId/Mailbox/EmailAddress"

	// Value is the text of an AddressReference, decoded and trimmed. It is
	// empty if Unreadable.
	Value string

	// ID is the mailbox of an IDReference. It is zero if Unreadable.
	ID IDMailbox

	// Unreadable is set in two cases. The element contains something other than
	// text, so two readers may find different values in it. Or the element names
	// its mailbox by something other than an address.
	Unreadable bool
}

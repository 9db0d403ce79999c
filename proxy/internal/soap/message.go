package soap

// Namespaces that an EWS request is made of.
const (
	EnvelopeNS = "http://schemas.xmlsoap.org/soap/envelope/"
	TypesNS    = "http://schemas.microsoft.com/exchange/services/2006/types"
	MessagesNS = "http://schemas.microsoft.com/exchange/services/2006/messages"
)

// A Kind is the form in which ConnectingSID names a mailbox: the one child
// element that it may have.
type Kind uint8

// The children of t:ConnectingSID.
const (
	NoIdentity         Kind = iota // nobody is named
	PrimarySmtpAddress             // <t:PrimarySmtpAddress>
	SmtpAddress                    // <t:SmtpAddress>
	PrincipalName                  // <t:PrincipalName>, a UPN
	SID                            // <t:SID>, a security identifier as SDDL writes it
)

// String returns the element's local name, "" for NoIdentity.
func (k Kind) String() string {
	return [...]string{"", "PrimarySmtpAddress", "SmtpAddress", "PrincipalName", "SID"}[k]
}

// An Identity is a mailbox and the form in which it is named. The zero
// Identity names nobody.
type Identity struct {
	Kind  Kind
	Value string // text, character references decoded, white space round it trimmed
}

// A Block is a child of the SOAP Header.
type Block struct {
	Space, Name    string // namespace URI and local name
	MustUnderstand bool   // mustUnderstand is "1", "true" or no boolean at all

	// Problem says why a block that the rewriter knows cannot be written again
	// from its values: a constant text without any of the client's data. It is
	// empty for a block that is as it should be, and for one that the rewriter
	// does not know.
	Problem string
}

// A Message is what the head of a request says: everything up to the Body's
// one element, and for Subscribe that element's first child.
type Message struct {
	Blocks     []Block  // header blocks in the document's order
	Identity   Identity // the first ExchangeImpersonation without a Problem
	Operation  string   // local name of the Body's element: "GetFolder"
	Push       bool     // a Subscribe for push notifications
	BodyOffset int64    // of the "<" of the Body's start tag, from the document's first byte
}

// A Reference is a mailbox that the Body acts on. Recipients and attendees are
// none.
type Reference struct {
	Path  string // where it stands, a constant: "DistinguishedFolderId/Mailbox/EmailAddress"
	Value string // text, decoded and trimmed; "" with Unreadable

	// Unreadable is set where the element holds anything but text, so that two
	// readers may find two values.
	Unreadable bool
}

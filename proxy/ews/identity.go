package ews

// An IdentityKind is the form in which ConnectingSID names a mailbox. It is the
// name of the one child element of ConnectingSID.
type IdentityKind uint8

// NoIdentity, and the kinds that are children of t:ConnectingSID.
const (
	NoIdentity         IdentityKind = iota // no mailbox is named
	PrimarySmtpAddress                     // the mailbox's primary address; Exchange refuses an alias
	SmtpAddress                            // any address of the mailbox
	PrincipalName                          // a user principal name
	SID                                    // a security identifier in SDDL form
)

// String returns the element's local name. It returns "" for NoIdentity and for
// a value that is not one of the constants.
func (k IdentityKind) String() string {
	switch k {
	case PrimarySmtpAddress:
		return "PrimarySmtpAddress"
	case SmtpAddress:
		return "SmtpAddress"
	case PrincipalName:
		return "PrincipalName"
	case SID:
		return "SID"
	}
	return ""
}

// An Identity is a mailbox and the form in which it is named. The zero Identity
// names no mailbox.
type Identity struct {
	Kind  IdentityKind
	Value string // text with character references decoded and surrounding white space removed
}

// IsZero reports whether id names no mailbox.
func (id Identity) IsZero() bool { return id.Kind == NoIdentity }

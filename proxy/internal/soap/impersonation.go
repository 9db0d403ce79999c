package soap

import (
	"bytes"

	"hmaproxy/proxy/ews"
)

// An impersonation reads the elements of an ExchangeImpersonation. Comments
// between them are accepted, because they have no meaning and the written block
// does not contain them.
type impersonation struct {
	sids, names int              // number of ConnectingSIDs and of their children
	kind        ews.IdentityKind // kind of the child
}

// enter handles the start tag of an element. level is the depth of the element
// below the block: 1 for its children. enter returns what is wrong with the
// element, or "".
func (i *impersonation) enter(e *element, level int) string {
	kind := identityKind(e)
	switch {
	case !passive(e):
		return badAttribute
	case level == 1 && e.is(typesClass, "ConnectingSID"):
		if i.sids++; i.sids > 1 {
			return "more than one ConnectingSID"
		}
	case level == 2 && kind != ews.NoIdentity:
		i.kind = kind
		if i.names++; i.names > 1 {
			return "more than one name in ConnectingSID"
		}
	default:
		return "an element where none should be"
	}
	return ""
}

// problem returns what is wrong with the elements of a complete
// ExchangeImpersonation, or "". enter has already returned the problems of each
// element, and header.exit reports those of the name.
func (i *impersonation) problem() string {
	if i.names == 0 {
		return "ExchangeImpersonation names no mailbox"
	}
	return ""
}

// identityKind returns the IdentityKind that has the name of e, or
// ews.NoIdentity.
func identityKind(e *element) ews.IdentityKind {
	if e.space.class == typesClass {
		for k := ews.PrimarySmtpAddress; k <= ews.SID; k++ {
			if k.String() == string(e.local) {
				return k
			}
		}
	}
	return ews.NoIdentity
}

// identityProblem returns what is wrong with the text that names the mailbox,
// "" if nothing is.
func identityProblem(text *leaf) string {
	name := trim(text.text)
	switch {
	case text.mixed:
		return "something other than text in the name"
	case text.long:
		return "the name is too long"
	case !text.ascii():
		return "the name is not ASCII"
	case len(name) == 0:
		return "the name is empty"
	case bytes.ContainsAny(name, "\t\r\n"):
		return "a tab or line end in the name"
	}
	return ""
}

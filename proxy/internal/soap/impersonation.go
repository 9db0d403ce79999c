package soap

import (
	"bytes"

	"hmaproxy/proxy/ews"
)

// identityKind returns the kind whose element e is, or ews.NoIdentity.
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

// enterImpersonation begins an element inside ExchangeImpersonation. Comments
// between the elements are accepted: the written block does not contain them, and
// they mean nothing to any reader.
func (b *block) enterImpersonation(s *Scanner, e *element, level int) {
	b.passive(e)
	switch {
	case level == 1 && e.is(typesClass, "ConnectingSID"):
		if b.sids++; b.sids > 1 {
			b.fail("more than one ConnectingSID")
		}
	case level == 2 && identityKind(e) != ews.NoIdentity:
		b.identity = identityKind(e)
		s.leaf.reset()
		if b.names++; b.names > 1 {
			b.fail("more than one name in ConnectingSID")
		}
	default:
		b.fail("an element where none should be")
	}
}

// exitIdentity ends the child of ConnectingSID.
func (b *block) exitIdentity(s *Scanner) {
	name := trim(s.leaf.text)
	switch {
	case s.leaf.mixed:
		b.fail("something other than text in the name")
	case s.leaf.long:
		b.fail("the name is too long")
	case !s.leaf.ascii():
		b.fail("the name is not ASCII")
	case len(name) == 0:
		b.fail("the name is empty")
	case bytes.ContainsAny(name, "\t\r\n"):
		b.fail("a tab or line end in the name")
	}
}

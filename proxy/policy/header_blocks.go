package policy

import (
	"strings"

	"hmaproxy/internal/ascii"
	"hmaproxy/proxy/ews"
)

// maxBlocks limits the header blocks of a request, because each is compared
// with all others. Clients send at most five.
const maxBlocks = 32

const impersonation = "ExchangeImpersonation"

// headerProblem returns why the header blocks must not be sent, or "" if they
// may be sent. The text is constant.
func headerProblem(blocks []ews.HeaderBlock) string {
	if len(blocks) > maxBlocks {
		return "more header blocks than any client sends"
	}
	for i, b := range blocks {
		if problem := blockProblem(b); problem != "" {
			return problem
		}
		for _, earlier := range blocks[:i] {
			if earlier.Space == b.Space && earlier.Name == b.Name {
				return "a header block appears more than once"
			}
		}
	}
	return ""
}

// blockProblem returns why a block must not be sent, or "". It accepts most
// foreign blocks, for example blocks of WS-Addressing. Foreign blocks are not
// sent, because the proxy writes the Header only from the blocks that it knows.
func blockProblem(b ews.HeaderBlock) string {
	exchange := b.Space == ews.TypesNS || b.Space == ews.MessagesNS
	switch {
	case b.Problem != "":
		return b.Problem
	case b.Space == ews.TypesNS && isRewritten(b.Name):
		return ""
	case b.Space == ews.TypesNS && b.Nil && changesIdentity(b.Name):
		return "" // the block has no value and is not sent
	case exchange && changesIdentity(b.Name):
		return "a header block that changes who acts"
	case exchange:
		return "a header block in Exchange's namespaces that is not known"
	case isImpersonation(b):
		return "ExchangeImpersonation in a foreign namespace"
	case b.Space == ews.EnvelopeNS:
		return "a header block in SOAP's own namespace"
	case b.MustUnderstand:
		return "a header block that is not known and must be understood"
	}
	return ""
}

// isRewritten reports whether the proxy writes blocks of this name from their
// values. This includes ExchangeImpersonation, whose content is checked
// separately.
func isRewritten(name string) bool {
	switch name {
	case impersonation, "RequestServerVersion", "MailboxCulture", "TimeZoneContext", "DateTimePrecision":
		return true
	}
	return false
}

// changesIdentity reports whether a request with this block acts for another
// user or with other rights. The schema defines these blocks. They would also
// be refused as unknown blocks; this rule gives the operator a more precise
// text.
func changesIdentity(name string) bool {
	switch name {
	case "SerializedSecurityContext", "OpenAsAdminOrSystemService", "ManagementRole", "SharingSecurity":
		return true
	}
	return strings.HasPrefix(name, "Proxy")
}

// isImpersonation reports whether a block seems to name a mailbox, in any
// namespace and letter case. A malformed impersonation is refused and never
// replaced by a default.
func isImpersonation(b ews.HeaderBlock) bool {
	return ascii.EqualFold(b.Name, impersonation)
}

// namesMailbox reports whether the request has an impersonation, well-formed or
// not.
func namesMailbox(r *ews.Request) bool {
	if !r.Identity.IsZero() {
		return true
	}
	for _, b := range r.Blocks {
		if isImpersonation(b) {
			return true
		}
	}
	return false
}

// soleIdentity returns the identity of a request with exactly one impersonation
// that has no problem. Otherwise it returns the zero Identity.
func soleIdentity(r *ews.Request) ews.Identity {
	n := 0
	for _, b := range r.Blocks {
		if !isImpersonation(b) {
			continue
		}
		n++
		if b.Space != ews.TypesNS || b.Name != impersonation || b.Problem != "" {
			return ews.Identity{}
		}
	}
	if n != 1 {
		return ews.Identity{}
	}
	return r.Identity
}

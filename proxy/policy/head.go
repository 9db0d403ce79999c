package policy

import (
	"strings"

	"hmaproxy/proxy/ews"
)

// maxBlocks bounds the header blocks of a request, and so the work of comparing
// each with all others. Clients send five at most.
const maxBlocks = 32

const impersonation = "ExchangeImpersonation"

// headProblem judges the header blocks and returns why they must not be sent,
// "" for nothing. It is a constant text.
func headProblem(blocks []ews.HeaderBlock) string {
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

// blockProblem judges one block. A foreign one without a problem will not be
// sent either: the proxy writes the Header from the blocks that it knows.
func blockProblem(b ews.HeaderBlock) string {
	exchange := b.Space == ews.TypesNS || b.Space == ews.MessagesNS
	switch {
	case b.Problem != "":
		return b.Problem
	case b.Space == ews.TypesNS && isHarmless(b.Name):
		return ""
	case exchange && changesIdentity(b.Name):
		return "a header block that changes who acts"
	case exchange:
		return "a header block in Exchange's namespaces that is not known"
	case isImpersonation(b):
		return "ExchangeImpersonation in a foreign namespace"
	case b.Space == ews.EnvelopeNS:
		return "a header block in SOAP's own namespace"
	case isWebServiceStack(b.Space):
		return "a header block of WS-Security or WS-Addressing"
	case b.MustUnderstand:
		return "a header block that is not known and must be understood"
	}
	return ""
}

// isHarmless names the blocks that are written again from their values. The
// impersonation is one of them, being judged by itself.
func isHarmless(name string) bool {
	switch name {
	case impersonation, "RequestServerVersion", "MailboxCulture", "TimeZoneContext", "DateTimePrecision":
		return true
	}
	return false
}

// changesIdentity names the blocks by which, after the schema, a request acts
// for somebody else or with other rights. They would be refused as unknown,
// too; the operator shall read what they are.
func changesIdentity(name string) bool {
	switch name {
	case "SerializedSecurityContext", "OpenAsAdminOrSystemService", "ManagementRole", "SharingSecurity":
		return true
	}
	return strings.HasPrefix(name, "Proxy")
}

// isImpersonation reports whether a block means to name somebody, in whichever
// namespace and letter case: a malformed impersonation is never replaced by a
// default.
func isImpersonation(b ews.HeaderBlock) bool {
	return len(b.Name) == len(impersonation) && hasPrefixFold(b.Name, "exchangeimpersonation")
}

// isWebServiceStack reports whether a namespace belongs to WS-Security,
// WS-Addressing or one of their companions, in any version: those of OASIS, of
// the W3C, and of the drafts before both.
func isWebServiceStack(space string) bool {
	return strings.HasPrefix(space, "http://docs.oasis-open.org/ws") ||
		strings.HasPrefix(space, "http://schemas.xmlsoap.org/ws/") ||
		strings.HasPrefix(space, "http://www.w3.org/") && strings.Contains(space, "/addressing")
}

// named reports whether the request names somebody, however badly.
func named(m *ews.Request) bool {
	if m.Identity.Kind != ews.NoIdentity {
		return true
	}
	for _, b := range m.Blocks {
		if isImpersonation(b) {
			return true
		}
	}
	return false
}

// namedOnce returns the identity of a request whose one impersonation has no
// problem, else the zero Identity.
func namedOnce(m *ews.Request) ews.Identity {
	n := 0
	for _, b := range m.Blocks {
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
	return m.Identity
}

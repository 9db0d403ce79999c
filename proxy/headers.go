package proxy

import (
	"net/http"
	"net/textproto"

	"hmaproxy/proxy/ews"
	"hmaproxy/proxy/policy"
)

// carried are the request headers that are copied unchanged to the request for
// Exchange. Headers that need a decision or a different form are set by name, in
// requestHeaders.soap.
var carried = [...]string{
	"Accept", "Accept-Encoding", "Accept-Language", "User-Agent",
	"Client-Request-Id", "Return-Client-Request-Id",
	"X-Preferserveraffinity", "X-Ews-Targetversion", "X-Clientstatistics", "Prefer",
}

// singleValued are headers that a request may have only once. If it had two
// values, this proxy and Exchange could each use a different one. Authorization
// is not in the set, because authenticate checks it.
var singleValued = map[string]bool{
	"Content-Type": true, "Content-Encoding": true, "Content-Length": true, "Soapaction": true,
	"User-Agent": true, "Client-Request-Id": true, "Return-Client-Request-Id": true,
	anchorHeader: true, affinityHeader: true, overrideCookie: true, publicFolderHeader: true,
	explicitLogonHeader: true, "X-Ews-Targetversion": true, "Expect": true,
}

// Names, in net/http's spelling, of headers that select a mailbox or a back end.
const (
	anchorHeader        = "X-Anchormailbox"
	affinityHeader      = "X-Preferserveraffinity"
	publicFolderHeader  = "X-Publicfoldermailbox"
	explicitLogonHeader = "X-Owa-Explicitlogonuser"
	overrideCookie      = "X-Backendoverridecookie"
)

// repeating are headers that make http.Transport send a POST a second time
// after a failure. Exchange does not know them.
var repeating = [...]string{"Idempotency-Key", "X-Idempotency-Key"}

// value returns the first value of a header, or "". name is in net/http's
// spelling.
func value(h http.Header, name string) string {
	if values := h[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// carriedHeaders returns the set of the client's headers that are copied to the
// request for Exchange: those in carried and in further, without those in
// repeating. The names are in net/http's spelling.
func carriedHeaders(further []string) map[string]bool {
	names := make(map[string]bool, len(carried)+len(further))
	for _, name := range carried {
		names[name] = true
	}
	for _, name := range further {
		names[textproto.CanonicalMIMEHeaderKey(name)] = true
	}
	for _, name := range repeating {
		delete(names, name)
	}
	return names
}

// requestHeaders builds the header of each upstream request, starting from an
// empty header. The result does not contain the token; upstream.send sets the
// token.
type requestHeaders struct {
	carried map[string]bool // names of the headers that are copied from the client's request
	cookies *cookieNames
}

// plain returns the headers to send to Exchange with a request without a SOAP body.
// in are the headers of the client's request.
func (h *requestHeaders) plain(in http.Header) http.Header {
	out := make(http.Header, len(in)+2)
	for name, values := range in {
		if h.carried[name] {
			out[name] = values
		}
	}
	if _, named := out["User-Agent"]; !named {
		out["User-Agent"] = nil // a nil value prevents net/http from adding its own User-Agent
	}
	return out
}

// soap returns the headers to send to Exchange with an inspected SOAP request. in
// are the headers of the client's request.
func (h *requestHeaders) soap(in http.Header, i *inspection) http.Header {
	out := h.plain(in)
	setContentType(out, in, i)
	if action := value(in, "Soapaction"); action != "" && i.agreesWith(action) {
		out["Soapaction"] = []string{action}
	}
	setMailboxHeaders(out, in, i)
	if c := h.cookies.carry(in); c != "" {
		out["Cookie"] = []string{c}
	}
	return out
}

// setContentType sets the Content-Type. With an allow-list it sets the media type
// and the charset with which the scanner has read the document. Without a list, or
// if the document was not read, it copies the client's Content-Type and
// Content-Encoding.
func setContentType(out, in http.Header, i *inspection) {
	if i.client.policy.Limited() && !i.unread {
		out["Content-Type"] = []string{soapContentType}
		return
	}
	for _, name := range [...]string{"Content-Type", "Content-Encoding"} {
		if v := in[name]; v != nil {
			out[name] = v
		}
	}
}

// setMailboxHeaders sets the headers that name mailboxes. It copies
// X-PublicFolderMailbox and X-OWA-ExplicitLogonUser if the policy allows their
// mailboxes. It copies X-AnchorMailbox, which decideHeaders has checked. If the
// client sent no X-AnchorMailbox, it sets the header to the impersonated mailbox,
// provided that this mailbox is named by an address or a user principal name.
func setMailboxHeaders(out, in http.Header, i *inspection) {
	for _, name := range [...]string{publicFolderHeader, explicitLogonHeader} {
		if v := value(in, name); v != "" && i.client.policy.Allows(v) {
			out[name] = []string{v}
		}
	}
	switch id := i.decision.Identity; {
	case value(in, anchorHeader) != "":
		out[anchorHeader] = in[anchorHeader]
	case id.Kind != ews.NoIdentity && id.Kind != ews.SID && safeInHeader(id.Value):
		out[anchorHeader] = []string{id.Value}
	}
}

// safeInHeader reports whether the impersonated mailbox may be sent in a
// header. The mailbox is the only value that is copied from a body to a header.
// Without an allow-list, no earlier check has validated it.
func safeInHeader(address string) bool {
	_, err := policy.ParseAddress(address)
	return err == nil
}

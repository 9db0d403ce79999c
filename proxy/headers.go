package proxy

import (
	"net/http"
	"net/textproto"
	"strings"

	"hmaproxy/proxy/ews"
	"hmaproxy/proxy/policy"
)

// carried are the request headers that travel to Exchange as the client sent
// them. What is not named here does not travel; headers that need a judgement
// or another form are handled by name in requestHeader.
var carried = [...]string{
	"Accept", "Accept-Encoding", "Accept-Language", "User-Agent",
	"Client-Request-Id", "Return-Client-Request-Id",
	"X-Preferserveraffinity", "X-Ews-Targetversion", "X-Clientstatistics", "Prefer",
}

// singleValued are headers that a request may carry once: two readers may
// believe two values. Authorization is among them only where it is believed,
// see authenticate.
var singleValued = map[string]bool{
	"Content-Type": true, "Content-Encoding": true, "Content-Length": true, "Soapaction": true,
	"User-Agent": true, "Client-Request-Id": true, "Return-Client-Request-Id": true,
	anchorHeader: true, affinityHeader: true, overrideCookie: true, publicFolderHeader: true,
	explicitLogonHeader: true, "X-Ews-Targetversion": true, "Expect": true,
}

// Headers in net/http's spelling that name mailboxes or back ends.
const (
	anchorHeader        = "X-Anchormailbox"
	affinityHeader      = "X-Preferserveraffinity"
	publicFolderHeader  = "X-Publicfoldermailbox"
	explicitLogonHeader = "X-Owa-Explicitlogonuser"
	overrideCookie      = "X-Backendoverridecookie"
)

// repeating are headers by which http.Transport takes a POST for one that may be
// sent again after it has been sent. Exchange does not know them.
var repeating = [...]string{"Idempotency-Key", "X-Idempotency-Key"}

// value returns a header's first value, by the name in net/http's spelling.
func value(h http.Header, name string) string {
	if values := h[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// carriedHeaders returns the set of headers to copy, in net/http's spelling.
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

// requestHeader builds the header of the upstream request from nothing. The
// token is not in it: it is set by send, below everything that a client
// reaches.
func (x *exchange) requestHeader() http.Header {
	in, out := x.r.Header, make(http.Header, len(x.r.Header)+2)
	for name, values := range in {
		if x.h.carried[name] {
			out[name] = values
		}
	}
	if _, named := out["User-Agent"]; !named {
		out["User-Agent"] = nil // or net/http would write its own
	}
	return out
}

// soapHeader adds what belongs to a SOAP request.
func (x *exchange) soapHeader() http.Header {
	out := x.requestHeader()
	x.contentType(out)
	if action := value(x.r.Header, "Soapaction"); action != "" && x.actionAgrees(action) {
		out["Soapaction"] = []string{action}
	}
	x.mailboxHeaders(out)
	if c := x.h.cookies.carry(x.r.Header); c != "" {
		out["Cookie"] = []string{c}
	}
	return out
}

// contentType sends the one value that the scanner vouches for, or what the
// client sent where nothing was read.
func (x *exchange) contentType(out http.Header) {
	if x.policy.Limited() && !x.raw {
		out["Content-Type"] = []string{soapContentType}
		return
	}
	for _, name := range [...]string{"Content-Type", "Content-Encoding"} {
		if v := x.r.Header[name]; v != nil {
			out[name] = v
		}
	}
}

// actionAgrees reports whether a SOAPAction says the same as the body. The
// action of GetStreamingEvents is GetEvents in Exchange's own WSDL, and some
// elements end in Request where their actions do not.
func (x *exchange) actionAgrees(action string) bool {
	if x.message == nil {
		return !x.policy.Limited()
	}
	name, ok := strings.CutPrefix(strings.Trim(action, `"`), ews.MessagesNS+"/")
	operation := x.message.Operation
	return ok && (name == operation ||
		name == strings.TrimSuffix(operation, "Request") ||
		name == "GetEvents" && operation == "GetStreamingEvents")
}

// mailboxHeaders sends the headers that name mailboxes, as far as the policy
// allows those mailboxes, and names the impersonated one where the client
// named none.
func (x *exchange) mailboxHeaders(out http.Header) {
	for _, name := range [...]string{publicFolderHeader, explicitLogonHeader} {
		if v := value(x.r.Header, name); v != "" && x.policy.Allows(v) {
			out[name] = []string{v}
		}
	}
	switch id := x.decision.Identity; {
	case value(x.r.Header, anchorHeader) != "":
		out[anchorHeader] = x.r.Header[anchorHeader]
	case id.Kind != ews.NoIdentity && id.Kind != ews.SID && headerSafe(id.Value):
		out[anchorHeader] = []string{id.Value}
	}
}

// headerSafe guards the one value that travels from a body to a header where
// no list has judged it.
func headerSafe(address string) bool {
	_, err := policy.ParseAddress(address)
	return err == nil
}

// dropped are the answer's headers that do not reach the client: hop-by-hop,
// invitations to send credentials, and what a browser would take as a
// permission or a redirection.
var dropped = map[string]bool{
	"Connection": true, "Keep-Alive": true, "Proxy-Connection": true, "Proxy-Authenticate": true,
	"Proxy-Authentication-Info": true, "Transfer-Encoding": true, "Te": true, "Trailer": true,
	"Upgrade": true, "Www-Authenticate": true, "Authentication-Info": true, "Authorization": true,
	"Strict-Transport-Security": true, "Alt-Svc": true, "Location": true, "Refresh": true,
}

// answerHeader copies Exchange's headers to the client.
func (x *exchange) answerHeader(in http.Header) {
	out := x.w.Header()
	for name, values := range in {
		switch {
		case dropped[name], strings.HasPrefix(name, "Access-Control-"):
		case name == "Set-Cookie":
			x.setCookies(out, values)
		default:
			out[name] = values
		}
	}
	for _, line := range in["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			out.Del(strings.Trim(name, " \t"))
		}
	}
	if _, named := out["Content-Type"]; !named {
		out["Content-Type"] = nil // or net/http would guess one
	}
}

// holds reports whether a secret stands in one of the values.
func holds(values []string, secret string) bool {
	for _, v := range values {
		if len(v) >= len(secret) && secret != "" && strings.Contains(v, secret) {
			return true
		}
	}
	return false
}

// setCookies relays Exchange's cookies in a form that the client sends back.
func (x *exchange) setCookies(out http.Header, values []string) {
	for _, v := range values {
		if cookie, ok := x.h.cookies.relay(v, x.r.TLS != nil); ok {
			out.Add("Set-Cookie", cookie)
		}
	}
}

package proxy

import (
	"fmt"

	"hmaproxy/proxy/policy"
)

// A Reason says why a request was not served as the client sent it. The set is
// closed. The word of each Reason is the value of X-Hmaproxy-Error, of the log
// key "reason" and of metric labels, and never changes.
type Reason uint8

// ReasonNone is the zero value: the client got Exchange's response, or the response
// that the proxy itself gives to a request such as a probe.
const ReasonNone Reason = 0

// Refusals by the checks of the request line, the headers and the credentials.
const (
	ReasonProtocol    Reason = iota + 1 // neither HTTP/1.1 nor HTTP/1.0
	ReasonTarget                        // the target does not begin with a path
	ReasonMethod                        // a method that is not served at this path
	ReasonHost                          // a Host that is not accepted
	ReasonBrowser                       // a request from a web page
	ReasonHeaders                       // too many, too large or ambiguous headers
	ReasonPath                          // a path that is not served
	ReasonBody                          // a body where none is allowed, or an incomplete body
	ReasonCredentials                   // no or wrong Basic credentials

	// The credentials could not be checked in time.
	ReasonCredentialsUnchecked

	// Refusals by the policy; see policyReasons.
	ReasonMailboxNotAllowed
	ReasonNoMailbox
	ReasonOperationNotAllowed
	ReasonEnvelopeRefused
	ReasonReferenceNotAllowed
	ReasonAnchorNotAllowed
	ReasonLoginNameInvalid

	// Challenges: the client is expected to send the request again.
	ReasonNTLM          // a step of an NTLM handshake
	ReasonLoginRequired // the policy impersonates the Basic user, but the client sent no Basic credentials

	// Failures on the way to Exchange.
	ReasonProxyBusy           // the memory for request bodies is in use, there are more requests than the processors can serve, or the connection has lost its slot
	ReasonNoToken             // no access token
	ReasonUpstreamUnreachable // no connection, or the server is not trusted
	ReasonUpstreamBroken      // the connection ended before the response
	ReasonUpstreamCut         // the response ended before it was complete
	ReasonUpstreamRedirect    // a redirect
	ReasonUpstreamProtocol    // an interim status in place of a final one
	ReasonUpstream401         // the access token was refused
	ReasonUpstream407         // a corporate proxy asks for credentials
	ReasonUpstream429
	ReasonUpstream502
	ReasonUpstream504
	ReasonUpstreamNotEWS  // a response that is not from EWS, such as a sign-in page
	ReasonUpstreamTimeout // no response to a request that was sent
	ReasonProxyStopping   // a notification stream that was refused or ended because the process stops

	ReasonClientLeft // the client did not wait for the end of the response

	reasonCount
)

// A ReasonClass groups reasons by who must act.
type ReasonClass uint8

// The classes of reasons.
const (
	ClassServed     ReasonClass = iota // ReasonNone
	ClassRefused                       // a rule of this proxy refused the request
	ClassFailed                        // the proxy could not serve the request, or Exchange gave no response that can be relayed
	ClassChallenged                    // the client was asked to continue a handshake or to send credentials
	ClassClientLeft                    // the client closed the connection
)

var classNames = [...]string{
	ClassServed: "served", ClassRefused: "refused", ClassFailed: "failed",
	ClassChallenged: "challenged", ClassClientLeft: "client left",
}

// String returns the class in words.
func (c ReasonClass) String() string {
	if int(c) < len(classNames) {
		return classNames[c]
	}
	return fmt.Sprintf("ReasonClass(%d)", uint8(c))
}

// reasonInfo describes a Reason.
type reasonInfo struct {
	word  string
	class ReasonClass
	text  string
}

var reasons = [reasonCount]reasonInfo{
	ReasonNone: {"", ClassServed, ""},

	ReasonProtocol:             {"protocol", ClassRefused, "HTTP/1.1 and HTTP/1.0 only"},
	ReasonTarget:               {"target", ClassRefused, "this is not a forward proxy: send the path alone, " + endpointPath},
	ReasonMethod:               {"method", ClassRefused, "POST SOAP requests to " + endpointPath},
	ReasonHost:                 {"host", ClassRefused, "the Host header names neither localhost, 127.0.0.1 nor [::1]"},
	ReasonBrowser:              {"browser", ClassRefused, "requests from browsers are refused"},
	ReasonHeaders:              {"headers", ClassRefused, "the request's headers are too many, too large or ambiguous"},
	ReasonPath:                 {"path", ClassRefused, "only " + endpointPath + " is served here"},
	ReasonBody:                 {"body", ClassRefused, "the request's body ended before it was complete"},
	ReasonCredentialsUnchecked: {"credentials-unchecked", ClassFailed, "too many passwords are being checked; try again"},
	ReasonCredentials:          {"credentials", ClassRefused, "no client user with these credentials"},

	ReasonMailboxNotAllowed:   {"mailbox-not-allowed", ClassRefused, "the mailbox is not on the allow-list"},
	ReasonNoMailbox:           {"no-mailbox", ClassRefused, "the request names no mailbox to impersonate"},
	ReasonOperationNotAllowed: {"operation-not-allowed", ClassRefused, "the operation is not among those that are allowed"},
	ReasonEnvelopeRefused:     {"envelope-refused", ClassRefused, "the SOAP envelope cannot be inspected or holds what must not be sent"},
	ReasonReferenceNotAllowed: {"reference-not-allowed", ClassRefused, "the Body acts on a mailbox that is not on the allow-list"},
	ReasonAnchorNotAllowed:    {"anchor-not-allowed", ClassRefused, "X-AnchorMailbox names a mailbox that is not on the allow-list"},
	ReasonLoginNameInvalid:    {"login-name-invalid", ClassRefused, "the login name is not an address of a mailbox"},

	ReasonNTLM:          {"ntlm", ClassChallenged, "the proxy itself completes NTLM handshakes"},
	ReasonLoginRequired: {"login-required", ClassChallenged, "the request names no mailbox and has no login name"},

	ReasonProxyBusy:           {"proxy-busy", ClassFailed, "the memory for request bodies is in use: too many or too large requests at a time"},
	ReasonNoToken:             {"no-token", ClassFailed, "there is no access token yet"},
	ReasonUpstreamUnreachable: {"upstream-unreachable", ClassFailed, "no connection to Exchange"},
	ReasonUpstreamBroken:      {"upstream-broken", ClassFailed, "the connection to Exchange ended before a response came"},
	ReasonUpstreamCut:         {"upstream-cut", ClassFailed, "Exchange's response ended before it was complete"},
	ReasonUpstreamRedirect:    {"upstream-redirect", ClassFailed, "Exchange responded with a redirect, which is not followed"},
	ReasonUpstreamProtocol:    {"upstream-protocol", ClassFailed, "Exchange responded with an interim status"},
	ReasonUpstream401:         {"upstream-401", ClassFailed, "Exchange refused the access token"},
	ReasonUpstream407:         {"upstream-407", ClassFailed, "the proxy on the way to Exchange asks for credentials"},
	ReasonUpstream429:         {"upstream-429", ClassFailed, "Exchange, or a device in front of it, responded 429"},
	ReasonUpstream502:         {"upstream-502", ClassFailed, "Exchange, or a device in front of it, responded 502"},
	ReasonUpstream504:         {"upstream-504", ClassFailed, "Exchange, or a device in front of it, responded 504"},
	ReasonUpstreamNotEWS:      {"upstream-not-ews", ClassFailed, "the response is not one of Exchange Web Services"},

	ReasonUpstreamTimeout: {"upstream-timeout", ClassFailed, "Exchange did not respond in time; the request may have been executed"},
	ReasonProxyStopping:   {"proxy-stopping", ClassFailed, "hmaproxy is stopping and ends notification streams"},

	ReasonClientLeft: {"client-left", ClassClientLeft, "the client left before the response was complete"},
}

// String returns the Reason's word, "" for ReasonNone.
func (r Reason) String() string {
	if r < reasonCount {
		return reasons[r].word
	}
	return fmt.Sprintf("Reason(%d)", uint8(r))
}

// Class returns the class that r belongs to.
func (r Reason) Class() ReasonClass {
	if r < reasonCount {
		return reasons[r].class
	}
	return ClassFailed
}

// Text returns a human-readable sentence without a full stop. The Detail of a
// Record may be more specific.
func (r Reason) Text() string {
	if r < reasonCount {
		return reasons[r].text
	}
	return ""
}

// MarshalText returns the Reason's word.
func (r Reason) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText accepts the words that MarshalText returns.
func (r *Reason) UnmarshalText(word []byte) error {
	for i := range reasons {
		if reasons[i].word == string(word) {
			*r = Reason(i)
			return nil
		}
	}
	return fmt.Errorf("proxy: unknown reason %q", word)
}

// Reasons returns every Reason except ReasonNone.
func Reasons() []Reason {
	all := make([]Reason, 0, reasonCount-1)
	for r := ReasonNone + 1; r < reasonCount; r++ {
		all = append(all, r)
	}
	return all
}

// policyReasons maps the policy's reasons to the reasons of this package.
var policyReasons = map[policy.Reason]Reason{
	policy.MailboxNotAllowed:   ReasonMailboxNotAllowed,
	policy.NoMailbox:           ReasonNoMailbox,
	policy.OperationNotAllowed: ReasonOperationNotAllowed,
	policy.EnvelopeRefused:     ReasonEnvelopeRefused,
	policy.ReferenceNotAllowed: ReasonReferenceNotAllowed,
	policy.AnchorNotAllowed:    ReasonAnchorNotAllowed,
	policy.LoginRequired:       ReasonLoginRequired,
	policy.LoginNameInvalid:    ReasonLoginNameInvalid,
}

package token

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"hmaproxy/internal/lazyregexp"
)

// maxHostName is the length of the longest host name. The regular expression
// hostName does not contain it, because it would then take long to compile.
const maxHostName = 253

var (
	guid       = lazyregexp.New(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
	hostName   = lazyregexp.New(`^[0-9A-Za-z.-]+$`)
	aadstsText = lazyregexp.New(`^AADSTS([0-9]{4,9})\b`)
)

// oauthErrors are the error names that logs may show. They are the names of RFC
// 6749 section 5.2 and of Entra's documentation.
var oauthErrors = []string{"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type",
	"invalid_scope", "invalid_resource", "invalid_tenant", "access_denied", "interaction_required", "server_error", "temporarily_unavailable"}

// failure explains err, an error of MSAL. It does not use the text of err,
// because that text may contain the token.
func (rt *roundTrip) failure(err error) *Error {
	switch {
	case rt.foreignHost != "":
		return rt.foreignHostError()
	case rt.tooLarge:
		return rt.error(Transient, fmt.Sprintf("responded %d with more than %d bytes", rt.status, maxResponseBody))
	case rt.cut:
		return rt.error(Transient, fmt.Sprintf("responded %d with an incomplete body: %s", rt.status, describeNetwork(err)))
	case rt.status == 0:
		return &Error{Class: Transient, what: "connect to Entra: " + describeNetwork(err)}
	case rt.status == http.StatusOK:
		return rt.unreadable()
	default:
		return rt.refusal()
	}
}

func (rt *roundTrip) foreignHostError() *Error {
	e := &Error{Class: Configuration, what: "Entra's metadata names a token endpoint on another host than the authority's, and nothing was sent there"}
	if len(rt.foreignHost) <= maxHostName && hostName().MatchString(rt.foreignHost) {
		e.Remedy = "if the tenant lives in another cloud, set the authority to https://" + rt.foreignHost
	}
	return e
}

// error makes an error about Entra's response. Its text consists of the name of
// the endpoint and the argument "what", which says what the endpoint did.
func (rt *roundTrip) error(class Class, what string) *Error {
	subject := "Entra's metadata endpoint "
	if rt.posted {
		subject = "Entra's token endpoint "
	}
	return &Error{Class: class, Status: rt.status, what: subject + what, RetryAfter: rt.retryAfter(), date: rt.serverDate(), skew: rt.skew()}
}

// unreadable explains a response 200 that MSAL could not use.
func (rt *roundTrip) unreadable() *Error {
	var response map[string]json.RawMessage
	switch {
	case json.Unmarshal(rt.body, &response) != nil:
		e := rt.error(Transient, "responded 200 with something that is not a JSON object")
		e.Remedy = "look for a proxy or captive portal between this machine and Entra"
		return e
	case !rt.posted:
		return rt.error(Configuration, "responded 200, but its issuer or endpoints are not usable; check the authority")
	case response["access_token"] == nil:
		return rt.error(Transient, "responded 200 without an access token")
	case response["expires_in"] == nil && response["expires_on"] == nil:
		return rt.error(Transient, "responded 200 without the token's lifetime")
	default:
		return rt.error(Transient, "responded 200 with a field of an unexpected kind, or for another scope than the requested one")
	}
}

// refusal explains a response other than 200.
func (rt *roundTrip) refusal() *Error {
	var response struct {
		Error         string `json:"error"`
		Description   string `json:"error_description"`
		Codes         []int  `json:"error_codes"`
		CorrelationID string `json:"correlation_id"`
	}
	if json.Unmarshal(rt.body, &response) != nil {
		response.Codes = nil
	}
	// Entra's refusals are JSON objects as in RFC 6749 section 5.2. Other
	// responses come from a captive portal, a proxy or a firewall. Such a
	// device may let the next request through.
	if response.Error == "" || rt.status < http.StatusBadRequest {
		return rt.foreignResponse()
	}
	code := pickCode(response.Codes, response.Description)
	name := response.Error
	if !slices.Contains(oauthErrors, name) {
		name = ""
	}
	e := rt.error(classify(rt.status, code, name), describeRefusal(rt.status, code, name))
	e.AADSTS = code
	e.Remedy = remedyFor(code)
	if guid().MatchString(response.CorrelationID) {
		e.CorrelationID = response.CorrelationID
	}
	return e
}

// foreignResponse explains a response other than 200 that did not come from Entra.
func (rt *roundTrip) foreignResponse() *Error {
	e := rt.error(Transient, "responded "+strconv.Itoa(rt.status)+" without an error of Entra's")
	e.Foreign = true
	switch {
	case rt.status == http.StatusProxyAuthRequired:
		e.Remedy = "the HTTP proxy asks for credentials"
	case rt.status < http.StatusBadRequest:
		e.Remedy = "redirects are not followed: look for a proxy or captive portal between this machine and Entra, and check the authority"
	case rt.status < http.StatusInternalServerError && rt.status != http.StatusTooManyRequests && rt.status != http.StatusRequestTimeout:
		e.Remedy = "look for a proxy, captive portal or firewall between this machine and Entra, and check the authority"
	}
	return e
}

// panicked explains a panic of a library.
func (rt *roundTrip) panicked(p *panicError) *Error {
	what := "a library panicked before Entra responded: " + p.kind
	if rt.status != 0 {
		what = "a library panicked after Entra responded " + strconv.Itoa(rt.status) + ": " + p.kind
	}
	return &Error{Class: Transient, Status: rt.status, what: what, date: rt.serverDate(), skew: rt.skew()}
}

// pickCode returns the first code that Explain knows, or else the first code.
// If codes is empty, pickCode takes the code from the beginning of the
// description. It uses no other part of the description.
func pickCode(codes []int, description string) int {
	for _, code := range codes {
		if _, _, known := Explain(code); known {
			return code
		}
	}
	if len(codes) > 0 {
		return max(codes[0], 0)
	}
	if m := aadstsText().FindStringSubmatch(description); m != nil {
		code, _ := strconv.Atoi(m[1])
		return code
	}
	return 0
}

func classify(status, code int, oauth string) Class {
	switch {
	case status == http.StatusRequestTimeout, status == http.StatusTooManyRequests, status >= 500:
		return Transient
	case classOf(code) != "":
		return classOf(code)
	case oauth == "temporarily_unavailable", oauth == "server_error":
		return Transient
	default:
		return Configuration
	}
}

func describeRefusal(status, code int, oauth string) string {
	s := "responded " + strconv.Itoa(status)
	switch {
	case code != 0:
		s += fmt.Sprintf(" with AADSTS%d", code)
	case oauth != "":
		s += " with " + oauth
	}
	if meaning, _, ok := Explain(code); ok {
		s += ": " + meaning
	}
	return s
}

func remedyFor(code int) string {
	if _, remedy, ok := Explain(code); ok {
		return remedy
	}
	if code != 0 {
		return fmt.Sprintf("look up AADSTS%d at https://login.microsoftonline.com/error", code)
	}
	return ""
}

package token

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A mistaken header must not keep a healthy Entra unused for a day.
const maxRetryAfter = 15 * time.Minute

var (
	guid       = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
	hostName   = regexp.MustCompile(`^[0-9A-Za-z.-]{1,253}$`)
	aadstsText = regexp.MustCompile(`^AADSTS([0-9]{4,9})\b`)
)

// OAuth error names that may be repeated: RFC 6749 section 5.2 and Entra's own.
var oauthErrors = []string{"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type",
	"invalid_scope", "invalid_resource", "invalid_tenant", "access_denied", "interaction_required", "server_error", "temporarily_unavailable"}

// failure explains err, which MSAL returned. Only the kind of err counts: its text
// may hold the token.
func (x *exchange) failure(err error) *Error {
	switch {
	case x.astray != "":
		return x.astrayError()
	case x.tooLarge:
		return x.error(Transient, fmt.Sprintf("answered %d with more than %d bytes", x.status, maxResponseBody))
	case x.cut:
		return x.error(Transient, fmt.Sprintf("answered %d, but before its end %s", x.status, describeNetwork(err)))
	case x.status == 0:
		return &Error{Class: Transient, what: "connect to Entra: " + describeNetwork(err)}
	case x.status == http.StatusOK:
		return x.unreadable()
	default:
		return x.refusal()
	}
}

func (x *exchange) astrayError() *Error {
	e := &Error{Class: Configuration, what: "Entra's metadata names a token endpoint on another host than the authority's, and nothing was sent there"}
	if hostName.MatchString(x.astray) {
		e.Remedy = "if the tenant lives in another cloud, set the authority to https://" + x.astray
	}
	return e
}

// error makes an error about Entra's answer. what continues "Entra's token endpoint …".
func (x *exchange) error(class Class, what string) *Error {
	leg := "Entra's metadata endpoint "
	if x.posted {
		leg = "Entra's token endpoint "
	}
	return &Error{Class: class, Status: x.status, what: leg + what, RetryAfter: x.retryAfter(), date: x.serverDate(), skew: x.skew()}
}

// unreadable explains a 200 that MSAL rejected.
func (x *exchange) unreadable() *Error {
	var answer map[string]json.RawMessage
	switch {
	case json.Unmarshal(x.body, &answer) != nil:
		e := x.error(Transient, "answered 200 with something that is not a JSON object")
		e.Remedy = "look for a proxy or captive portal between this machine and Entra"
		return e
	case !x.posted:
		return x.error(Configuration, "answered 200, but its issuer or endpoints are not usable; check the authority")
	case answer["access_token"] == nil:
		return x.error(Transient, "answered 200 without an access token")
	case answer["expires_in"] == nil && answer["expires_on"] == nil:
		return x.error(Transient, "answered 200 without the token's lifetime")
	default:
		return x.error(Transient, "answered 200 with a field of an unexpected kind, or for another scope than the requested one")
	}
}

// refusal explains an answer other than 200.
func (x *exchange) refusal() *Error {
	var answer struct {
		Error         string `json:"error"`
		Description   string `json:"error_description"`
		Codes         []int  `json:"error_codes"`
		CorrelationID string `json:"correlation_id"`
	}
	if json.Unmarshal(x.body, &answer) != nil {
		answer.Codes = nil // a proxy's page, say
	}
	code := pickCode(answer.Codes, answer.Description)
	name := answer.Error
	if !slices.Contains(oauthErrors, name) {
		name = ""
	}
	e := x.error(classify(x.status, code, name), describeRefusal(x.status, code, name))
	e.AADSTS = code
	e.Remedy = remedyFor(x.status, code)
	if guid.MatchString(answer.CorrelationID) {
		e.CorrelationID = answer.CorrelationID
	}
	return e
}

// pickCode returns the code that says most. Descriptions are read for the number
// alone, where a service gives no list.
func pickCode(codes []int, description string) int {
	for _, code := range codes {
		if _, _, known := Explain(code); known {
			return code
		}
	}
	if len(codes) > 0 {
		return max(codes[0], 0)
	}
	if m := aadstsText.FindStringSubmatch(description); m != nil {
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
	s := "answered " + strconv.Itoa(status)
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

func remedyFor(status, code int) string {
	if _, remedy, ok := Explain(code); ok {
		return remedy
	}
	switch {
	case code != 0:
		return fmt.Sprintf("look up AADSTS%d at https://login.microsoftonline.com/error", code)
	case 300 <= status && status < 400:
		return "redirects are not followed: check the authority, and look for a proxy or captive portal"
	case status == http.StatusProxyAuthRequired:
		return "the HTTP proxy asks for credentials"
	default:
		return ""
	}
}

// retryAfter returns what the header asks for (RFC 9110 section 10.2.3: seconds
// or a date, which is by the server's clock), within bounds.
func (x *exchange) retryAfter() time.Duration {
	value := strings.TrimSpace(x.header.Get("Retry-After"))
	if seconds, err := strconv.ParseUint(value, 10, 32); err == nil {
		return min(time.Duration(seconds)*time.Second, maxRetryAfter)
	}
	date, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	now := x.serverDate()
	if now.IsZero() {
		now = x.received
	}
	return min(max(date.Sub(now), 0), maxRetryAfter)
}

// describeNetwork says why no answer came, in words that no peer can choose.
func describeNetwork(err error) string {
	var (
		dns       *net.DNSError
		op        *net.OpError
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		verify    *tls.CertificateVerificationError
		invalid   x509.CertificateInvalidError
		record    tls.RecordHeaderError
		alert     tls.AlertError
		timeout   interface{ Timeout() bool }
	)
	switch {
	case errors.As(err, &dns):
		return fmt.Sprintf("look up %q: %s", dns.Name, dnsReason(dns))
	case errors.As(err, &authority):
		return "TLS: the certificate was issued by an authority that is not trusted here; a TLS-inspecting proxy needs its root among the trusted ones"
	case errors.As(err, &host):
		return "TLS: the certificate is for another host"
	case errors.As(err, &invalid):
		return "TLS: the certificate is not valid; check this machine's clock and its trusted roots"
	case errors.As(err, &verify):
		return "TLS: the certificate was not verified"
	case errors.As(err, &record):
		return "TLS: the peer does not speak TLS"
	case errors.As(err, &alert):
		return "TLS: " + alert.Error()
	case proxyStatus(err) != 0:
		return fmt.Sprintf("the HTTP proxy answered %d %s", proxyStatus(err), http.StatusText(proxyStatus(err)))
	case errors.As(err, &op) && op.Op == "proxyconnect":
		return "connect to the HTTP proxy: " + describeOp(op)
	case errors.As(err, &timeout) && timeout.Timeout():
		return "timed out"
	case errors.As(err, &op):
		return describeOp(op)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was cut"
	default:
		return "the connection broke or what came was not HTTP"
	}
}

// proxyStatus returns the status with which an HTTP proxy refused CONNECT: all that
// net/http keeps of that answer is the status line's text.
func proxyStatus(err error) int {
	var u *url.Error
	if !errors.As(err, &u) {
		return 0
	}
	for _, status := range []int{400, 401, 403, 404, 405, 407, 429, 500, 502, 503, 504} {
		if strings.EqualFold(u.Err.Error(), http.StatusText(status)) {
			return status
		}
	}
	return 0
}

func dnsReason(err *net.DNSError) string {
	switch {
	case err.IsNotFound:
		return "no such host"
	case err.IsTimeout:
		return "timed out"
	default:
		return "the name server failed"
	}
}

func describeOp(op *net.OpError) string {
	s := op.Op
	if op.Addr != nil {
		s += " " + op.Addr.String()
	}
	var errno syscall.Errno
	if errors.As(op.Err, &errno) {
		s += ": " + errno.Error()
	}
	return s
}

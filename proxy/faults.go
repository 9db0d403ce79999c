package proxy

import (
	"cmp"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"hmaproxy/proxy/ews"
	"hmaproxy/proxy/internal/body"
	"hmaproxy/proxy/policy"
)

// soapContentType is the Content-Type that every EWS client accepts. DavMail
// compares the whole value.
const soapContentType = "text/xml; charset=utf-8"

// Response codes of the proxy's own faults, in addition to the codes of the
// policy.
const (
	codeBusy      = ews.ErrorServerBusy
	codeTransient = ews.ErrorInternalServerTransientError
)

// faultStrings are Exchange's own texts. DavMail recognises throttling by the text
// of codeBusy.
var faultStrings = map[ews.ResponseCode]string{
	ews.ErrorImpersonateUserDenied:                  "The account does not have permission to impersonate the requested user.",
	ews.ErrorInvalidExchangeImpersonationHeaderData: "ExchangeImpersonation SOAP header must be present for this type of OAuth token.",
	ews.ErrorAccessDenied:                           "Access is denied. Check credentials and try again.",
	ews.ErrorSchemaValidation:                       "The request failed schema validation.",
	ews.ErrorInternalServerError:                    "An internal server error occurred. The operation failed.",
	ews.ErrorMessageSizeExceeded:                    "The message exceeds the maximum supported size.",
	codeBusy:                                        "The server cannot service this request right now. Try again later.",
	codeTransient:                                   "An internal server error occurred. Try again later.",
}

// A problem is a response of the proxy itself, and the reason why the client
// gets it.
type problem struct {
	form   form
	status int              // HTTP status, for all forms except soapFault
	code   ews.ResponseCode // response code, for soapFault
	reason Reason
	detail string        // human-readable text that replaces reason.Text(); contains no data of the client or the allow-list
	hint   string        // further detail, only for the Record
	text   string        // body of a response that is not a SOAP fault; "": the detail, or no body if there is no reason
	wait   time.Duration // back-off for codeBusy; zero: the constant backOff
	prompt bool          // the response is sent without the delay for clients that repeat a request
	err    error         // error for the log

	challenge string // value of WWW-Authenticate
}

// A form is the kind of HTTP response that reports a problem to the client.
type form uint8

const (
	soapFault     form = iota // 500 with a SOAP fault; 503 with text if the request is not a POST
	plainText                 // a status with text
	closingText               // a status with text; closes the connection unless the request is a POST that can be drained
	malformedText             // a status with text; closes the connection, because the end of the request cannot be determined reliably
)

// refused returns the response to a request that the policy refuses.
func refused(r *policy.Refusal) *problem {
	if r.Reason == policy.LoginRequired {
		return challenged(policyReasons[r.Reason], r.Detail)
	}
	return &problem{code: r.Reason.Code(), reason: policyReasons[r.Reason], detail: r.Detail}
}

// rejected returns the response to a request that the checks refuse.
func rejected(status int, reason Reason) *problem {
	return &problem{form: closingText, status: status, reason: reason}
}

// malformed returns the response to a request that is not well-formed or has an
// HTTP version that is not supported.
func malformed(status int, reason Reason) *problem {
	return &problem{form: malformedText, status: status, reason: reason}
}

// challenged returns the response that asks for Basic credentials. Call it only
// when the client must authenticate.
func challenged(reason Reason, detail string) *problem {
	return &problem{
		form: plainText, status: http.StatusUnauthorized, reason: reason, detail: detail,
		text: "hmaproxy: credentials are required", challenge: `Basic realm="hmaproxy", charset="UTF-8"`,
	}
}

// probeResponse returns the response to a GET of the endpoint. The GET is not
// sent to Exchange.
func probeResponse() *problem {
	return &problem{form: plainText, status: http.StatusOK, text: "hmaproxy: POST SOAP requests to " + endpointPath}
}

// failed returns the response to a failure on the way to Exchange.
func failed(code ews.ResponseCode, reason Reason, err error) *problem {
	return &problem{code: code, reason: reason, err: err}
}

// proxyBusy returns the response to a request for which there is not enough
// memory or processor time. The back-off times vary, so that the clients do not
// all retry at the same moment. detail may be "".
func proxyBusy(detail string) *problem {
	p := failed(codeBusy, ReasonProxyBusy, nil)
	p.detail, p.wait = detail, backOff/2+rand.N(backOff)
	return p
}

// withoutSlot returns the response on a connection that has lost its slot: the
// listener closes the connection to make room for another one. The response is
// sent without a delay, because a delay would keep the connection open.
func withoutSlot() *problem {
	p := proxyBusy("all connections are in use, and this one had waited for its client or came too late")
	p.prompt = true
	return p
}

// noRoom returns the response to a request whose body could not be read. Either
// there was no memory for the body, or the connection had lost its slot.
func noRoom(err error) *problem {
	if body.IsBusy(err) {
		return withoutSlot()
	}
	return proxyBusy("")
}

// The parts of a SOAP fault. They have the structure of Exchange's own faults:
// the fault code and MessageXml are in the types namespace, ResponseCode and
// Message are in the errors namespace.
const (
	faultOpen = `<?xml version="1.0" encoding="utf-8"?>` +
		`<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault>` +
		`<faultcode xmlns:a="http://schemas.microsoft.com/exchange/services/2006/types">a:`
	faultText   = `</faultcode><faultstring xml:lang="en-US">`
	faultDetail = `</faultstring><detail>` +
		`<e:ResponseCode xmlns:e="http://schemas.microsoft.com/exchange/services/2006/errors">`
	faultMessage = `</e:ResponseCode>` +
		`<e:Message xmlns:e="http://schemas.microsoft.com/exchange/services/2006/errors">`
	faultBackOff = `<t:MessageXml xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types">` +
		`<t:Value Name="BackOffMilliseconds">`
	faultClose = `</detail></s:Fault></s:Body></s:Envelope>`
)

// escaper escapes a text for the XML of a fault.
var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// fault returns the SOAP fault for a request with the given id.
func (p *problem) fault(detail, id string) string {
	var b strings.Builder
	message := escaper.Replace(faultStrings[p.code] + " (hmaproxy: " + p.reason.String() + ": " + detail + "; request " + id + ")")
	for _, s := range [...]string{
		faultOpen, string(p.code), faultText, faultStrings[p.code], faultDetail, string(p.code),
		faultMessage, message, `</e:Message>`,
	} {
		b.WriteString(s)
	}
	if p.code == codeBusy {
		b.WriteString(faultBackOff + strconv.FormatInt(p.backOff().Milliseconds(), 10) + `</t:Value></t:MessageXml>`)
	}
	b.WriteString(faultClose)
	return b.String()
}

// backOff returns how long the client should wait before it retries.
func (p *problem) backOff() time.Duration { return cmp.Or(p.wait, backOff) }

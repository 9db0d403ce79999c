package proxy

import (
	"cmp"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"hmaproxy/proxy/ews"
	"hmaproxy/proxy/policy"
)

// soapContentType is what every EWS client expects of a response, DavMail to
// the letter.
const soapContentType = "text/xml; charset=utf-8"

// Response codes of the proxy's own faults in addition to the policy's.
const (
	codeBusy      = ews.ErrorServerBusy
	codeTransient = ews.ErrorInternalServerTransientError
)

// faultStrings are Exchange's own texts: DavMail recognises throttling by them.
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

// A problem is a response of the proxy's own and says why the client gets it
// instead of one of Exchange's.
type problem struct {
	form   form
	status int              // HTTP status, for all forms but soapFault
	code   ews.ResponseCode // for soapFault
	reason Reason
	detail string        // text for people, in place of reason.Text(); holds nothing of the client or the allow-list
	hint   string        // more of the detail, for the Record only
	text   string        // body of the response, in place of the detail
	wait   time.Duration // back-off, for codeBusy; zero: backOff
	err    error         // for the log

	challenge string // WWW-Authenticate
	malformed bool   // the request cannot be trusted to end where it says
}

// A form is how a problem is written.
type form uint8

const (
	soapFault   form = iota // 500 with a SOAP fault; 503 with text unless the request is a POST
	plainText               // status and text
	closingText             // the same; the connection is closed unless the request is a well-formed POST that can be drained
)

// refused is the response to what the policy refuses.
func refused(r *policy.Refusal) *problem {
	if r.Reason == policy.LoginRequired {
		return challenged(policyReasons[r.Reason], r.Detail)
	}
	return &problem{code: r.Reason.Code(), reason: policyReasons[r.Reason], detail: r.Detail}
}

// rejected is the response to what the checks refuse.
func rejected(status int, reason Reason) *problem {
	return &problem{form: closingText, status: status, reason: reason}
}

// malformed is the response to a request that is not well-formed.
func malformed(status int, reason Reason) *problem {
	return &problem{form: closingText, status: status, reason: reason, malformed: true}
}

// challenged asks for Basic credentials. Only clients that need some are asked.
func challenged(reason Reason, detail string) *problem {
	return &problem{
		form: plainText, status: http.StatusUnauthorized, reason: reason, detail: detail,
		text: "hmaproxy: credentials are required", challenge: `Basic realm="hmaproxy", charset="UTF-8"`,
	}
}

// probeResponse is the response to a GET of the endpoint. It is not sent to
// Exchange.
func probeResponse() *problem {
	return &problem{form: plainText, status: http.StatusOK, text: "hmaproxy: POST SOAP requests to " + endpointPath}
}

// failed is the response to a failure on the way to Exchange.
func failed(code ews.ResponseCode, reason Reason, err error) *problem {
	return &problem{code: code, reason: reason, err: err}
}

// proxyBusy is the response to a request for which there is no memory or no time.
// The waits that clients are asked for differ, so that they do not all come again
// in the same moment. detail may be "".
func proxyBusy(detail string) *problem {
	p := failed(codeBusy, ReasonProxyBusy, nil)
	p.detail, p.wait = detail, backOff/2+rand.N(backOff)
	return p
}

// The shape is that of Exchange's faults: fault code in the types namespace,
// detail in the errors namespace, MessageXml in types.
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

// escaper escapes texts in the fault.
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

// backOff is how long the client is asked to wait.
func (p *problem) backOff() time.Duration { return cmp.Or(p.wait, backOff) }

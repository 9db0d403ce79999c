package proxy

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"hmaproxy/proxy/ews"
	"hmaproxy/proxy/policy"
)

// soapContentType is what every EWS client expects of an answer, DavMail to
// the letter.
const soapContentType = "text/xml; charset=utf-8"

// Response codes of the proxy's own errors beyond the policy's.
const (
	codeBusy      = ews.ErrorServerBusy
	codeTransient = ews.ErrorInternalServerTransientError
)

// faultStrings are Exchange's own words: DavMail knows throttling by them.
var faultStrings = map[ews.ResponseCode]string{
	ews.ErrorImpersonateUserDenied:                  "The account does not have permission to impersonate the requested user.",
	ews.ErrorInvalidExchangeImpersonationHeaderData: "ExchangeImpersonation SOAP header must be present for this type of OAuth token.",
	ews.ErrorAccessDenied:                           "Access is denied. Check credentials and try again.",
	ews.ErrorSchemaValidation:                       "The request failed schema validation.",
	codeBusy:                                        "The server cannot service this request right now. Try again later.",
	codeTransient:                                   "An internal server error occurred. Try again later.",
}

// A failure is an error of the proxy's own as a client gets it.
type failure struct {
	code   ews.ResponseCode
	reason Reason        // X-Hmaproxy-Error
	detail string        // for a person: constant text, none of the list and none of the client's data
	wait   time.Duration // back-off, for codeBusy
	err    error         // for the log
}

// The shape is the one of Exchange's faults on the wire: fault code in the
// types namespace, detail in the errors namespace, MessageXml in types.
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

// escaper guards the fault against texts that one day hold markup.
var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// body writes the SOAP fault.
func (f *failure) body(id string) string {
	var b strings.Builder
	message := escaper.Replace(faultStrings[f.code] + " (hmaproxy: " + f.reason.String() + ": " + f.detail + "; request " + id + ")")
	for _, s := range [...]string{
		faultOpen, string(f.code), faultText, faultStrings[f.code], faultDetail, string(f.code),
		faultMessage, message, `</e:Message>`,
	} {
		b.WriteString(s)
	}
	if f.code == codeBusy {
		b.WriteString(faultBackOff + strconv.FormatInt(f.wait.Milliseconds(), 10) + `</t:Value></t:MessageXml>`)
	}
	b.WriteString(faultClose)
	return b.String()
}

// fail answers with a fault, to a SOAP request, or with a plain status.
func (x *exchange) fail(f *failure) {
	if f.code == codeBusy && f.wait == 0 {
		f.wait = backOff
	}
	x.record.Reason, x.record.Detail = f.reason, f.detail
	if f.err != nil {
		x.record.Err = f.err
	}
	header := x.w.Header()
	if x.r.Method == http.MethodPost && !x.body.drain() {
		header.Set("Connection", "close")
	}
	header.Set("X-Hmaproxy-Error", f.reason.String())
	header.Set("Request-Id", x.record.ID)
	if f.code == codeBusy {
		header.Set("Retry-After", strconv.Itoa(int((f.wait+time.Second-1)/time.Second)))
	}
	if x.r.Method != http.MethodPost {
		x.plain(http.StatusServiceUnavailable, "hmaproxy: "+f.detail)
		return
	}
	header.Set("Content-Type", soapContentType)
	x.reply(http.StatusInternalServerError, f.body(x.record.ID))
}

// refuse answers with the policy's refusal.
func (x *exchange) refuse(r *policy.Refusal) {
	if r.Reason == policy.LoginRequired {
		x.record.Reason, x.record.Detail = policyReasons[r.Reason], r.Detail
		x.challenge()
		return
	}
	x.fail(&failure{code: r.Reason.Code(), reason: policyReasons[r.Reason], detail: r.Detail})
}

// deny answers for the guard and ends the connection.
func (x *exchange) deny(d *denial) {
	x.record.Reason, x.record.Detail = d.reason, d.text
	header := x.w.Header()
	header.Set("X-Hmaproxy-Error", d.reason.String())
	header.Set("Request-Id", x.record.ID)
	header.Set("Connection", "close")
	if d.status == http.StatusMethodNotAllowed {
		header.Set("Allow", "POST, GET, HEAD")
	}
	if x.body.err == nil { // net/http reads a part of the body before it closes, without a bound of its own
		_ = x.rc.SetReadDeadline(time.Now().Add(drainTime))
	}
	x.plain(d.status, "hmaproxy: "+d.text)
}

// challenge asks for Basic credentials; only clients that must have some are
// ever asked.
func (x *exchange) challenge() {
	header := x.w.Header()
	if x.r.Method == http.MethodPost && !x.body.drain() {
		header.Set("Connection", "close")
	}
	header.Set("WWW-Authenticate", `Basic realm="hmaproxy", charset="UTF-8"`)
	header.Set("X-Hmaproxy-Error", x.record.Reason.String())
	header.Set("Request-Id", x.record.ID)
	x.plain(http.StatusUnauthorized, "hmaproxy: credentials are required")
}

func (x *exchange) plain(status int, text string) {
	x.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	x.w.Header().Set("X-Content-Type-Options", "nosniff")
	x.reply(status, text+"\n")
}

// reply writes a whole answer of the proxy's own.
func (x *exchange) reply(status int, body string) {
	x.w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	x.record.Status = status
	x.w.WriteHeader(status)
	if x.r.Method == http.MethodHead {
		return
	}
	n, _ := x.w.Write([]byte(body))
	x.record.BytesOut += int64(n)
}

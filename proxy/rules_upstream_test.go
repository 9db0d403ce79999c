package proxy_test

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"hmaproxy/proxy"
)

const expectation = "100-continue"

// sized returns a valid request of exactly n bytes.
func sized(n int) []byte {
	doc := string(envelope("alice@contoso.com", createItem(8)))
	return []byte(strings.Replace(doc, "QUJDREVG", strings.Repeat("QUJDREVG", n/8)[:n-len(doc)+8], 1))
}

// forwardRules are the rules of the section Forward of docs/design.md.
func forwardRules() (rules []rule) {
	long := post(sized(300 << 10))
	stream := func(parts ...string) func(int, *sent) response {
		return always(response{
			raw:   "HTTP/1.1 200 OK\r\nContent-Type: text/xml; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n",
			parts: parts, pause: 10 * time.Minute,
		})
	}
	chunk := func(text string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(text), text) }
	events := post(envelope("alice@contoso.com", "<m:GetStreamingEvents/>"))
	streamed := want{status: 200, sent: 1, conn: "kept"}.and(func(r *result) string {
		if r.body != "<Envelope><one/><two/></Envelope>" {
			return "the client got " + r.body
		}
		return ""
	})
	refusing := func(status int, then response) func(int, *sent) response {
		return func(attempt int, s *sent) response {
			if s.value("Expect") == "" {
				return then
			}
			r := soapResponse(status, "<no/>", "Content-Type: text/html")
			r.early, r.hangUp = true, true
			return r
		}
	}
	return []rule{
		{name: "Streaming/a response of half an hour", request: events, reply: stream(chunk("<Envelope><one/>"), chunk("<two/>"), chunk("</Envelope>")+"0\r\n\r\n"),
			all: streamed.and(took(30*time.Minute), firstByteAfter(10*time.Minute))},
		{name: "Streaming/each part at once", request: post(valid), reply: stream(chunk("<Envelope><one/>")+chunk("<two/>"), chunk("</Envelope>"), "0\r\n\r\n"),
			all: streamed.and(took(30*time.Minute), firstByteAfter(10*time.Minute))},
		{name: "Streaming/thinking for half an hour", request: post(valid), reply: always(response{raw: soapResponse(200, okDocument).raw, delay: 30 * time.Minute}), all: forwarded(took(30 * time.Minute))},
		{name: "Encoding/gzip passes", request: post(valid, "Accept-Encoding: gzip"), reply: always(soapResponse(200, "\x1f\x8b\x08", "Content-Encoding: gzip")),
			all: want{status: 200, sent: 1, conn: "kept"}.and(headerSent("Accept-Encoding", "gzip"), responded("Content-Encoding", "gzip"), func(r *result) string {
				if r.body != "\x1f\x8b\x08" {
					return "the body was decoded"
				}
				return ""
			})},
		{name: "Encoding/none is asked for", request: post(valid), all: forwarded(headerSent("Accept-Encoding", ""))},
		{name: "Framing/Content-Length", request: post(valid), open: forwarded(headerSent("Content-Length", fmt.Sprint(len(valid))), headerSent("Transfer-Encoding", ""))},
		{name: "Expect/256 KiB are buffered", request: post(sized(256 << 10)), all: forwarded(bodyKept, headerSent("Expect", ""))},
		{name: "Expect/a byte more is not", request: post(sized(256<<10 + 1)), all: forwarded(bodyKept, headerSent("Expect", expectation))},
		{name: "Expect/a byte more in chunks is not", request: post(sized(256<<10 + 1)).inChunks(), all: forwarded(bodyKept, headerSent("Expect", expectation))},
		{name: "Expect/417 means once more without it", request: long, reply: refusing(417, soapResponse(200, okDocument)), all: forwarded(bodyKept1, headerSentLast("Expect", ""))},
		{name: "Expect/a final status means once more without it", request: long, reply: refusing(503, soapResponse(200, okDocument)), all: forwarded(bodyKept1, headerSentLast("Expect", ""))},
		{name: "Expect/an upstream that refuses it is remembered", first: []request{long}, request: long, reply: refusing(417, soapResponse(200, okDocument)),
			all: want{status: 200, sent: 2, conn: "kept"}.and(attempts(3), headerSentLast("Expect", ""))},
		{name: "Unreachable/no connection", request: post(valid), config: failing(&net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}),
			all: faulted("ErrorServerBusy", "upstream-unreachable").and(backsOff(10))},
		{name: "Unreachable/no connection for a GET", request: get("/EWS/types.xsd"), config: failing(&net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}),
			all: want{status: 503, reason: "upstream-unreachable", conn: "kept"}.and(responded("Content-Type", "text/plain; charset=utf-8"), responded("Retry-After", "10"))},
		{name: "Broken/before its header", request: post(valid), reply: always(response{hangUp: true}), all: want{status: 500, reason: "upstream-broken", code: "ErrorInternalServerTransientError", sent: 1, conn: "kept"}},
		{name: "Broken/within its header", request: post(valid), reply: always(response{raw: "HTTP/1.1 200 OK\r\nContent-", hangUp: true}), all: want{status: 500, reason: "upstream-broken", code: "ErrorInternalServerTransientError", sent: 1, conn: "kept"}},
		{name: "Broken/before its header, long body", request: long, reply: always(response{hangUp: true}), all: want{status: 500, reason: "upstream-broken", code: "ErrorInternalServerTransientError", sent: 1, conn: "kept"}},
		{name: "Broken/within its body", request: post(valid), reply: always(response{raw: "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 100\r\n\r\n<half", hangUp: true}),
			all: want{status: anyStatus, recorded: "upstream-cut", sent: 1, conn: "closed"}.and(cut)},
		{name: "Broken/within a body in chunks", request: post(valid), reply: always(response{raw: "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n<half\r\n", hangUp: true}),
			all: want{status: anyStatus, recorded: "upstream-cut", sent: 1, conn: "closed"}.and(cut)},
	}
}

// bodyKept1 expects that the last attempt has the client's Body unchanged. It
// ignores the earlier attempts.
func bodyKept1(r *result) string {
	last := *r
	last.sent = r.sent[max(0, len(r.sent)-1):]
	return bodyKept(&last)
}

func cut(r *result) string {
	if r.status != 0 && !r.truncated {
		return "the client takes a part for the whole: " + r.body
	}
	return ""
}

func firstByteAfter(d time.Duration) func(*result) string {
	return func(r *result) string {
		if r.firstByte != d {
			return fmt.Sprintf("the first byte of the body came after %v, want %v", r.firstByte, d)
		}
		return ""
	}
}

// attempts expects a number of requests at Exchange, complete or not.
func attempts(n int) func(*result) string {
	return func(r *result) string {
		if len(r.sent) != n {
			return fmt.Sprintf("%d attempts, want %d", len(r.sent), n)
		}
		return ""
	}
}

func backsOff(seconds int) func(*result) string {
	return func(r *result) string {
		if text := mentions(fmt.Sprintf(`<t:Value Name="BackOffMilliseconds">%d</t:Value>`, seconds*1000))(r); text != "" {
			return text
		}
		return responded("Retry-After", fmt.Sprint(seconds))(r)
	}
}

type failingTransport struct{ err error }

func (f failingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		r.Body.Close()
	}
	return nil, f.err
}

func failing(err error) func(*proxy.Config) {
	return func(c *proxy.Config) { c.Transport = failingTransport{err} }
}

// upstream401Rules are the rules of the section Upstream401 of docs/design.md.
func upstream401Rules() []rule {
	refusal := soapResponse(401, "no", "WWW-Authenticate: Bearer error=\"invalid_token\"", `x-ms-diagnostics: 2000002;reason="The token has expired.";error_category="token_expired"`, "Content-Type: text/plain")
	forbidden := soapResponse(403, "no", "WWW-Authenticate: bearer realm=x", "Content-Type: text/plain")
	once := func(refusal response) func(int, *sent) response {
		return func(attempt int, s *sent) response {
			if s.value("Authorization") == "Bearer "+nextToken {
				return soapResponse(200, okDocument)
			}
			return refusal
		}
	}
	early := refusal
	early.early, early.hangUp = true, true
	replayed := forwarded(headerSentLast("Authorization", "Bearer "+nextToken), wasReplayed(true))
	final := want{status: 500, reason: "upstream-401", code: "ErrorServerBusy", conn: "kept"}.and(backsOff(10), mentions("the token has expired"), responded("WWW-Authenticate", ""))
	long := post(sized(300 << 10))
	return []rule{
		{name: "Replay/401", request: post(valid), reply: once(refusal), all: replayed.times(2).and(bodyKept)},
		{name: "Replay/401 of a NTLM challenge", request: post(valid), reply: once(soapResponse(401, "no", "WWW-Authenticate: NTLM")), all: replayed.times(2)},
		{name: "Replay/401 without a challenge", request: post(valid), reply: once(soapResponse(401, "no")), all: replayed.times(2)},
		{name: "Replay/403 with a bearer challenge", request: post(valid), reply: once(forbidden), all: replayed.times(2)},
		{name: "Replay/403 with a bearer challenge among others", request: post(valid), reply: once(soapResponse(403, "no", "WWW-Authenticate: NTLM", "WWW-Authenticate: Bearer")), all: replayed.times(2)},
		{name: "Replay/256 KiB", request: post(sized(256 << 10)), reply: once(refusal), all: replayed.times(2).and(bodyKept)},
		{name: "Replay/long body, refused before it was sent", request: long, reply: once(early), all: replayed.and(bodyKept1, attempts(2))},
		{name: "Replay/of a GET", request: get("/EWS/types.xsd"), reply: once(refusal), all: replayed.times(2)},
		{name: "Replay/only once", request: post(valid), reply: always(refusal), all: final.times(2).and(attempts(2), wasReplayed(true))},
		{name: "Replay/long body, only once", request: long, reply: always(early), all: want{status: 500, reason: "upstream-401", code: "ErrorServerBusy"}.and(attempts(2))},
		{name: "Final/without a refresher", request: post(valid), reply: always(refusal), config: func(c *proxy.Config) { c.Refresher = nil }, all: final.times(1).and(attempts(1), wasReplayed(false))},
		{name: "Final/no other token", request: post(valid), reply: always(refusal), config: func(c *proxy.Config) { c.Refresher = noReplacement{} }, all: final.times(1).and(attempts(1), wasReplayed(false))},
		{name: "Final/long body that was sent", request: long, reply: always(refusal), all: final.times(1).and(attempts(1), wasReplayed(false))},
		{name: "Final/of a GET", request: get("/EWS/types.xsd"), reply: always(refusal), all: want{status: 503, reason: "upstream-401", sent: 2, conn: "kept"}},
		{name: "Final/Retry-After passes", request: post(valid), reply: always(soapResponse(401, "", "Retry-After: 30")), all: want{status: 500, reason: "upstream-401", code: "ErrorServerBusy", sent: 2}.and(backsOff(30))},
		{name: "None/after a SOAP fault", request: post(valid), reply: always(soapResponse(500, okDocument)), all: want{status: 500, sent: 1, conn: "kept"}.and(wasReplayed(false))},
		{name: "None/after 403 without a challenge", request: post(valid), reply: always(soapResponse(403, okDocument)), all: want{status: anyStatus, reason: anyReason, code: anyCode, sent: 1}.and(wasReplayed(false))},
	}
}

func wasReplayed(yes bool) func(*result) string {
	return func(r *result) string {
		if r.record.Replayed != yes {
			return fmt.Sprintf("the record has replayed %v", r.record.Replayed)
		}
		return ""
	}
}

type noReplacement struct{}

func (noReplacement) Replace(context.Context, string) (string, error) {
	return "", errors.New("not now")
}

// responseRules are the rules of the section Response of docs/design.md.
func responseRules() (rules []rule) {
	relayed := func(status int, checks ...func(*result) string) want {
		return want{status: status, sent: 1, conn: "kept"}.and(checks...).and(func(r *result) string {
			if r.body != okDocument {
				return "the body changed"
			}
			return ""
		})
	}
	for _, status := range []int{200, 500, 503} {
		rules = append(rules, rule{name: fmt.Sprintf("Relayed/%d of text_xml", status), request: post(valid), reply: always(soapResponse(status, okDocument, "X-FEServer: EX1", "request-id: r-1")),
			all: relayed(status, responded("X-FEServer", "EX1"), responded("request-id", "r-1"), responded("Content-Type", "text/xml; charset=utf-8"))})
	}
	for _, line := range []string{
		"WWW-Authenticate: Negotiate", "WWW-Authenticate: Basic realm=x", "Access-Control-Allow-Origin: *", "access-control-allow-credentials: true", "Access-Control-Expose-Headers: x",
		"Strict-Transport-Security: max-age=1", "Alt-Svc: h2=\":443\"", "X-Echo: Bearer " + goodToken, "X-Echo: " + goodToken, "Location: https://evil.example/", "Refresh: 0",
		"Proxy-Authenticate: Basic", "Proxy-Authentication-Info: x", "Authentication-Info: x", "Authorization: Basic eDp5", "Proxy-Connection: keep-alive", "TE: trailers", "Keep-Alive: timeout=5", "Upgrade: h2c", "Trailer: X", "Set-Cookie: X-BEResource=evil~1", "Set-Cookie: X-AnonResource=true; path=/",
	} {
		name, _, _ := strings.Cut(line, ": ")
		rules = append(rules, rule{name: "Removed/" + strings.ReplaceAll(line, goodToken, "TOKEN"), request: post(valid), reply: always(soapResponse(200, okDocument, line)), all: forwarded(responded(name, ""))})
	}
	for _, c := range []struct{ name, cookie, relayed string }{
		{"plain", "exchangecookie=e1; expires=Thu, 31-Dec-2037 23:55:55 GMT; path=/; HttpOnly", "exchangecookie=e1; expires=Thu, 31-Dec-2037 23:55:55 GMT; HttpOnly; path=/"},
		{"Secure, Domain and path", "X-BackEndCookie=u@c.com=Ox8XKw==; path=/EWS; secure; HttpOnly; Domain=contoso.com", "X-BackEndCookie=u@c.com=Ox8XKw==; HttpOnly; path=/"},
		{"upper case", "LB=1; PATH=/x; SECURE; DOMAIN=.contoso.com", "LB=1; path=/"},
		{"without attributes", "LB=1", "LB=1; path=/"},
		{"without a name", "=1; path=/", ""},
		{"without a value", "LB; path=/", ""},
	} {
		rules = append(rules, rule{name: "Set-Cookie/" + c.name, request: post(valid), reply: always(soapResponse(200, okDocument, "Set-Cookie: "+c.cookie)), all: forwarded(responded("Set-Cookie", c.relayed))})
	}
	overTLS := post(valid)
	overTLS.tls = true
	rules = append(rules,
		rule{name: "Set-Cookie/over TLS keeps Secure", request: overTLS, reply: always(soapResponse(200, okDocument, "Set-Cookie: LB=1; Path=/x; Secure; Domain=contoso.com")), all: forwarded(responded("Set-Cookie", "LB=1; Secure; path=/"))},
		rule{name: "Removed/what Connection names", request: post(valid), reply: always(soapResponse(200, okDocument, "Connection: X-One, x-two", "X-One: 1", "X-Two: 2", "X-Three: 3")),
			all: forwarded(responded("X-One", ""), responded("X-Two", ""), responded("X-Three", "3"))},
		rule{name: "Spelling/as Exchange has it", request: post(valid), reply: always(soapResponse(200, okDocument, "X-FEServer: EX1", "request-id: r-1", "X-DiagInfo: D")),
			all: forwarded(spelled("X-FEServer: EX1", "request-id: r-1", "X-DiagInfo: D"))},
	)
	for _, status := range []int{300, 301, 302, 303, 304, 307, 308} {
		rules = append(rules, rule{name: fmt.Sprintf("Fault/%d", status), request: post(valid), reply: always(response{raw: fmt.Sprintf("HTTP/1.1 %d x\r\nLocation: https://evil.example/\r\nContent-Length: 0\r\n\r\n", status)}),
			all: want{status: 500, reason: "upstream-redirect", code: "ErrorInternalServerTransientError", sent: 1, conn: "kept"}.and(responded("Location", ""), responded("Retry-After", ""))})
	}
	for status, reason := range map[int]string{407: "upstream-407", 429: "upstream-429", 502: "upstream-502", 504: "upstream-504"} {
		for after, seconds := range map[string]int{"": 10, "7": 7, "100000": 300, "x": 10, "-5": 10, "0": 10, "Sat, 01 Jan 2000 00:01:00 GMT": 60, "Fri, 31 Dec 1999 23:00:00 GMT": 10, "Sun, 02 Jan 2000 00:00:00 GMT": 300} {
			rules = append(rules, rule{name: fmt.Sprintf("Fault/%d with Retry-After %s", status, after), request: post(valid), reply: always(soapResponse(status, "no", "Retry-After: "+after, "Content-Type: text/html")),
				all: want{status: 500, reason: reason, code: "ErrorServerBusy", sent: 1, conn: "kept"}.and(backsOff(seconds))})
		}
		rules = append(rules, rule{name: fmt.Sprintf("Fault/%d for a GET", status), request: get("/EWS/types.xsd"), reply: always(soapResponse(status, "no")), all: want{status: 503, reason: reason, sent: 1, conn: "kept"}})
	}
	page := "<html><title>Sign in</title></html>"
	for _, c := range []struct {
		name   string
		status int
		code   string
	}{
		{"200", 200, "ErrorServerBusy"}, {"201", 201, "ErrorServerBusy"}, {"400", 400, "ErrorServerBusy"}, {"403", 403, "ErrorServerBusy"}, {"404", 404, "ErrorInternalServerError"}, {"405", 405, "ErrorInternalServerError"},
		{"413", 413, "ErrorMessageSizeExceeded"}, {"414", 414, "ErrorServerBusy"}, {"440", 440, "ErrorServerBusy"}, {"500", 500, "ErrorServerBusy"}, {"501", 501, "ErrorInternalServerError"}, {"503", 503, "ErrorServerBusy"},
	} {
		rules = append(rules, rule{name: "Not EWS/" + c.name + " with a page", request: post(valid), reply: always(soapResponse(c.status, page, "Content-Type: text/html")),
			all: want{status: 500, reason: "upstream-not-ews", code: c.code, sent: 1, conn: "kept"}.and(hides("Sign in"))})
	}
	return append(rules,
		rule{name: "Not EWS/200 without a body", request: post(valid), reply: always(soapResponse(200, "")), all: want{status: 500, reason: "upstream-not-ews", code: "ErrorServerBusy", sent: 1, conn: "kept"}},
		rule{name: "Not EWS/200 without a media type", request: post(valid), reply: always(response{raw: "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n<Envelope/>"}), all: want{status: 500, reason: "upstream-not-ews", code: "ErrorServerBusy", sent: 1, conn: "kept"}},
		rule{name: "Not EWS/text_xml in another spelling is EWS", request: post(valid), reply: always(soapResponse(200, okDocument, "Content-Type: Text/XML;charset=UTF-8")), all: forwarded()},
		rule{name: "Not EWS/a GET may have any media type", request: get("/EWS/Services.wsdl"), reply: always(soapResponse(200, okDocument, "Content-Type: application/octet-stream")), all: forwarded()},
	)
}

func hides(text string) func(*result) string {
	return func(r *result) string {
		if strings.Contains(r.body, text) {
			return "the client gets " + text
		}
		return ""
	}
}

// spelled expects these exact header lines in the response.
func spelled(lines ...string) func(*result) string {
	return func(r *result) string {
		for _, line := range lines {
			found := false
			for _, got := range r.lines {
				found = found || got == line
			}
			if !found {
				return fmt.Sprintf("the client does not get %q in %q", line, r.lines)
			}
		}
		return ""
	}
}

// errorRules are the rules of the section Errors of docs/design.md, about the
// form of faults.
func errorRules() []rule {
	bob := post(envelope("bob@contoso.com", getFolder))
	return []rule{
		{name: "Shape/mailbox not allowed", request: bob, list: faulted("ErrorImpersonateUserDenied", "mailbox-not-allowed").and(shape("ErrorImpersonateUserDenied", -1), hides("bob"), hides("alice"))},
		{name: "Shape/no mailbox named", request: post(headed()), list: faulted("ErrorInvalidExchangeImpersonationHeaderData", "no-mailbox").and(shape("ErrorInvalidExchangeImpersonationHeaderData", -1))},
		{name: "Shape/operation not allowed", request: post(enveloped(impersonation, "<m:AddDelegate/>")), list: faulted("ErrorAccessDenied", "operation-not-allowed").and(shape("ErrorAccessDenied", -1))},
		{name: "Shape/envelope refused", request: post([]byte("<x/>")), list: faulted("ErrorSchemaValidation", "envelope-refused").and(shape("ErrorSchemaValidation", -1))},
		{name: "Shape/busy", request: post(valid), reply: always(soapResponse(429, "", "Retry-After: 7")), all: want{status: 500, reason: "upstream-429", code: "ErrorServerBusy", sent: 1, conn: "kept"}.and(shape("ErrorServerBusy", 7000))},
		{name: "Shape/transient", request: post(valid), reply: always(response{hangUp: true}), all: want{status: 500, reason: "upstream-broken", code: "ErrorInternalServerTransientError", sent: 1, conn: "kept"}.and(shape("ErrorInternalServerTransientError", -1))},
		{name: "Shape/long request", request: post(envelope("bob@contoso.com", createItem(2<<20))), list: faulted("ErrorImpersonateUserDenied", "mailbox-not-allowed").and(shape("ErrorImpersonateUserDenied", -1))},
		{name: "Shape/request in chunks", request: bob.inChunks(), list: faulted("ErrorImpersonateUserDenied", "mailbox-not-allowed").and(shape("ErrorImpersonateUserDenied", -1))},
		{name: "Drain/65 MiB are not drained", request: post(make([]byte, 65<<20), "Content-Type: text/plain"), list: faulted("ErrorSchemaValidation", "envelope-refused").closed().withoutUsers()},
	}
}

// shape expects a fault that every EWS client library understands. backOff is in
// milliseconds, -1 for none.
func shape(code string, backOff int) func(*result) string {
	return func(r *result) string {
		if got := r.header.Get("Content-Type"); got != "text/xml; charset=utf-8" {
			return "Content-Type " + got
		}
		if !strings.HasPrefix(r.body, `<?xml version="1.0" encoding="utf-8"?>`) {
			return "no XML declaration: " + r.body
		}
		if !strings.Contains(r.body, `<faultcode xmlns:a="`+types+`">a:`+code+`</faultcode>`) {
			return "the fault code is not bound to the types namespace: " + r.body
		}
		var f struct {
			XMLName xml.Name `xml:"http://schemas.xmlsoap.org/soap/envelope/ Envelope"`
			Fault   struct {
				String string `xml:"faultstring"`
				Detail struct {
					Code    string `xml:"http://schemas.microsoft.com/exchange/services/2006/errors ResponseCode"`
					Message string `xml:"http://schemas.microsoft.com/exchange/services/2006/errors Message"`
					BackOff []struct {
						Name  string `xml:",attr"`
						Value int    `xml:",chardata"`
					} `xml:"http://schemas.microsoft.com/exchange/services/2006/types MessageXml>Value"`
				} `xml:"detail"`
			} `xml:"http://schemas.xmlsoap.org/soap/envelope/ Body>Fault"`
		}
		if err := xml.Unmarshal([]byte(r.body), &f); err != nil {
			return err.Error() + ": " + r.body
		}
		d := f.Fault.Detail
		switch {
		case d.Code != code:
			return "response code " + d.Code
		case f.Fault.String == "" || !strings.HasPrefix(d.Message, f.Fault.String):
			return fmt.Sprintf("faultstring %q, message %q", f.Fault.String, d.Message)
		case !strings.Contains(d.Message, r.record.ID) || r.record.ID == "":
			return "the message does not name the request: " + d.Message
		case backOff < 0 && (len(d.BackOff) > 0 || r.header.Get("Retry-After") != ""):
			return "a back-off"
		case backOff >= 0 && (len(d.BackOff) != 1 || d.BackOff[0].Name != "BackOffMilliseconds" || d.BackOff[0].Value != backOff):
			return fmt.Sprintf("back-off %v", d.BackOff)
		}
		return ""
	}
}

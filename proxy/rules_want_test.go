package proxy_test

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"
)

// A want is the expected result of a request.
type want struct {
	status   int
	reason   string // expected value of X-Hmaproxy-Error
	recorded string // expected reason in the record; "": the value of X-Hmaproxy-Error
	code     string // the EWS response code of the SOAP fault; "": no fault of hmaproxy
	conn     string // state of the connection: "kept" or "closed"; "": either
	sent     int    // number of attempts that reached Exchange completely
	users    *bool  // true: applies only with client users; false: only without; nil: both
	checks   []func(*result) string
}

// The method "and" adds checks. A check returns "" if it holds.
func (w want) and(checks ...func(*result) string) want {
	w.checks = append(slices.Clone(w.checks), checks...)
	return w
}

func (w want) kept() want   { w.conn = "kept"; return w }
func (w want) closed() want { w.conn = "closed"; return w }

// withUsers restricts a rule to setups with client users. withoutUsers restricts it to
// setups without client users.
func (w want) withUsers() want    { yes := true; w.users = &yes; return w }
func (w want) withoutUsers() want { no := false; w.users = &no; return w }

// times sets the expected number of complete attempts at Exchange. The attempts of
// the requests in rule.first count too.
func (w want) times(n int) want { w.sent = n; return w }

// Values of a want that match anything.
const (
	anyStatus = -1
	anyNumber = -1
	anyReason = "any"
	anyCode   = "any"
)

// forwarded expects that one request reaches Exchange, and that the client gets
// Exchange's response.
func forwarded(checks ...func(*result) string) want {
	return want{status: 200, sent: 1, conn: "kept"}.and(checks...).and(func(r *result) string {
		if r.body != okDocument {
			return fmt.Sprintf("the client got %.100q", r.body)
		}
		return ""
	})
}

// refused expects a status with plain text, and that nothing reaches Exchange.
func refused(status int, reason string) want {
	return want{status: status, reason: reason}.and(func(r *result) string {
		if r.header.Get("Content-Type") != "text/plain; charset=utf-8" && r.request.method != "HEAD" {
			return "the refusal is not plain text: " + r.header.Get("Content-Type")
		}
		return ""
	})
}

// faulted expects a SOAP fault by hmaproxy, and that no complete request reaches
// Exchange. Part of a long request may reach it.
func faulted(code, reason string) want {
	return want{status: 500, reason: reason, code: code, conn: "kept"}
}

// local expects a response by hmaproxy, and that nothing reaches Exchange.
func local(status int) want { return want{status: status} }

func (w want) check(r *result) (problems []string) {
	problem := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if r.status != w.status && w.status != anyStatus {
		problem("status %d, want %d: %.300s", r.status, w.status, r.body)
	}
	reason := r.header.Get("X-Hmaproxy-Error")
	if reason != w.reason && w.reason != anyReason {
		problem("reason %q, want %q; error: %v", reason, w.reason, r.record.Err)
	}
	if got := fmt.Sprint(r.record.Reason); got != cmp.Or(w.recorded, reason) {
		problem("the record has reason %q, the response %q", got, reason)
	}
	if got := r.faultCode(); got != w.code && w.code != anyCode {
		problem("response code %q, want %q: %.300s", got, w.code, r.body)
	}
	if w.conn == "kept" && !r.kept || w.conn == "closed" && r.kept {
		problem("connection kept: %v, want %s", r.kept, w.conn)
	}
	whole := 0
	for _, s := range r.sent {
		if s.whole {
			whole++
		}
	}
	if w.sent != anyNumber && (whole != w.sent || len(r.sent) > 0 && w.sent == 0 && len(r.request.body) <= 256<<10) {
		problem("Exchange got %d requests, %d of them whole, want %d", len(r.sent), whole, w.sent)
	}
	for _, check := range w.checks {
		if text := check(r); text != "" {
			problem("%s", text)
		}
	}
	return problems
}

// faultCode returns the response code of the fault, or "" if the response is not a
// fault that hmaproxy wrote.
func (r *result) faultCode() string {
	var f fault
	if r.header.Get("X-Hmaproxy-Error") == "" || xml.Unmarshal([]byte(r.body), &f) != nil {
		return ""
	}
	return f.Detail
}

// invariants checks properties that hold for every request.
func invariants(s setup, r *result) (problems []string) {
	problem := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	for _, line := range r.lines {
		if strings.Contains(line, goodToken) || strings.Contains(line, nextToken) {
			problem("the client gets the token: %s", line)
		}
		if strings.HasPrefix(headerName(line), "access-control-") {
			problem("a CORS header: %s", line)
		}
	}
	if strings.Contains(r.body, goodToken) || strings.Contains(r.body, nextToken) {
		problem("the client gets the token in the body")
	}
	reason := r.header.Get("X-Hmaproxy-Error")
	switch {
	case r.status == 401 && (reason == "credentials" || reason == "login-required" || fmt.Sprint(r.record.Reason) == "ntlm"):
		if r.header["Www-Authenticate"] == nil {
			problem("401 without WWW-Authenticate")
		}
	case r.status == 401, r.status == 407, r.status == 429, r.status == 502, r.status == 504, 300 <= r.status && r.status < 400, 0 < r.status && r.status < 200:
		problem("status %d reaches the client", r.status)
	case r.header["Www-Authenticate"] != nil:
		problem("WWW-Authenticate with status %d", r.status)
	}
	if reason != "" && (r.header.Get("Request-Id") == "" || r.header.Get("Request-Id") != r.record.ID) {
		problem("request id %q, the record has %q", r.header.Get("Request-Id"), r.record.ID)
	}
	for _, got := range r.sent {
		problems = append(problems, got.invariants(s)...)
	}
	return problems
}

// mayBeSent are the names of request headers that can reach Exchange.
var mayBeSent = []string{
	"host", "authorization", "content-type", "content-length", "transfer-encoding", "expect", "cookie", "content-encoding",
	"accept", "accept-encoding", "accept-language", "user-agent", "soapaction",
	"client-request-id", "return-client-request-id", "x-anchormailbox", "x-preferserveraffinity",
	"x-ews-targetversion", "x-clientstatistics", "prefer", "x-publicfoldermailbox", "x-owa-explicitlogonuser",
	"x-vendor-trace", // added by configuration
}

var mayBeCalled = []string{
	"POST /Published/Exchange.asmx HTTP/1.1", "GET /Published/Exchange.asmx?wsdl HTTP/1.1",
	"GET /Published/Services.wsdl HTTP/1.1", "GET /Published/messages.xsd HTTP/1.1", "GET /Published/types.xsd HTTP/1.1",
}

// invariants checks properties that hold for every request that reaches Exchange.
func (s *sent) invariants(in setup) (problems []string) {
	problem := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if !slices.Contains(mayBeCalled, s.line) {
		problem("Exchange got %s", s.line)
	}
	if s.value("Host") != "mail.contoso.com" {
		problem("Exchange got Host %q", s.value("Host"))
	}
	if got := s.value("Authorization"); got != "Bearer "+goodToken && got != "Bearer "+nextToken {
		problem("Exchange got Authorization %q", got)
	}
	for _, line := range s.header {
		if !slices.Contains(mayBeSent, headerName(line)) {
			problem("Exchange got the header %q", line)
		}
	}
	if strings.HasPrefix(s.line, "GET ") {
		for _, name := range []string{"Cookie", "X-AnchorMailbox", "X-PublicFolderMailbox", "X-OWA-ExplicitLogonUser", "Content-Type"} {
			if s.values(name) != nil {
				problem("a GET carries %s: %q", name, s.values(name))
			}
		}
		return problems
	}
	if in.mode == "list" {
		if got := s.value("Content-Type"); got != "text/xml; charset=utf-8" {
			problem("with a list Exchange got Content-Type %q", got)
		}
		if who := s.identities(); s.whole && (len(who) != 1 || !slices.Contains(mayBeNamed, who[0])) {
			problem("with a list Exchange acts for %q", who)
		}
	}
	return problems
}

// mayBeNamed are the identities that requests of the table may have in enforce
// mode.
var mayBeNamed = []string{
	"SmtpAddress alice@contoso.com", "PrimarySmtpAddress alice@contoso.com", "PrincipalName dora@contoso.com",
	"SID S-1-5-21-1-2-3-500", "SmtpAddress room1@rooms.contoso.com", "PrimarySmtpAddress room1@rooms.contoso.com",
}

// identities returns form and text of every child of a ConnectingSID, as
// encoding/xml reads them. It returns nil for a document that encoding/xml cannot
// read.
func (s *sent) identities() (who []string) {
	d := xml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(s.body, []byte("\xef\xbb\xbf"))))
	var path []string
	for {
		token, err := d.Token()
		if err == io.EOF {
			return who
		}
		if err != nil {
			return nil
		}
		switch token := token.(type) {
		case xml.StartElement:
			path = append(path, token.Name.Local)
		case xml.EndElement:
			path = path[:len(path)-1]
		case xml.CharData:
			if n := len(path); n > 1 && path[n-2] == "ConnectingSID" {
				who = append(who, path[n-1]+" "+string(token))
			}
		}
	}
}

// headerSent expects that Exchange gets the header with this value. If value is "",
// it expects that Exchange does not get the header.
func headerSent(name, value string) func(*result) string {
	return func(r *result) string {
		for _, s := range r.sent {
			if got := s.value(name); got != value || value == "" && s.values(name) != nil {
				return fmt.Sprintf("Exchange got %s %q, want %q", name, s.values(name), value)
			}
		}
		if len(r.sent) == 0 {
			return "Exchange got nothing"
		}
		return ""
	}
}

// called expects exactly one request at Exchange, with this request line.
func called(line string) func(*result) string {
	return func(r *result) string {
		if len(r.sent) != 1 || r.sent[0].line != line {
			return fmt.Sprintf("Exchange got %v, want %s", r.sent, line)
		}
		return ""
	}
}

// unchanged expects that the body reaches Exchange byte for byte.
func unchanged(r *result) string {
	for _, s := range r.sent {
		if !bytes.Equal(s.body, r.request.body) {
			return fmt.Sprintf("the body changed to %.600q", s.body)
		}
	}
	return ""
}

// impersonates expects that requests to Exchange impersonate only this identity. If
// identity is "", it expects that they do not impersonate a mailbox.
func impersonates(identity string) func(*result) string {
	return func(r *result) string {
		for _, s := range r.sent {
			if got := strings.Join(s.identities(), " | "); got != identity {
				return fmt.Sprintf("Exchange acts for %q, want %q in %.600q", got, identity, s.body)
			}
		}
		return ""
	}
}

// audited expects that the record contains this reason, for which enforce mode would
// have refused the request.
func audited(reason string) func(*result) string {
	return func(r *result) string {
		if got := fmt.Sprint(r.record.Audit); got != reason {
			return fmt.Sprintf("the record has audit %q, want %q", got, reason)
		}
		return ""
	}
}

// responded expects the header with this value in the response. If value is "", it
// expects a response without the header.
func responded(name, value string) func(*result) string {
	return func(r *result) string {
		if got := strings.Join(r.header.Values(name), " | "); got != value {
			return fmt.Sprintf("the client got %s %q, want %q", name, got, value)
		}
		return ""
	}
}

// mentions expects the text in the response body.
func mentions(text string) func(*result) string {
	return func(r *result) string {
		if !strings.Contains(r.body, text) {
			return fmt.Sprintf("the client's text does not contain %q: %.300q", text, r.body)
		}
		return ""
	}
}

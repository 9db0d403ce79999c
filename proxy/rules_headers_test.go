package proxy_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"hmaproxy/proxy"
	"hmaproxy/proxy/policy"
)

// headerRules are the rules of the section Headers of docs/design.md.
func headerRules() (rules []rule) {
	rules = append(rules, carriedRules()...)
	rules = append(rules, contentTypeRules()...)
	rules = append(rules, soapActionRules()...)
	rules = append(rules, mailboxHeaderRules()...)
	return append(rules, cookieRules()...)
}

// carriedRules are the rules that say which headers are sent to Exchange.
func carriedRules() (rules []rule) {
	for _, line := range []string{
		"Accept: text/xml", "Accept-Encoding: gzip, deflate", "Accept-Language: de-DE", "User-Agent: ExchangeServicesClient/15.00.0913.015",
		"client-request-id: 6a9b", "return-client-request-id: true", "X-AnchorMailbox: alice@contoso.com", "X-PreferServerAffinity: true",
		"X-EWS-TargetVersion: V2015_10_05", "X-ClientStatistics: MessageId=1,ResponseTime=2", `Prefer: exchange.behavior="OpenAsAdmin"`,
		"X-Vendor-Trace: 17", "X-PublicFolderMailbox: alice@contoso.com", "X-OWA-ExplicitLogonUser: alice@contoso.com",
	} {
		name, value, _ := strings.Cut(line, ": ")
		rules = append(rules,
			rule{name: "Carried/" + name, request: post(valid, line), all: forwarded(headerSent(name, value))},
			rule{name: "Carried/" + name + " in another spelling", request: post(valid, strings.ToUpper(name)+": "+value), all: forwarded(headerSent(name, value))},
		)
		if name != "X-AnchorMailbox" {
			rules = append(rules, rule{name: "Carried/" + name + " is absent", request: post(valid), all: forwarded(headerSent(name, ""))})
		}
	}
	for _, line := range []string{
		"Proxy-Authorization: Basic eDp5", "X-Forwarded-For: 10.0.0.1", "Forwarded: for=10.0.0.1", "Via: 1.1 x", "Referer: https://evil.example/",
		"X-CommonAccessToken: x", "X-User-Identity: ceo@contoso.com", "X-WLID-MemberName: ceo@contoso.com", "X-MS-Exchange-Organization-AuthAs: Internal",
		"X-IsFromCafe: 1", "X-BackEndCookie: x", "X-BEResource: x~1", "X-SourceCafeServer: x", "X-TargetMailbox: ceo@contoso.com", "X_AnchorMailbox: ceo@contoso.com",
		"X-AnchorMailbox_: x", "X-HTTP-Method-Override: DELETE", "Max-Forwards: 3", "TE: trailers", "Keep-Alive: timeout=5", "Proxy-Connection: keep-alive",
		"Range: bytes=0-1", "If-None-Match: x", "Content-Language: de", "Content-Location: /owa/", "Content-MD5: x", "Idempotency-Key: 1", "X-Idempotency-Key: 1",
		"Transfer-Encoding-X: chunked", "X-Vendor-Other: 1", "Date: x", "From: ceo@contoso.com", "SOAPMethodName: x", "DNT: 1", "Pragma: no-cache", "Cache-Control: no-cache",
	} {
		name, _, _ := strings.Cut(line, ": ")
		rules = append(rules, rule{name: "Dropped/" + name, request: post(valid, line), all: forwarded(headerSent(name, ""))})
	}
	trailers := post(valid).inChunks()
	trailers.trailer = []string{"X-AnchorMailbox: ceo@contoso.com", "Authorization: Bearer evil", "User-Agent: evil", "X-Vendor-Trace: evil"}
	return append(rules,
		rule{name: "Dropped/Authorization", request: post(valid, "Authorization: Basic eDp5"), all: forwarded().withoutUsers()},
		rule{name: "Dropped/Authorization, a bearer token", request: post(valid, "Authorization: Bearer evil"), all: forwarded().withoutUsers()},
		rule{name: "Dropped/Authorization, two of them", request: post(valid, "Authorization: Basic eDp5").and("Authorization: Bearer evil"), all: forwarded().withoutUsers()},
		rule{name: "Dropped/Expect with a short body", request: post(valid, "Expect: 100-continue"), all: forwarded(headerSent("Expect", ""))},
		rule{name: "Dropped/trailers", request: trailers, all: forwarded(headerSent("X-AnchorMailbox", "alice@contoso.com"), headerSent("User-Agent", ""), headerSent("X-Vendor-Trace", ""))},
		rule{name: "Dropped/trailers that are announced", request: trailers.with("Trailer: X-Vendor-Trace, User-Agent"), all: forwarded(headerSent("User-Agent", ""), headerSent("Trailer", ""), headerSent("X-Vendor-Trace", ""))},
		rule{name: "Carried/headers that Connection names", request: post(valid, "Connection: keep-alive, User-Agent, Authorization, X-AnchorMailbox, Content-Type, Host, Cookie, Content-Length",
			"User-Agent: x", "Cookie: exchangecookie=1"),
			all: forwarded(headerSent("User-Agent", "x"), headerSent("X-AnchorMailbox", "alice@contoso.com"), headerSent("Cookie", "exchangecookie=1"), headerSent("Connection", ""))},
		rule{name: "Carried/no User-Agent of the transport's", request: post(valid), config: func(c *proxy.Config) { c.Transport = noUserAgent{} }, all: want{status: 200, conn: "kept"}},
		rule{name: "Carried/configured names in any spelling", request: post(valid, "x-vendor-TRACE: 1"), config: forwarding("X-VENDOR-Trace"), all: forwarded(headerSent("X-Vendor-Trace", "1"))},
		rule{name: "Dropped/Idempotency-Key also by configuration", request: post(valid, "Idempotency-Key: 1", "X-Idempotency-Key: 1"),
			config: forwarding("Idempotency-Key", "X-Idempotency-Key"), all: forwarded(headerSent("Idempotency-Key", ""), headerSent("X-Idempotency-Key", ""))},
		rule{name: "Carried/headers of a GET", request: get("/EWS/types.xsd", "User-Agent: x", "Accept: */*", "Accept-Encoding: gzip", "X-Vendor-Trace: 1"),
			all: forwarded(headerSent("User-Agent", "x"), headerSent("Accept", "*/*"), headerSent("Accept-Encoding", "gzip"), headerSent("X-Vendor-Trace", "1"))},
		rule{name: "Dropped/cookies and mailboxes of a GET", request: get("/EWS/types.xsd", "Cookie: exchangecookie=1", "X-BackEndOverrideCookie: BE1~1", "X-AnchorMailbox: alice@contoso.com",
			"X-PublicFolderMailbox: alice@contoso.com", "X-OWA-ExplicitLogonUser: alice@contoso.com", "SOAPAction: x", "Content-Type: text/xml"),
			all: forwarded(headerSent("Cookie", ""), headerSent("X-AnchorMailbox", ""), headerSent("SOAPAction", ""))},
	)
}

// noUserAgent is a transport that fails unless the request prevents net/http from
// adding its own User-Agent.
type noUserAgent struct{}

func (noUserAgent) RoundTrip(r *http.Request) (*http.Response, error) {
	r.Body.Close()
	if values, present := r.Header["User-Agent"]; !present || values != nil {
		return nil, errors.New("net/http would send its own User-Agent")
	}
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"text/xml"}}, Body: io.NopCloser(strings.NewReader(okDocument)), ContentLength: int64(len(okDocument))}, nil
}

// forwarding configures names of headers that the proxy sends to Exchange in
// addition to the headers that it always sends.
func forwarding(names ...string) func(*proxy.Config) {
	return func(c *proxy.Config) { c.ForwardHeaders = names }
}

// contentTypeRules are the rules about Content-Type and Content-Encoding. A client
// must send the media type text/xml. With an allow-list, Exchange gets a constant
// Content-Type in place of the client's, unless the document is sent unread.
func contentTypeRules() (rules []rule) {
	const constant = "text/xml; charset=utf-8"
	for _, value := range []string{
		"text/xml", "text/xml; charset=utf-8", "text/xml;charset=UTF-8", `text/xml; charset="utf-8"`, "TEXT/XML; Charset=Utf-8",
		`text/xml; charset=utf-8; action="http://schemas.microsoft.com/exchange/services/2006/messages/GetFolder"`, "text/xml; boundary=x",
	} {
		rules = append(rules, rule{
			name: "Content-Type/" + value, request: post(valid, "Content-Type: "+value),
			list:  forwarded(headerSent("Content-Type", constant)),
			audit: forwarded(headerSent("Content-Type", constant), audited("")),
			open:  forwarded(headerSent("Content-Type", value)),
		})
	}
	for _, value := range []string{
		"text/xml; charset=utf-16", "text/xml; charset=iso-8859-1", "text/xml; charset=us-ascii", "text/xml; charset=utf-7", "text/xml; charset=utf-8x",
		"text/xml; charset=utf8",
	} {
		rules = append(rules, rule{
			name: "Content-Type/" + value, request: post(valid, "Content-Type: "+value),
			list:  faulted("ErrorSchemaValidation", "envelope-refused"),
			audit: forwarded(headerSent("Content-Type", value), unchanged, audited("envelope-refused"), mailboxRecorded("unreadable")),
			open:  forwarded(headerSent("Content-Type", value), unchanged),
		})
	}
	for _, value := range []string{
		"", "text/plain", "application/xml", "application/soap+xml; charset=utf-8", "text/xmlx", "text/xm", "application/x-www-form-urlencoded",
		`multipart/related; type="text/xml"`, "text/plain; charset=text/xml", "text /xml", "text/xml, text/plain",
		"text/xml; charset=utf-8; charset=utf-16",
	} {
		rules = append(rules, rule{
			name: "Content-Type/" + value + " is refused", request: post(valid, "Content-Type: "+value),
			all: faulted("ErrorSchemaValidation", "envelope-refused"),
		})
	}
	for _, value := range []string{"gzip", "deflate", "utf-8", "identity, gzip"} {
		rules = append(rules, rule{
			name: "Content-Encoding/" + value, request: post(valid, "Content-Encoding: "+value),
			list:  faulted("ErrorSchemaValidation", "envelope-refused"),
			audit: forwarded(headerSent("Content-Encoding", value), unchanged, audited("envelope-refused")),
			open:  forwarded(headerSent("Content-Encoding", value), unchanged),
		})
	}
	return append(rules,
		rule{name: "Content-Type/absent", request: post(valid).without("Content-Type"), all: faulted("ErrorSchemaValidation", "envelope-refused")},
		rule{name: "Content-Encoding/identity", request: post(valid, "Content-Encoding: identity"),
			list: forwarded(headerSent("Content-Encoding", "")), audit: forwarded(audited(""))},
	)
}

// soapActionRules are the rules about SOAPAction. The header is optional. It is
// dropped if it names another operation than the Body contains.
func soapActionRules() (rules []rule) {
	const ns = "http://schemas.microsoft.com/exchange/services/2006/messages/"
	const oof = `<m:GetUserOofSettingsRequest><t:Mailbox><t:Address>alice@contoso.com</t:Address></t:Mailbox></m:GetUserOofSettingsRequest>`
	const streaming = `<m:GetStreamingEvents><m:SubscriptionIds><t:SubscriptionId>x</t:SubscriptionId></m:SubscriptionIds><m:ConnectionTimeout>1</m:ConnectionTimeout></m:GetStreamingEvents>`
	for _, c := range []struct {
		name, operation, action string
		carried                 bool
	}{
		{"same operation", getFolder, `"` + ns + `GetFolder"`, true},
		{"same operation without quotes", getFolder, ns + "GetFolder", true},
		{"another operation", getFolder, `"` + ns + `FindItem"`, false},
		{"prefix of the operation", getFolder, `"` + ns + `GetFold"`, false},
		{"longer than the operation", getFolder, `"` + ns + `GetFolderx"`, false},
		{"another letter case", getFolder, `"` + ns + `getfolder"`, false},
		{"another namespace", getFolder, `"urn:GetFolder"`, false},
		{"name alone", getFolder, "GetFolder", false},
		{"empty", getFolder, "", false},
		{"empty in quotes", getFolder, `""`, false},
		{"streaming as in Exchange's WSDL", streaming, `"` + ns + `GetEvents"`, true},
		{"streaming by its own name", streaming, `"` + ns + `GetStreamingEvents"`, true},
		{"GetEvents for another operation", getFolder, `"` + ns + `GetEvents"`, false},
		{"without Request, as in Exchange's WSDL", oof, `"` + ns + `GetUserOofSettings"`, true},
		{"with Request", oof, `"` + ns + `GetUserOofSettingsRequest"`, true},
		{"with Request too much", getFolder, `"` + ns + `GetFolderRequest"`, false},
	} {
		value := ""
		if c.carried {
			value = c.action
		}
		rules = append(rules, rule{
			name: "SOAPAction/" + c.name, request: post(envelope("alice@contoso.com", c.operation), "SOAPAction: "+c.action),
			all: forwarded(headerSent("SOAPAction", value)),
		})
	}
	return append(rules,
		rule{name: "SOAPAction/absent", request: post(valid), all: forwarded(headerSent("SOAPAction", ""))},
		rule{name: "SOAPAction/of a body that cannot be read", request: post([]byte("<x"), "SOAPAction: x"),
			open: forwarded(headerSent("SOAPAction", "x"), unchanged), audit: forwarded(headerSent("SOAPAction", ""), unchanged)},
	)
}

// mailboxHeaderRules are the rules about headers that name mailboxes.
func mailboxHeaderRules() (rules []rule) {
	anchor := func(value string) request { return post(valid, "X-AnchorMailbox: "+value) }
	for _, value := range []string{"alice@contoso.com", "ALICE@contoso.com", "room1@rooms.contoso.com", "dora@contoso.com"} {
		rules = append(rules, rule{name: "X-AnchorMailbox/" + value, request: anchor(value), all: forwarded(headerSent("X-AnchorMailbox", value))})
	}
	for _, value := range []string{"bob@contoso.com", "SMTP:alice@contoso.com", "Sid~S-1-5-21-1-2-3-500", "12345678-1234-1234-1234-123456789abc@rooms.contoso.com", "alice", "alice@contoso.com, bob@contoso.com"} {
		rules = append(rules, rule{
			name: "X-AnchorMailbox/" + value + " off the list", request: anchor(value),
			list:  faulted("ErrorImpersonateUserDenied", "anchor-not-allowed"),
			audit: forwarded(headerSent("X-AnchorMailbox", value), audited("anchor-not-allowed")),
			open:  forwarded(headerSent("X-AnchorMailbox", value)),
		})
	}
	spelled := func(id string) request { return post(named(id, getFolder)) }
	rules = append(rules,
		rule{name: "X-AnchorMailbox/absent", request: post(valid), all: forwarded(headerSent("X-AnchorMailbox", "alice@contoso.com"))},
		rule{name: "X-AnchorMailbox/absent, in the spelling of the list", request: spelled("<t:SmtpAddress>ALICE@contoso.com</t:SmtpAddress>"),
			list: forwarded(headerSent("X-AnchorMailbox", "alice@contoso.com")), open: forwarded(headerSent("X-AnchorMailbox", "ALICE@contoso.com"))},
		rule{name: "X-AnchorMailbox/absent, for a wildcard", request: spelled("<t:SmtpAddress>Room1@Rooms.contoso.com</t:SmtpAddress>"),
			list: forwarded(headerSent("X-AnchorMailbox", "room1@rooms.contoso.com")), open: forwarded(headerSent("X-AnchorMailbox", "Room1@Rooms.contoso.com"))},
		rule{name: "X-AnchorMailbox/absent, for a principal name", request: spelled("<t:PrincipalName>dora@contoso.com</t:PrincipalName>"),
			all: forwarded(headerSent("X-AnchorMailbox", "dora@contoso.com"))},
		rule{name: "X-AnchorMailbox/absent, for a SID", request: spelled("<t:SID>S-1-5-21-1-2-3-500</t:SID>"), all: forwarded(headerSent("X-AnchorMailbox", ""))},
		rule{name: "X-AnchorMailbox/present, for a SID", request: spelled("<t:SID>S-1-5-21-1-2-3-500</t:SID>").with("X-AnchorMailbox: alice@contoso.com"), all: forwarded(headerSent("X-AnchorMailbox", "alice@contoso.com"))},
		rule{name: "X-AnchorMailbox/absent, no mailbox named", request: post(envelope("", getFolder)), open: forwarded(headerSent("X-AnchorMailbox", ""))},
		rule{name: "X-AnchorMailbox/absent, no address", request: spelled("<t:SmtpAddress>alice</t:SmtpAddress>"), open: forwarded(headerSent("X-AnchorMailbox", ""), unchanged)},
		rule{name: "X-AnchorMailbox/absent, a line break in the address", request: spelled("<t:SmtpAddress>alice@contoso.com&#13;&#10;X-A: b</t:SmtpAddress>"),
			open: forwarded(headerSent("X-AnchorMailbox", ""), headerSent("X-A", ""), unchanged), list: faulted("ErrorSchemaValidation", "envelope-refused")},
		rule{name: "X-AnchorMailbox/absent, default mailbox", request: post(envelope("", getFolder)), policy: func(c *policy.Config) { c.DefaultMailbox = "alice@contoso.com" },
			all: forwarded(headerSent("X-AnchorMailbox", "alice@contoso.com"), impersonates("SmtpAddress alice@contoso.com"))},
	)
	for _, name := range []string{"X-PublicFolderMailbox", "X-OWA-ExplicitLogonUser"} {
		rules = append(rules,
			rule{name: name + "/by a wildcard of the list", request: post(valid, name+": Room1@rooms.contoso.com"), all: forwarded(headerSent(name, "Room1@rooms.contoso.com"))},
			rule{name: name + "/off the list", request: post(valid, name+": bob@contoso.com"),
				list: faulted("ErrorImpersonateUserDenied", anyReason), open: forwarded(headerSent(name, "bob@contoso.com"))},
			rule{name: name + "/off the list never reaches Exchange", request: post(valid, name+": bob@contoso.com"), list: want{status: anyStatus, reason: anyReason, code: anyCode, sent: anyNumber}.and(neverSent(name))},
			rule{name: name + "/no address never reaches Exchange", request: post(valid, name+": alice"), list: want{status: anyStatus, reason: anyReason, code: anyCode, sent: anyNumber}.and(neverSent(name))},
		)
	}
	return rules
}

// named returns an envelope whose ConnectingSID has this child.
func named(child, operation string) []byte {
	return []byte(strings.Replace(string(envelope("x", operation)), "<t:SmtpAddress>x</t:SmtpAddress>", child, 1))
}

// neverSent expects that no attempt has the header.
func neverSent(name string) func(*result) string {
	return func(r *result) string {
		for _, s := range r.sent {
			if s.values(name) != nil {
				return fmt.Sprintf("Exchange got %s %q", name, s.values(name))
			}
		}
		return ""
	}
}

// mailboxRecorded expects the impersonated mailbox in the record.
func mailboxRecorded(mailbox string) func(*result) string {
	return func(r *result) string {
		if r.record.Mailbox != mailbox {
			return fmt.Sprintf("the record has mailbox %q, want %q", r.record.Mailbox, mailbox)
		}
		return ""
	}
}

// backEndEntry returns an entry of X-BackEndCookie as Exchange writes it.
func backEndEntry(text string) string {
	inverted := []byte(text)
	for i := range inverted {
		inverted[i] ^= 0xff
	}
	return base64.StdEncoding.EncodeToString(inverted)
}

// cookieRules are the rules about cookies.
func cookieRules() (rules []rule) {
	for _, c := range []struct{ name, cookie, sent string }{
		{"Exchange's own", "X-BackEndCookie=S-1-5=u56; exchangecookie=e1; ClientId=C1", "X-BackEndCookie=S-1-5=u56; exchangecookie=e1; ClientId=C1"},
		{"X-BackEndOverrideCookie", "X-BackEndOverrideCookie=BE1.contoso.com~1941996295", "X-BackEndOverrideCookie=BE1.contoso.com~1941996295"},
		{"others", "session=s; exchangecookie=e1; OutlookSession=1", "exchangecookie=e1"},
		{"X-BEResource", "X-BEResource=localhost~1942062522; exchangecookie=e1", "exchangecookie=e1"},
		{"X-AnonResource", "X-AnonResource=true; X-AnonResource-Backend=evil~1; exchangecookie=e1", "exchangecookie=e1"},
		{"another letter case", "EXCHANGECOOKIE=e1; clientid=1", ""},
		{"without a value", "exchangecookie; ClientId=1", "ClientId=1"},
		{"an empty value", "exchangecookie=; ClientId=1", "exchangecookie=; ClientId=1"},
		{"characters that no cookie has", "exchangecookie=a,b; ClientId=1", "ClientId=1"},
		{"characters next to those", "exchangecookie=a+b-c:d<e", "exchangecookie=a+b-c:d<e"},
		{"characters beyond ASCII", "exchangecookie=\u00e9; ClientId=1", "ClientId=1"},
		{"the first and the last character", "exchangecookie=a b!~; ClientId=1", "exchangecookie=a b!~; ClientId=1"},
		{"a delete character", "exchangecookie=a\u0080; ClientId=1", "ClientId=1"},
		{"none", "", ""},
	} {
		rules = append(rules, rule{name: "Cookie/" + c.name, request: post(valid, "Cookie: "+c.cookie), all: forwarded(headerSent("Cookie", c.sent))})
	}
	override := post(valid, "X-BackEndOverrideCookie: BE1.contoso.com~1941996295")
	setting := func(cookies ...string) func(int, *sent) response {
		var lines []string
		for _, c := range cookies {
			lines = append(lines, "Set-Cookie: "+c)
		}
		return always(soapResponse(200, okDocument, lines...))
	}
	var many, carried []string
	for i := range 70 {
		many = append(many, fmt.Sprintf("LB%d=v; path=/", i))
		carried = append(carried, fmt.Sprintf("LB%d=v", i))
	}
	for _, value := range []string{"~1941996295", "BE1~", "BE1~19419a6295", "BE1", "BE_1~1", "BE1:444~1", "BE1~1~2", "BE1~-1", "~", "1"} {
		rules = append(rules,
			rule{name: "Cookie/override cookie " + value, request: post(valid, "Cookie: X-BackEndOverrideCookie="+value), all: forwarded(headerSent("Cookie", ""))},
			rule{name: "Cookie/override header " + value, request: post(valid, "X-BackEndOverrideCookie: "+value), all: forwarded(headerSent("Cookie", ""))},
		)
	}
	const guid = "9f8d1c2e-5d0b-4c1a-9a53-6f3a0c1d2e4f"
	for entry, plain := range map[string]bool{
		"Database~" + guid + "~contoso.com~2026-11-28T00:10:00":               true,
		"Database~" + guid + "~~2026-11-28T00:10:00~contoso.com":              true,
		"Server~ex01.contoso.com~1941996295~2026-11-28T00:10:00":              true,
		"Server~[x]@evil.example:443/a#]~1941996295~2026-11-28T00:10:00":      false,
		"Server~evil.example/owa~1941996295~2026-11-28T00:10:00":              false,
		"Server~ex01.contoso.com:444~1941996295~2026-11-28T00:10:00":          false,
		"1~ex01_contoso~1941996295~2026-11-28T00:10:00":                       false,
		"Database~" + guid + "~x@evil.example~2026-11-28T00:10:00":            false,
		"Database~" + guid + "~contoso.com~2026-11-28T00:10:00~evil.example?": false,
	} {
		cookie := "X-BackEndCookie=S-1-5-21-1=" + backEndEntry(entry)
		wanted := map[bool]string{true: cookie}[plain]
		rules = append(rules, rule{name: "Cookie/back end " + entry, request: post(valid, "Cookie: "+cookie), all: forwarded(headerSent("Cookie", wanted))})
	}
	evil := backEndEntry("Server~evil.example#~1941996295~2026-11-28T00:10:00")
	good := backEndEntry("Server~ex01.contoso.com~1941996295~2026-11-28T00:10:00")
	for name, value := range map[string]string{
		"without a key": evil, "as the second": "a=" + good + "&b=" + evil, "with blanks": "a=" + evil[:5] + " " + evil[5:],
	} {
		rules = append(rules, rule{name: "Cookie/back end " + name, request: post(valid, "Cookie: X-BackEndCookie="+value), all: forwarded(headerSent("Cookie", ""))})
	}
	undecodable := "X-BackEndCookie=S-1-5-21-1=" + evil + "*" // Exchange ignores an entry that it cannot decode
	return append(rules,
		rule{name: "Cookie/back end that is not base64", request: post(valid, "Cookie: "+undecodable), all: forwarded(headerSent("Cookie", undecodable))},
		rule{name: "Cookie/back end twice", request: post(valid, "Cookie: X-BackEndCookie=a="+good+"&b="+good), all: forwarded(headerSent("Cookie", "X-BackEndCookie=a="+good+"&b="+good))},
		rule{name: "Cookie/override header", request: override, all: forwarded(headerSent("Cookie", "X-BackEndOverrideCookie=BE1.contoso.com~1941996295"), headerSent("X-BackEndOverrideCookie", ""))},
		rule{name: "Cookie/override header and other cookies", request: override.with("Cookie: exchangecookie=1"), all: forwarded(headerSent("Cookie", "exchangecookie=1; X-BackEndOverrideCookie=BE1.contoso.com~1941996295"))},
		rule{name: "Cookie/override header and the same cookie", request: override.with("Cookie: X-BackEndOverrideCookie=BE2.contoso.com~1941996295"), all: forwarded(headerSent("Cookie", "X-BackEndOverrideCookie=BE2.contoso.com~1941996295"))},
		rule{name: "Cookie/override header with a second cookie", request: post(valid, "X-BackEndOverrideCookie: BE1~1; X-BEResource=evil~1"), all: forwarded(headerSent("Cookie", ""))},
		rule{name: "Cookie/override header of another form", request: post(valid, "X-BackEndOverrideCookie: evil.example/owa~1"), all: forwarded(headerSent("Cookie", ""))},
		rule{name: "Cookie/override cookie of another form", request: post(valid, "Cookie: X-BackEndOverrideCookie=evil.example]@x~1"), all: forwarded(headerSent("Cookie", ""))},
		rule{name: "Cookie/override cookie without a version", request: post(valid, "Cookie: X-BackEndOverrideCookie=BE1"), all: forwarded(headerSent("Cookie", ""))},
		rule{name: "Cookie/learned from Exchange", first: []request{post(valid)}, reply: setting("BIGipServerPool=1; path=/; Secure", " LB = 2 "),
			request: post(valid, "Cookie: BIGipServerPool=1.2; LB=2; other=3"), all: forwarded(headerSentLast("Cookie", "BIGipServerPool=1.2")).times(2)},
		rule{name: "Cookie/not learned before Exchange set it", request: post(valid, "Cookie: BIGipServerPool=1.2"), reply: setting("BIGipServerPool=1"), all: forwarded(headerSent("Cookie", ""))},
		rule{name: "Cookie/X-BEResource is never learned", first: []request{post(valid)}, reply: setting("X-BEResource=a~1; path=/", "x-beresource=a", "X-AnonResource=true", "X-AnonResource-Backend=b", "X-Anonresource2=c"),
			request: post(valid, "Cookie: X-BEResource=a~1; x-beresource=a; X-AnonResource=true; X-AnonResource-Backend=b; X-Anonresource2=c"), all: forwarded(headerSentLast("Cookie", "")).times(2)},
		rule{name: "Cookie/learned names are bounded", first: []request{post(valid)}, reply: setting(many...),
			request: post(valid, "Cookie: "+strings.Join(carried, "; ")), all: forwarded(headerSentLast("Cookie", strings.Join(carried[:64], "; "))).times(2)},
	)
}

// headerSentLast expects the header in the last request to Exchange.
func headerSentLast(name, value string) func(*result) string {
	return func(r *result) string {
		if len(r.sent) == 0 {
			return "Exchange got nothing"
		}
		if got := r.sent[len(r.sent)-1].value(name); got != value {
			return fmt.Sprintf("Exchange got %s %q at last, want %q", name, got, value)
		}
		return ""
	}
}

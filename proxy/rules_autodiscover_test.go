package proxy_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/url"
	"strings"

	"hmaproxy/proxy"
	"hmaproxy/proxy/policy"
)

// handedOut is the URL that Autodiscover responses contain in the rules with a fixed
// URL.
const handedOut = "https://ews-proxy.contoso.com/EWS/Exchange.asmx"

// discovering makes the proxy respond to Autodiscover requests with a fixed URL.
func discovering(c *proxy.Config) {
	u, _ := url.Parse(handedOut)
	c.Autodiscover = &proxy.Autodiscover{URL: u}
}

// discoveringNarrow makes the proxy respond to Autodiscover requests with a fixed URL.
// It restricts the policy of the client user to rooms.
func discoveringNarrow(c *proxy.Config) {
	discovering(c)
	if check := c.Client; check != nil {
		rooms, _ := policy.ParsePatterns("*@rooms.contoso.com")
		c.Client = func(ctx context.Context, remote, user, password string) (*policy.Policy, error) {
			p, err := check(ctx, remote, user, password)
			if err != nil {
				return nil, err
			}
			return p.Narrow(rooms), nil
		}
	}
}

// discoveringAuto makes the proxy respond with a URL that contains the Host of the
// client's request.
func discoveringAuto(c *proxy.Config) { c.Autodiscover = &proxy.Autodiscover{} }

const (
	svcPath  = "/autodiscover/autodiscover.svc"
	poxPath  = "/autodiscover/autodiscover.xml"
	jsonPath = "/autodiscover/autodiscover.json"
)

// getUserSettings returns a SOAP request as the EWS Managed API writes it.
func getUserSettings(mailboxes ...string) []byte {
	users := ""
	for _, m := range mailboxes {
		users += "<a:User><a:Mailbox>" + m + "</a:Mailbox></a:User>"
	}
	return userSettings("<a:Users>"+users+"</a:Users>", "InternalEwsUrl", "ExternalEwsUrl", "AutoDiscoverSMTPAddress")
}

func userSettings(users string, settings ...string) []byte {
	requested := ""
	for _, s := range settings {
		requested += "<a:Setting>" + s + "</a:Setting>"
	}
	return soapMessage(`<a:GetUserSettingsRequestMessage><a:Request>` + users + `<a:RequestedSettings>` + requested +
		`</a:RequestedSettings></a:Request></a:GetUserSettingsRequestMessage>`)
}

func soapMessage(body string) []byte {
	return []byte(`<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:a="http://schemas.microsoft.com/exchange/2010/Autodiscover"` +
		` xmlns:wsa="http://www.w3.org/2005/08/addressing" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"` +
		` xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Header><a:RequestedServerVersion>Exchange2013</a:RequestedServerVersion>` +
		`<wsa:Action soap:mustUnderstand="1">http://schemas.microsoft.com/exchange/2010/Autodiscover/Autodiscover/GetUserSettings</wsa:Action>` +
		`<wsa:To>https://autodiscover.contoso.com/autodiscover/autodiscover.svc</wsa:To></soap:Header><soap:Body>` + body + `</soap:Body></soap:Envelope>`)
}

const (
	outlookRequest  = "http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"
	outlookResponse = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
	mobileRequest   = "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/requestschema/2006"
	mobileResponse  = "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006"
)

// outlookSettings returns a POX request as exchangelib writes it.
func outlookSettings(mailbox string) []byte {
	return poxDocument(outlookRequest, "<EMailAddress>"+mailbox+"</EMailAddress><AcceptableResponseSchema>"+outlookResponse+"</AcceptableResponseSchema>")
}

func poxDocument(namespace, request string) []byte {
	return []byte(`<?xml version='1.0' encoding='utf-8'?><Autodiscover xmlns="` + namespace + `"><Request>` + request + `</Request></Autodiscover>`)
}

// autodiscoverRules are the rules of the section Autodiscover of
// docs/design.md.
func autodiscoverRules() (rules []rule) {
	for _, list := range [][]rule{
		autodiscoverPathRules(), autodiscoverGuardRules(), foundRules(), refusedMailboxRules(), settingsRules(),
		autoURLRules(), autodiscoverProfileRules(), poxProfileRules(), jsonQueryRules(),
	} {
		for _, r := range list {
			if r.config == nil {
				r.config = discovering
			}
			rules = append(rules, r)
		}
	}
	return append(rules, withoutAutodiscoverRules()...)
}

// withoutAutodiscoverRules are the rules for a proxy without the setting for
// Autodiscover. It does not serve the paths of Autodiscover.
func withoutAutodiscoverRules() (rules []rule) {
	for _, q := range []request{
		post(getUserSettings("alice@contoso.com")).to(svcPath), post(outlookSettings("alice@contoso.com")).to(poxPath),
		get(poxPath), get(jsonPath + "?Email=alice@contoso.com&Protocol=EWS"), get(jsonPath + "/v1.0/alice@contoso.com?Protocol=EWS"),
	} {
		rules = append(rules, rule{name: "Off/" + q.method + " " + q.target, request: q, all: refused(404, "path").and(mentions("Autodiscover is served when HMA_AUTODISCOVER is set"))})
	}
	return rules
}

// autodiscoverPathRules are the rules about paths and methods.
func autodiscoverPathRules() (rules []rule) {
	for _, path := range []string{svcPath, "/Autodiscover/Autodiscover.svc", "/AUTODISCOVER/AUTODISCOVER.SVC"} {
		rules = append(rules, rule{name: "Path/POST " + path, request: post(getUserSettings("alice@contoso.com")).to(path),
			all: foundBySOAP("alice@contoso.com").and(operation("Autodiscover:SOAP"))})
	}
	for _, path := range []string{poxPath, "/Autodiscover/Autodiscover.xml", "/autodiscover/Autodiscover.xml", "/AUTODISCOVER/AUTODISCOVER.XML"} {
		rules = append(rules, rule{name: "Path/POST " + path, request: post(outlookSettings("alice@contoso.com")).to(path),
			all: foundByPOX("alice@contoso.com").and(operation("Autodiscover:POX"))})
	}
	for _, target := range []string{
		jsonPath + "?Email=alice@contoso.com&Protocol=EWS", "/Autodiscover/Autodiscover.JSON?email=alice@contoso.com&protocol=ews",
		jsonPath + "?Email=alice%40contoso.com&Protocol=EWS", jsonPath + "?Protocol=EWS&Email=%61lice@contoso.com&RedirectCount=1",
		jsonPath + "/v1.0/alice@contoso.com?Protocol=EWS", "/Autodiscover/Autodiscover.json/V1.0/alice%40contoso.com?Protocol=Ews",
	} {
		rules = append(rules,
			rule{name: "Path/GET " + target, request: get(target), all: foundByJSON.and(operation("Autodiscover:JSON"))},
			rule{name: "Path/HEAD " + target, request: get(target).by("HEAD"), all: local(200).kept().and(noText, enabled)},
			rule{name: "Path/POST " + target, request: post(getUserSettings("alice@contoso.com")).to(target), all: refused(405, "method")},
		)
	}
	for _, path := range []string{svcPath, poxPath, "/Autodiscover/Autodiscover.xml"} {
		rules = append(rules,
			rule{name: "Path/GET " + path, request: get(path), all: local(200).kept().and(mentions("hmaproxy"), enabled)},
			rule{name: "Path/HEAD " + path, request: get(path).by("HEAD"), all: local(200).kept().and(noText, enabled)},
			rule{name: "Path/GET without credentials " + path, request: get(path).withoutCredentials(), all: challenged("credentials").and(enabled).withUsers()},
			rule{name: "Path/PUT " + path, request: post(getUserSettings("alice@contoso.com")).to(path).by("PUT"), all: refused(405, "method").closed()},
			rule{name: "Path/GET with a body " + path, request: get(path).sending("x"), all: refused(400, "body").closed()},
		)
	}
	// ews-java-api sends an empty POST to read the header X-SOAP-Enabled.
	probed := local(200).kept().and(mentions("hmaproxy"), enabled, operation("Autodiscover:POX"))
	rules = append(rules,
		rule{name: "Path/empty POST", request: post(nil).to(poxPath), all: probed},
		rule{name: "Path/empty POST in chunks", request: post(nil).to(poxPath).inChunks(), all: probed},
		rule{name: "Path/POST of white space", request: post([]byte(" ")).to(poxPath), all: poxErrorOf("600", "envelope-refused")},
		rule{name: "Path/empty POST at the path of SOAP", request: post(nil).to(svcPath), all: faulted("ErrorSchemaValidation", "envelope-refused").and(enabled)},
		rule{name: "Path/SOAP at the path of POX", request: post(getUserSettings("alice@contoso.com")).to(poxPath), all: foundBySOAP("alice@contoso.com").and(operation("Autodiscover:SOAP"))},
		rule{name: "Path/POX at the path of SOAP", request: post(outlookSettings("alice@contoso.com")).to(svcPath), all: foundByPOX("alice@contoso.com").and(operation("Autodiscover:POX"))},
		rule{name: "Path/an EWS request at the path of SOAP", request: post(valid).to(svcPath), all: faulted("ErrorAccessDenied", "operation-not-allowed")},
		rule{name: "Path/an Autodiscover request at the path of EWS", request: post(getUserSettings("alice@contoso.com")), list: faulted("ErrorSchemaValidation", "envelope-refused")},
	)
	for _, target := range []string{
		svcPath + "/", poxPath + "/", svcPath + "?wsdl", svcPath + "?", poxPath + "?", poxPath + "?Email=alice@contoso.com", svcPath + "/wssecurity",
		"/autodiscover", "/autodiscover/", "/autodiscover/autodiscover", "/autodiscover//autodiscover.xml", "//autodiscover/autodiscover.xml",
		"/autodiscover/./autodiscover.xml", "/autodiscover/x/../autodiscover.xml", "/autodiscover%2fautodiscover.xml", "/%61utodiscover/autodiscover.xml",
		"/autodiscover/autodiscover%2exml", "/autodiscover/autodiscover.xml%20", "/autodiscover/autodiscover.xml.", "/autodiscover\\autodiscover.xml",
		"/autodiscover/autodiscover.\u017fvc", "/EWS/autodiscover/autodiscover.xml", "/autodiscover/metadata/json/1", "/autodiscover/autodiscover.jsonx?Email=alice@contoso.com&Protocol=EWS",
		jsonPath + "/?Email=alice@contoso.com&Protocol=EWS", jsonPath + "/v1.0/?Protocol=EWS", jsonPath + "/v2.0/alice@contoso.com?Protocol=EWS",
		jsonPath + "/v1.0/alice@contoso.com/?Protocol=EWS", jsonPath + "/v1.0/x/alice@contoso.com?Protocol=EWS", "/autodiscover/autodiscover%2ejson?Email=alice@contoso.com&Protocol=EWS",
		jsonPath + "?Email=alice@contoso.com&Protocol=EWS&x=" + strings.Repeat("x", 2048),
	} {
		name := target[:min(len(target), 100)]
		rules = append(rules,
			rule{name: "Path/not served, POST " + name, request: post(getUserSettings("alice@contoso.com")).to(target), all: refused(404, "path").and(asked(target))},
			rule{name: "Path/not served, GET " + name, request: get(target), all: refused(404, "path").closed()},
		)
	}
	return rules
}

// autodiscoverGuardRules are the rules about the checks of headers and credentials.
// Autodiscover requests must pass the same checks as EWS requests.
func autodiscoverGuardRules() (rules []rule) {
	const query = jsonPath + "?Email=alice@contoso.com&Protocol=EWS"
	requests := map[string]request{
		"SOAP": post(getUserSettings("alice@contoso.com")).to(svcPath), "POX": post(outlookSettings("alice@contoso.com")).to(poxPath),
		"POX probe": get(poxPath), "POX probe by POST": post(nil).to(poxPath), "JSON": get(query),
	}
	for name, q := range requests {
		rules = append(rules,
			rule{name: "Guard/foreign Host, " + name, request: q.with("Host: evil.example"), all: refused(421, "host").and(notEnabled)},
			rule{name: "Guard/autodiscover name that is not ours, " + name, request: q.with("Host: autodiscover.contoso.com"), all: refused(421, "host")},
			rule{name: "Guard/Origin, " + name, request: q.with("Origin: https://evil.example"), all: refused(403, "browser").and(notEnabled)},
			rule{name: "Guard/Sec-Fetch-Site, " + name, request: q.with("Sec-Fetch-Site: cross-site"), all: refused(403, "browser")},
			rule{name: "Guard/Sec-Fetch-Dest, " + name, request: q.with("Sec-Fetch-Dest: image"), all: refused(403, "browser")},
			rule{name: "Guard/two anchors, " + name, request: q.with("X-AnchorMailbox: a@contoso.com").and("X-AnchorMailbox: b@contoso.com"), all: refused(400, "headers")},
			rule{name: "Guard/HTTP 1.2, " + name, request: q.in("HTTP/1.2"), all: refused(505, "protocol")},
			rule{name: "Guard/no credentials, " + name, request: q.withoutCredentials(), all: challenged("credentials").and(enabled).withUsers()},
			rule{name: "Guard/wrong credentials, " + name, request: q.with("Authorization: " + basic(clientUser, "wrong")), all: challenged("credentials").withUsers()},
			rule{name: "Guard/credentials without client users, " + name, request: q.with("Authorization: " + basic("x", "y")), all: want{status: 200, conn: "kept"}.withoutUsers()},
			rule{name: "Guard/a name of ours, " + name, request: q.with("Host: EWS.internal:443"), all: want{status: 200, conn: "kept"}},
		)
	}
	many := requests["SOAP"]
	many.lines = 101
	return append(rules,
		rule{name: "Guard/too many headers", request: many, all: refused(400, "headers")},
		rule{name: "Guard/native client on a browser's network stack", request: requests["POX"].with("Sec-Fetch-Site: none"), all: foundByPOX("alice@contoso.com")},
		rule{name: "Guard/address bar of a browser", request: requests["JSON"].with("Sec-Fetch-Site: none"), all: refused(403, "browser").closed()},
		rule{name: "Guard/an anchor off the list says nothing", request: requests["SOAP"].with("X-AnchorMailbox: DUMMY@example.com"), all: foundBySOAP("alice@contoso.com")},
		rule{name: "Guard/NTLM handshake", request: post(nil, "Authorization: NTLM "+ntlmNegotiate).to(svcPath), all: want{status: 401, recorded: "ntlm", conn: "kept"}.and(enabled).withoutUsers()},
		rule{name: "Guard/NTLM handshake in chunks", request: post(nil, "Authorization: NTLM "+ntlmNegotiate).to(poxPath).inChunks(), all: want{status: 401, recorded: "ntlm", conn: "kept"}.withoutUsers()},
		rule{name: "Guard/expectation", request: requests["SOAP"].with("Expect: 100-continue"), all: foundBySOAP("alice@contoso.com")},
		rule{name: "Guard/chunks", request: requests["POX"].inChunks(), all: foundByPOX("alice@contoso.com")},
		rule{name: "Guard/HTTP 1.0", request: requests["POX"].in("HTTP/1.0"), all: want{status: 200}},
	)
}

// foundRules are the rules about mailboxes that Autodiscover finds. The response
// names the mailbox in the spelling of the policy.
func foundRules() (rules []rule) {
	for _, c := range []struct{ name, sent, want string }{
		{"listed", "alice@contoso.com", "alice@contoso.com"},
		{"white space around it", "\r\n\t alice@contoso.com \n", "alice@contoso.com"},
		{"character reference", "alice&#64;contoso.com", "alice@contoso.com"},
		{"byte order mark", "alice@contoso.com", "alice@contoso.com"},
	} {
		soap, plain := getUserSettings(c.sent), outlookSettings(c.sent)
		if c.name == "byte order mark" {
			soap, plain = append([]byte("\xef\xbb\xbf"), soap...), append([]byte("\xef\xbb\xbf"), plain...)
		}
		rules = append(rules,
			rule{name: "Found/SOAP, " + c.name, request: post(soap).to(svcPath), all: foundBySOAP(c.want)},
			rule{name: "Found/POX, " + c.name, request: post(plain).to(poxPath), all: foundByPOX(c.want)},
		)
	}
	limited := func(w want) rule { return rule{list: w, audit: w} }
	upper := limited(foundBySOAP("alice@contoso.com"))
	upper.name, upper.request = "Found/upper case, in the spelling of the list", post(getUserSettings("ALICE@Contoso.COM")).to(svcPath)
	upperPOX := limited(foundByPOX("alice@contoso.com"))
	upperPOX.name, upperPOX.request = "Found/upper case in POX", post(outlookSettings("ALICE@Contoso.COM")).to(poxPath)
	wildcard := limited(foundBySOAP("room1@rooms.contoso.com"))
	wildcard.name, wildcard.request = "Found/wildcard, in lower case", post(getUserSettings("Room1@ROOMS.contoso.com")).to(svcPath)
	hundred, names := make([]string, 0, 101), make([]string, 0, 101)
	for i := range 100 {
		name := fmt.Sprintf("%s-%03d@rooms.contoso.com", strings.Repeat("q", 60), i)
		hundred, names = append(hundred, name), append(names, name)
	}
	return append(rules, upper, upperPOX, wildcard,
		rule{name: "Found/as written without a list", request: post(getUserSettings("Bob@Contoso.com")).to(svcPath), open: foundBySOAP("Bob@Contoso.com")},
		rule{name: "Found/100 users", request: post(getUserSettings(hundred...)).to(svcPath), all: foundBySOAP(names...)},
		rule{name: "Found/101 users", request: post(getUserSettings(append(hundred, "alice@contoso.com")...)).to(svcPath), all: faulted("ErrorSchemaValidation", "envelope-refused").and(mentions("1 to 100"))},
		rule{name: "Found/no memory for the document", request: post(getUserSettings("alice@contoso.com")).to(svcPath),
			config: func(c *proxy.Config) { discovering(c); c.BufferBudget = 1 << 10 }, all: faulted("ErrorServerBusy", "proxy-busy")},
		rule{name: "Found/no users", request: post(getUserSettings()).to(svcPath), all: faulted("ErrorSchemaValidation", "envelope-refused").and(mentions("1 to 100"))},
		rule{name: "Found/the same user twice", request: post(getUserSettings("alice@contoso.com", "alice@contoso.com")).to(svcPath), all: foundBySOAP("alice@contoso.com", "alice@contoso.com")},
	)
}

// refusedMailboxRules are the rules about mailboxes that Autodiscover does not find.
func refusedMailboxRules() (rules []rule) {
	for _, c := range []struct {
		name, mailbox string
		address       bool // the name is an address, so audit mode and a proxy without a list return the URL
	}{
		{"off the list", "ceo@contoso.com", true},
		{"domain continues", "alice@contoso.com.evil.example", true},
		{"entry for a user principal name", "dora@contoso.com", true},
		{"GUID under a wildcard", "5f0c6f7e-0000-4000-8000-0123456789ab@rooms.contoso.com", true},
		{"system mailbox under a wildcard", "SystemMailbox1@rooms.contoso.com", true},
		{"SID", "S-1-5-21-1-2-3-500", false},
		{"display name", "Alice", false},
		{"display name and address", "Alice &lt;alice@contoso.com&gt;", false},
		{"X500 address", "X500:/o=Contoso/ou=x/cn=Recipients/cn=alice", false},
		{"legacyDN", "/o=Contoso/ou=x/cn=Recipients/cn=alice", false},
		{"SMTP prefix", "SMTP:alice@contoso.com", false},
		{"logon name", `CONTOSO\alice`, false},
		{"two addresses", "alice@contoso.com;ceo@contoso.com", false},
		{"two lines", "alice@contoso.com\nceo@contoso.com", false},
		{"trailing dot", "alice@contoso.com.", false},
		{"full-width at", "alice\uff20contoso.com", false},
		{"Cyrillic a", "\u0430lice@contoso.com", false},
		{"markup", "&lt;script&gt;alert(1)&lt;/script&gt;@contoso.com", false},
		{"wildcard", "*@rooms.contoso.com", false},
		{"empty", "", false},
	} {
		target := jsonPath + "?Protocol=EWS&Email=" + url.QueryEscape(strings.NewReplacer("&lt;", "<", "&gt;", ">").Replace(c.mailbox))
		for _, form := range []struct {
			name           string
			request        request
			refused, found want
		}{
			{"SOAP", post(getUserSettings(c.mailbox)).to(svcPath), missingInSOAP(0), foundBySOAP(c.mailbox)},
			{"POX", post(outlookSettings(c.mailbox)).to(poxPath), poxErrorOf("500", "mailbox-not-allowed"), foundByPOX(c.mailbox)},
			{"JSON", get(target), missingInJSON, foundByJSON},
		} {
			r := rule{name: "Missing/" + form.name + ", " + c.name, request: form.request, list: form.refused, audit: form.refused, open: form.refused}
			if c.address {
				r.audit, r.open = form.found.and(audited("mailbox-not-allowed")), form.found.and(audited(""))
			}
			if c.mailbox == "" && form.name == "JSON" {
				r.list = jsonErrorOf(400, "MandatoryParameterMissing", "envelope-refused")
				r.audit, r.open = r.list, r.list
			}
			rules = append(rules, r)
		}
	}
	return append(rules,
		rule{name: "Missing/one of three", request: post(getUserSettings("alice@contoso.com", "ceo@contoso.com", "room1@rooms.contoso.com")).to(svcPath),
			list:  missingInSOAP(1).and(recordsMailbox("ceo@contoso.com")),
			audit: foundBySOAP("alice@contoso.com", "ceo@contoso.com", "room1@rooms.contoso.com").and(audited("mailbox-not-allowed"))},
		rule{name: "Missing/patterns of the client user", request: post(getUserSettings("alice@contoso.com")).to(svcPath), config: discoveringNarrow, list: missingInSOAP(0).and(mentions("no pattern of this client user")).withUsers()},
		rule{name: "Missing/within the patterns of the client user", request: post(getUserSettings("room1@rooms.contoso.com")).to(svcPath), config: discoveringNarrow, list: foundBySOAP("room1@rooms.contoso.com").withUsers()},
		rule{name: "Missing/patterns of the client user in POX", request: post(outlookSettings("alice@contoso.com")).to(poxPath), config: discoveringNarrow, list: poxErrorOf("500", "mailbox-not-allowed").withUsers()},
		rule{name: "Missing/patterns of the client user in JSON", request: get(jsonPath + "?Email=alice@contoso.com&Protocol=EWS"), config: discoveringNarrow, list: missingInJSON.withUsers()},
		rule{name: "Missing/exchangelib's probe", request: post(getUserSettings("DUMMY@example.com"), "X-AnchorMailbox: DUMMY@example.com").to(svcPath),
			all: want{status: 200, conn: "kept"}.and(soapCodes("InvalidUser"), audited(""))},
		rule{name: "Missing/another address of the probe's domain", request: post(getUserSettings("dummy@example.com")).to(svcPath), list: missingInSOAP(0)},
	)
}

// settingsRules are the rules about the settings that a SOAP response contains.
func settingsRules() []rule {
	const user = "<a:Users><a:User><a:Mailbox>alice@contoso.com</a:Mailbox></a:User></a:Users>"
	all := []string{"UserDN", "MailboxDN", "UserDisplayName", "AutoDiscoverSMTPAddress", "ExternalEwsUrl", "EwsSupportedSchemas", "InternalEwsUrl", "ExternalEwsUrl", "CasVersion", "AlternateMailboxes"}
	return []rule{
		{name: "Settings/one", request: post(userSettings(user, "ExternalEwsUrl")).to(svcPath), all: local(200).and(settings("ExternalEwsUrl=" + handedOut))},
		{name: "Settings/all that a client asks for", request: post(userSettings(user, all...)).to(svcPath),
			all: local(200).and(settings("UserDisplayName=alice@contoso.com", "AutoDiscoverSMTPAddress=alice@contoso.com", "InternalEwsUrl="+handedOut, "ExternalEwsUrl="+handedOut))},
		{name: "Settings/none that is known", request: post(userSettings(user, "EwsSupportedSchemas", "externalewsurl")).to(svcPath), all: local(200).and(settings())},
		{name: "Settings/none", request: post(userSettings(user)).to(svcPath), all: local(200).and(settings())},
		{name: "Settings/version of the server", request: post(getUserSettings("alice@contoso.com")).to(svcPath), all: foundBySOAP("alice@contoso.com").and(mentions("<h:ServerVersionInfo "), mentions("<h:MajorVersion>15<"))},
		{name: "Settings/requested version", request: post(userSettings(user+`<a:RequestedVersion xsi:nil="true"/>`, "ExternalEwsUrl")).to(svcPath), all: local(200).and(settings("ExternalEwsUrl=" + handedOut))},
	}
}

// autoURLRules are the rules for a proxy without a fixed URL. The URL then contains
// the Host of the client's request.
func autoURLRules() (rules []rule) {
	for host, want := range map[string]string{
		"localhost:8080": "http://localhost:8080/EWS/Exchange.asmx", "ews.internal": "http://ews.internal/EWS/Exchange.asmx", "[::1]:1": "http://[::1]:1/EWS/Exchange.asmx",
	} {
		rules = append(rules, rule{name: "Auto/" + host, request: get(jsonPath+"?Email=alice@contoso.com&Protocol=EWS", "Host: "+host), config: discoveringAuto, all: local(200).and(mentions(want))})
	}
	secure := post(getUserSettings("alice@contoso.com"), "Host: ews.internal").to(svcPath)
	secure.tls = true
	own := get(jsonPath+"?Email=alice@contoso.com&Protocol=EWS", "Host: 127.0.0.2:8080")
	own.listener = "127.0.0.2"
	return append(rules,
		rule{name: "Auto/TLS", request: secure, config: discoveringAuto, all: local(200).and(mentions("<Value>https://ews.internal/EWS/Exchange.asmx</Value>"))},
		rule{name: "Auto/loopback literal of the listener", request: own, config: discoveringAuto, all: local(200).and(mentions("http://127.0.0.2:8080/EWS/Exchange.asmx"))},
		rule{name: "Auto/foreign Host", request: secure.with("Host: evil.example"), config: discoveringAuto, all: refused(421, "host")},
		rule{name: "Auto/a header of a proxy in front is not believed", request: get(jsonPath+"?Email=alice@contoso.com&Protocol=EWS", "X-Forwarded-Host: evil.example", "X-Forwarded-Proto: https"),
			config: discoveringAuto, all: local(200).and(mentions("http://localhost:8080/EWS/Exchange.asmx"))},
	)
}

// autodiscoverProfileRules are the rules about the form of SOAP requests. They hold
// in every mode.
func autodiscoverProfileRules() (rules []rule) {
	good := string(getUserSettings("alice@contoso.com"))
	swap := func(old, new string) []byte {
		if strings.Count(good, old) == 0 {
			panic(old)
		}
		return []byte(strings.Replace(good, old, new, 1))
	}
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write([]byte(good))
	_ = z.Close()
	bad := faulted("ErrorSchemaValidation", "envelope-refused")
	ofSize := func(size int) []byte {
		return swap("</soap:Header>", strings.Repeat(" ", size-len(good))+"</soap:Header>")
	}
	at := func(body []byte, header ...string) request { return post(body, header...).to(svcPath) }
	for name, body := range map[string][]byte{
		"empty": {}, "no XML": []byte("Email=alice@contoso.com"), "white space": []byte(" \n"), "JSON": []byte(`{"Email":"alice@contoso.com"}`),
		"DOCTYPE":                        swap("<soap:Envelope", `<!DOCTYPE x [<!ENTITY y "alice@contoso.com">]><soap:Envelope`),
		"DOCTYPE without entities":       swap("<soap:Envelope", `<!DOCTYPE soap:Envelope><soap:Envelope`),
		"external entity":                swap("alice@contoso.com", "&xxe;"),
		"processing instruction":         swap("<soap:Envelope", `<?php x?><soap:Envelope`),
		"processing instruction inside":  swap("<a:Users>", `<?x y?><a:Users>`),
		"second declaration":             swap("<soap:Envelope", `<?xml version="1.0"?><soap:Envelope`),
		"CDATA":                          swap("alice@contoso.com", "<![CDATA[alice@contoso.com]]>"),
		"comment inside the mailbox":     swap("alice@", "alice<!-- -->@"),
		"comment before the mailbox":     swap("alice@contoso.com", "<!-- -->alice@contoso.com"),
		"comment after the mailbox":      swap("alice@contoso.com", "alice@contoso.com<!-- -->"),
		"element inside the mailbox":     swap("alice@contoso.com", "alice@contoso.com<a:x/>"),
		"type of the mailbox":            swap("<a:Mailbox>", `<a:Mailbox xsi:type="x">`),
		"two mailboxes in a user":        swap("</a:Mailbox>", `</a:Mailbox><a:Mailbox>ceo@contoso.com</a:Mailbox>`),
		"two lists of users":             swap("<a:RequestedSettings>", `<a:Users><a:User><a:Mailbox>ceo@contoso.com</a:Mailbox></a:User></a:Users><a:RequestedSettings>`),
		"two requests":                   swap("</a:GetUserSettingsRequestMessage>", `<a:Request/></a:GetUserSettingsRequestMessage>`),
		"two operations":                 swap("</soap:Body>", `<a:GetUserSettingsRequestMessage/></soap:Body>`),
		"two bodies":                     swap("</soap:Body>", `</soap:Body><soap:Body/>`),
		"two headers":                    swap("</soap:Header>", `</soap:Header><soap:Header/>`),
		"no body":                        []byte(strings.ReplaceAll(strings.ReplaceAll(good, "soap:Body>", "soap:Foot>"), "Body", "Foot")),
		"text in the body":               swap("<soap:Body>", "<soap:Body>x"),
		"text in the envelope":           swap("<soap:Body>", "x<soap:Body>"),
		"text in the list of users":      swap("<a:Users>", "<a:Users>x"),
		"unknown element of the request": swap("<a:Users>", "<a:Other/><a:Users>"),
		"unknown element of the users":   swap("<a:Users>", "<a:Users><a:Other/>"),
		"element without a namespace":    swap("<a:Users>", "<Users/><a:Users>"),
		"no settings":                    []byte(strings.ReplaceAll(good, "RequestedSettings", "RequestedVersion")),
		"prefix that is not declared":    swap("<a:Users>", "<b:Users/><a:Users>"),
		"attribute of an unknown prefix": swap("<a:Users>", `<a:Users b:x="1">`),
		"attribute twice":                swap("<a:Users>", `<a:Users x="1" x="2">`),
		"end tag that does not match":    swap("</a:Users>", "</a:User>"),
		"not complete":                   []byte(good[:len(good)-1]),
		"something after the document":   []byte(good + "x"),
		"second document":                []byte(good + good),
		"UTF-16 declared":                swap("utf-8", "utf-16"),
		"Latin-1 bytes":                  swap("alice@contoso.com", "alic\xe9@contoso.com"),
		"XML 1.1":                        swap(`"1.0"`, `"1.1"`),
		"control character":              swap("alice@contoso.com", "alice&#1;@contoso.com"),
		"SOAP 1.2":                       swap("http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope"),
		"nested too deep":                swap("</soap:Header>", strings.Repeat("<x>", 20)+strings.Repeat("</x>", 20)+"</soap:Header>"),
		"too many elements":              swap("</soap:Header>", strings.Repeat("<x/>", 3000)+"</soap:Header>"),
		"mailbox of 2000 characters":     swap("alice@contoso.com", strings.Repeat("a", 2000)+"@contoso.com"),
		"over 64 KiB":                    swap("</soap:Header>", strings.Repeat(" ", 64<<10)+"</soap:Header>"),
		"1 MiB":                          swap("</soap:Header>", strings.Repeat(" ", 1<<20)+"</soap:Header>"),
	} {
		rules = append(rules, rule{name: "Profile/" + name, request: at(body), all: bad.and(enabled)})
		if name == "1 MiB" || name == "empty" {
			rules = append(rules, rule{name: "Profile/in chunks, " + name, request: at(body).inChunks(), all: bad})
		}
	}
	for _, contentType := range []string{"text/plain", "application/xml", "application/soap+xml; charset=utf-8", "application/json", "multipart/form-data; boundary=x", "text/xml; charset=utf-16", "text/xml; charset", ""} {
		rules = append(rules,
			rule{name: "Profile/Content-Type " + contentType, request: at([]byte(good), "Content-Type: "+contentType), all: bad},
			rule{name: "Profile/POX, Content-Type " + contentType, request: post(outlookSettings("alice@contoso.com"), "Content-Type: "+contentType).to(poxPath), all: poxErrorOf("600", "envelope-refused")},
		)
	}
	for _, operation := range []string{"GetDomainSettings", "GetFederationInformation", "GetOrganizationRelationshipSettings", "GetUserSettingsResponse"} {
		body := soapMessage("<a:" + operation + "RequestMessage><a:Request><a:Domains><a:Domain>contoso.com</a:Domain></a:Domains></a:Request></a:" + operation + "RequestMessage>")
		rules = append(rules, rule{name: "Profile/operation " + operation, request: at(body), all: faulted("ErrorAccessDenied", "operation-not-allowed").and(mentions("GetUserSettings"))})
	}
	return append(rules,
		rule{name: "Profile/gzip", request: at(zipped.Bytes(), "Content-Encoding: gzip"), all: bad},
		rule{name: "Profile/identity", request: at([]byte(good), "Content-Encoding: identity"), all: foundBySOAP("alice@contoso.com")},
		rule{name: "Profile/charset in upper case", request: at([]byte(good), "Content-Type: text/xml; charset=UTF-8"), all: foundBySOAP("alice@contoso.com")},
		rule{name: "Profile/no charset", request: at([]byte(good), "Content-Type: text/xml"), all: foundBySOAP("alice@contoso.com")},
		rule{name: "Profile/comments between elements", request: at(swap("<a:Users>", "<!-- x --><a:Users><!-- y -->")), all: foundBySOAP("alice@contoso.com")},
		rule{name: "Profile/no header", request: at([]byte(good[:strings.Index(good, "<soap:Header>")] + good[strings.Index(good, "<soap:Body>"):])), all: foundBySOAP("alice@contoso.com")},
		rule{name: "Profile/other prefixes", request: at([]byte(strings.NewReplacer("soap:", "s:", ":soap=", ":s=", "a:", "", "xmlns:a=", "xmlns=").Replace(
			string(soapBodyOnly(good))))), all: foundBySOAP("alice@contoso.com")},
		rule{name: "Profile/WS-Security block", request: at(swap("</soap:Header>", `<w:Security xmlns:w="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd" soap:mustUnderstand="1"><w:UsernameToken/></w:Security></soap:Header>`)), all: foundBySOAP("alice@contoso.com")},
		rule{name: "Profile/64 KiB", request: at(ofSize(64 << 10)), all: foundBySOAP("alice@contoso.com")},
		rule{name: "Profile/64 KiB in chunks", request: at(ofSize(64 << 10)).inChunks(), all: foundBySOAP("alice@contoso.com")},
		rule{name: "Profile/64 KiB and a byte", request: at(ofSize(64<<10 + 1)), all: bad},
		rule{name: "Profile/64 KiB and a byte in chunks", request: at(ofSize(64<<10 + 1)).inChunks(), all: bad},
	)
}

// soapBodyOnly returns an envelope without the header.
func soapBodyOnly(envelope string) []byte {
	return []byte(envelope[:strings.Index(envelope, "<soap:Header>")] + envelope[strings.Index(envelope, "<soap:Body>"):])
}

// poxProfileRules are the rules about the form of POX requests.
func poxProfileRules() (rules []rule) {
	const address, schema = "<EMailAddress>alice@contoso.com</EMailAddress>", "<AcceptableResponseSchema>" + outlookResponse + "</AcceptableResponseSchema>"
	invalid, provider := poxErrorOf("600", "envelope-refused"), poxErrorOf("601", "operation-not-allowed")
	for _, c := range []struct {
		name string
		body []byte
		want want
	}{
		{"schema first", poxDocument(outlookRequest, schema+address), foundByPOX("alice@contoso.com")},
		{"address and legacyDN", poxDocument(outlookRequest, address+"<LegacyDN>/o=x/cn=ceo</LegacyDN>"+schema), foundByPOX("alice@contoso.com")},
		{"legacyDN alone", poxDocument(outlookRequest, "<LegacyDN>/o=x/cn=ceo</LegacyDN>"+schema), poxErrorOf("500", "mailbox-not-allowed")},
		{"request of a phone", poxDocument(mobileRequest, address+"<AcceptableResponseSchema>"+mobileResponse+"</AcceptableResponseSchema>"), provider},
		{"response for a phone", poxDocument(outlookRequest, address+"<AcceptableResponseSchema>"+mobileResponse+"</AcceptableResponseSchema>"), provider},
		{"older schema", poxDocument(outlookRequest, address+"<AcceptableResponseSchema>"+strings.TrimSuffix(outlookResponse, "a")+"</AcceptableResponseSchema>"), provider},
		{"no schema", poxDocument(outlookRequest, address), invalid},
		{"no address", poxDocument(outlookRequest, schema), invalid},
		{"two addresses", poxDocument(outlookRequest, address+address+schema), invalid},
		{"two schemas", poxDocument(outlookRequest, address+schema+schema), invalid},
		{"unknown element", poxDocument(outlookRequest, address+schema+"<Other/>"), invalid},
		{"element inside the address", poxDocument(outlookRequest, "<EMailAddress>alice@contoso.com<x/></EMailAddress>"+schema), invalid},
		{"comment inside the address", poxDocument(outlookRequest, "<EMailAddress>alice<!-- -->@contoso.com</EMailAddress>"+schema), invalid},
		{"comment before the address", poxDocument(outlookRequest, "<EMailAddress><!-- -->alice@contoso.com</EMailAddress>"+schema), invalid},
		{"comment after the address", poxDocument(outlookRequest, "<EMailAddress>alice@contoso.com<!-- --></EMailAddress>"+schema), invalid},
		{"text in the request", poxDocument(outlookRequest, "x"+address+schema), invalid},
		{"response schema as namespace", poxDocument(outlookResponse, address+schema), invalid},
		{"no namespace", []byte("<Autodiscover><Request>" + address + schema + "</Request></Autodiscover>"), invalid},
		{"another root", []byte(`<Discover xmlns="` + outlookRequest + `"><Request>` + address + schema + `</Request></Discover>`), invalid},
		{"DOCTYPE", append([]byte("<!DOCTYPE x>"), outlookSettings("alice@contoso.com")...), invalid},
		{"two requests", []byte(`<Autodiscover xmlns="` + outlookRequest + `"><Request>` + address + schema + `</Request><Request>` + address + schema + `</Request></Autodiscover>`), invalid},
		{"over 64 KiB", append(outlookSettings("alice@contoso.com"), bytes.Repeat([]byte(" "), 64<<10)...), invalid},
	} {
		rules = append(rules, rule{name: "POX/" + c.name, request: post(c.body).to(poxPath), all: c.want.and(enabled)})
	}
	return rules
}

// jsonQueryRules are the rules about the query of JSON requests.
func jsonQueryRules() (rules []rule) {
	missing, protocol, invalid := jsonErrorOf(400, "MandatoryParameterMissing", "envelope-refused"), jsonErrorOf(400, "InvalidProtocol", "envelope-refused"), jsonErrorOf(400, "InvalidRequest", "envelope-refused")
	for target, want := range map[string]want{
		jsonPath:                          missing,
		jsonPath + "?":                    missing,
		jsonPath + "?Protocol=EWS":        missing,
		jsonPath + "?Email=&Protocol=EWS": missing,
		jsonPath + "?Email=alice@contoso.com&email=alice@contoso.com&Protocol=EWS": missing,
		jsonPath + "/v1.0/alice@contoso.com?Email=ceo@contoso.com&Protocol=EWS":    missing,
		jsonPath + "?Email=alice@contoso.com":                                      missing,
		jsonPath + "?Email=alice@contoso.com&Protocol=":                            missing,
		jsonPath + "?Email=alice@contoso.com&Protocol=EWS&Protocol=EWS":            protocol,
		jsonPath + "?Email=alice@contoso.com&Protocol=ActiveSync":                  protocol,
		jsonPath + "?Email=alice@contoso.com&Protocol=AutodiscoverV1":              protocol,
		jsonPath + "/v1.0/alice@contoso.com":                                       missing,
		jsonPath + "?Email=alice@contoso.com&Protocol&Protocol=EWS":                protocol,
		jsonPath + "?Email=alice%4@contoso.com&Protocol=EWS":                       invalid,
		jsonPath + "?Email=alice@contoso.com&Protocol=%zz":                         invalid,
		jsonPath + "?Email=alice+x@contoso.com&Protocol=EWS":                       missingInJSON,
		jsonPath + "?Email=%20alice@contoso.com&Protocol=EWS":                      missingInJSON,
		jsonPath + "?Email=alice@contoso.com%00&Protocol=EWS":                      missingInJSON,
		jsonPath + "?Email=%22%3E%3Cscript%3E@contoso.com&Protocol=EWS":            missingInJSON,
	} {
		rules = append(rules, rule{name: "JSON/" + target, request: get(target), list: want.and(enabled)})
	}
	return rules
}

// soapDiscovery is an Autodiscover response in SOAP; see MS-OXWSADISC.
type soapDiscovery struct {
	XMLName xml.Name `xml:"http://schemas.xmlsoap.org/soap/envelope/ Envelope"`
	Major   int      `xml:"Header>ServerVersionInfo>MajorVersion"`
	Users   []struct {
		ErrorCode    string
		ErrorMessage string
		Settings     []struct {
			Type  string `xml:"http://www.w3.org/2001/XMLSchema-instance type,attr"`
			Name  string
			Value string
		} `xml:"UserSettings>UserSetting"`
	} `xml:"Body>GetUserSettingsResponseMessage>Response>UserResponses>UserResponse"`
}

func readSOAP(r *result) (soapDiscovery, string) {
	var d soapDiscovery
	if err := xml.Unmarshal([]byte(r.body), &d); err != nil || d.Major != 15 || r.header.Get("Content-Type") != "text/xml; charset=utf-8" {
		return d, fmt.Sprintf("no response in SOAP: %v in %q %.300s", err, r.header.Get("Content-Type"), r.body)
	}
	return d, ""
}

// soapCodes expects a SOAP response with these response codes, one for each
// user.
func soapCodes(codes ...string) func(*result) string {
	return func(r *result) string {
		d, problem := readSOAP(r)
		var got []string
		for _, user := range d.Users {
			got = append(got, user.ErrorCode)
			if user.ErrorCode == "InvalidUser" && user.Settings != nil {
				problem = "a mailbox that is not found has settings"
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(codes) {
			problem = fmt.Sprintf("codes %v, want %v", got, codes)
		}
		return problem
	}
}

// foundBySOAP expects a response that contains the URL for each of the
// addresses. The response also contains the addresses themselves if the request
// asks for them.
func foundBySOAP(addresses ...string) want {
	return want{status: 200, conn: "kept"}.and(enabled, func(r *result) string {
		d, problem := readSOAP(r)
		if problem != "" || len(d.Users) != len(addresses) {
			return fmt.Sprintf("%s: %d users, want %d", problem, len(d.Users), len(addresses))
		}
		for i, user := range d.Users {
			if len(user.Settings) == 0 || user.ErrorCode != "NoError" {
				return fmt.Sprintf("user %d: %+v", i, user)
			}
			for _, s := range user.Settings {
				want := handedOut
				if s.Name == "AutoDiscoverSMTPAddress" || s.Name == "UserDisplayName" {
					want = addresses[i]
				}
				if s.Type != "StringSetting" || s.Value != want {
					return fmt.Sprintf("user %d has %+v, want %s", i, s, want)
				}
			}
		}
		return ""
	})
}

// missingInSOAP expects that every user is found except the user with this index.
func missingInSOAP(index int) want {
	return want{status: 200, reason: "mailbox-not-allowed", conn: "kept"}.and(enabled, func(r *result) string {
		d, problem := readSOAP(r)
		for i, user := range d.Users {
			if (user.ErrorCode == "InvalidUser") != (i == index) || i == index && (user.Settings != nil || !strings.Contains(user.ErrorMessage, r.record.ID)) {
				problem = fmt.Sprintf("user %d: %+v", i, user)
			}
		}
		if len(d.Users) <= index {
			problem += " no response for the user"
		}
		return problem
	})
}

// settings expects these settings for one user, in this order.
func settings(want ...string) func(*result) string {
	return func(r *result) string {
		d, problem := readSOAP(r)
		if problem != "" || len(d.Users) != 1 {
			return fmt.Sprintf("%s: %d users", problem, len(d.Users))
		}
		var got []string
		for _, s := range d.Users[0].Settings {
			got = append(got, s.Name+"="+s.Value)
		}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			return fmt.Sprintf("settings %q, want %q", got, want)
		}
		return ""
	}
}

// poxDiscovery is an Autodiscover response in POX; see MS-OXDSCLI.
type poxDiscovery struct {
	XMLName  xml.Name `xml:"http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006 Autodiscover"`
	Response struct {
		XMLName xml.Name
		Address string `xml:"User>AutoDiscoverSMTPAddress"`
		Action  string `xml:"Account>Action"`
		Blocks  []struct {
			Type, EwsUrl, ASUrl string
		} `xml:"Account>Protocol"`
		Error *struct {
			Time      string `xml:",attr"`
			Id        string `xml:",attr"`
			ErrorCode string
			Message   string
			DebugData string
		}
	}
}

func readPOX(r *result) (poxDiscovery, string) {
	var d poxDiscovery
	if err := xml.Unmarshal([]byte(r.body), &d); err != nil || r.header.Get("Content-Type") != "text/xml; charset=utf-8" || !strings.HasPrefix(r.body, "<?xml ") {
		return d, fmt.Sprintf("no response in POX: %v in %q %.300s", err, r.header.Get("Content-Type"), r.body)
	}
	return d, ""
}

// foundByPOX expects a response that contains the URL for the address.
func foundByPOX(address string) want {
	return want{status: 200, conn: "kept"}.and(enabled, func(r *result) string {
		d, problem := readPOX(r)
		p := d.Response
		if problem == "" && (p.Error != nil || p.XMLName.Space != outlookResponse || p.Address != address || p.Action != "settings" || len(p.Blocks) != 2) {
			return fmt.Sprintf("want %s: %+v", address, p)
		}
		for i, block := range p.Blocks {
			if block.Type != []string{"EXCH", "EXPR"}[i] || block.EwsUrl != handedOut || block.ASUrl != handedOut {
				return fmt.Sprintf("%+v", block)
			}
		}
		return problem
	})
}

// poxErrorOf expects an error in POX.
func poxErrorOf(code, reason string) want {
	return want{status: 200, reason: reason, conn: "kept"}.and(enabled, func(r *result) string {
		d, problem := readPOX(r)
		e := d.Response.Error
		if problem == "" && (e == nil || e.ErrorCode != code || e.Time == "" || e.Id == "" || e.Message == "" || !strings.Contains(e.DebugData, r.record.ID) || d.Response.Blocks != nil) {
			return fmt.Sprintf("error %+v, want %s", e, code)
		}
		return problem
	})
}

// foundByJSON expects a response that contains the URL.
var foundByJSON = want{status: 200, conn: "kept"}.and(enabled, func(r *result) string {
	return jsonFields(r, map[string]string{"Protocol": "EWS", "Url": handedOut}, "")
})

var missingInJSON = jsonErrorOf(404, "UserNotFound", "mailbox-not-allowed").and(mentions("The given user is not found"))

// jsonErrorOf expects an error in JSON.
func jsonErrorOf(status int, code, reason string) want {
	return want{status: status, reason: reason, conn: "kept"}.and(enabled, func(r *result) string {
		return jsonFields(r, map[string]string{"ErrorCode": code}, "ErrorMessage")
	})
}

// jsonFields checks that the response is a JSON object with exactly the fields in
// the map want. If further is not "", the object must also have a field of that
// name that is not empty. jsonFields returns what is wrong, or "".
func jsonFields(r *result, want map[string]string, further string) string {
	got := make(map[string]string)
	if err := json.Unmarshal([]byte(r.body), &got); err != nil || r.header.Get("Content-Type") != "application/json; charset=utf-8" {
		return fmt.Sprintf("no response in JSON: %v in %q %.300s", err, r.header.Get("Content-Type"), r.body)
	}
	if further != "" {
		if got[further] == "" {
			return further + " is empty"
		}
		delete(got, further)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		return fmt.Sprintf("%v, want %v", got, want)
	}
	return ""
}

// enabled expects the headers of a response at a path of Autodiscover. Every such
// response has them if the request has passed the checks.
func enabled(r *result) string {
	for _, line := range r.lines {
		if line == "X-SOAP-Enabled: True" { // case-sensitive, because net/http would write X-Soap-Enabled
			return responded("Cross-Origin-Resource-Policy", "same-origin")(r) + responded("X-Content-Type-Options", "nosniff")(r) + responded("Cache-Control", "no-store")(r)
		}
	}
	return fmt.Sprintf("X-SOAP-Enabled is missing in %q", r.lines)
}

func notEnabled(r *result) string { return responded("X-Soap-Enabled", "")(r) }

// operation expects the operation in the record.
func operation(name string) func(*result) string {
	return func(r *result) string {
		if r.record.Operation != name || r.record.Known != name {
			return fmt.Sprintf("the record has the operations %q and %q, want %q", r.record.Operation, r.record.Known, name)
		}
		return ""
	}
}

// recordsMailbox expects the mailbox in the record.
func recordsMailbox(mailbox string) func(*result) string {
	return func(r *result) string {
		if r.record.Mailbox != mailbox {
			return fmt.Sprintf("the record has the mailbox %q, want %q", r.record.Mailbox, mailbox)
		}
		return ""
	}
}

// asked expects that the record names the service Autodiscover if target, a path that
// is not served, belongs to Autodiscover.
func asked(target string) func(*result) string {
	return func(r *result) string {
		if want := strings.HasPrefix(target, "/autodiscover/"); want && r.record.Asked != proxy.ServiceAutodiscover {
			return fmt.Sprintf("the record has %q", r.record.Asked)
		}
		return ""
	}
}

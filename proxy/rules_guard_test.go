package proxy_test

import "strings"

// valid is the body of a POST that is forwarded in every setup.
var valid = envelope("alice@contoso.com", getFolder)

// guardRules are the rules of the section Guard of docs/design.md.
func guardRules() (rules []rule) {
	rules = append(rules, targetRules()...)
	rules = append(rules, hostRules()...)
	rules = append(rules, browserRules()...)
	rules = append(rules, protocolRules()...)
	rules = append(rules, headerLimitRules()...)
	return append(rules, connectionRules()...)
}

const endpointCalled = "POST /Published/Exchange.asmx HTTP/1.1"

// targetRules are the rules about methods and targets. The URL of a request to
// Exchange always comes from the configuration.
func targetRules() []rule {
	rules := []rule{
		{name: "Target/POST of the endpoint", request: post(valid), all: forwarded(called(endpointCalled))},
		{name: "Target/POST in lower case", request: post(valid).to("/ews/exchange.asmx"), all: forwarded(called(endpointCalled))},
		{name: "Target/POST in upper case", request: post(valid).to("/EWS/EXCHANGE.ASMX"), all: forwarded(called(endpointCalled))},
		{name: "Target/GET of the endpoint", request: get("/EWS/Exchange.asmx"), all: local(200).kept().and(mentions("hmaproxy"))},
		{name: "Target/GET of the endpoint in lower case", request: get("/ews/exchange.asmx"), all: local(200).kept().and(mentions("hmaproxy"))},
		{name: "Target/HEAD of the endpoint", request: get("/EWS/Exchange.asmx").by("HEAD"), all: local(200).kept().and(noText)},
		{name: "Target/GET of the endpoint with a body", request: get("/EWS/Exchange.asmx").sending("x"), all: refused(400, "body").closed().and(mentions("a GET must not have a body"))},
		{name: "Target/HEAD of the endpoint with a body", request: get("/EWS/Exchange.asmx").by("HEAD").sending("x"), all: refused(400, "body").closed()},
		{name: "Target/GET of the endpoint with a body in chunks", request: get("/EWS/Exchange.asmx").sending("x").inChunks(), all: refused(400, "body").closed()},
		{name: "Target/GET of a document with a body", request: get("/EWS/types.xsd").sending("x"), all: refused(400, "body").closed()},
	}
	for target, line := range map[string]string{
		"/EWS/Exchange.asmx?wsdl": "GET /Published/Exchange.asmx?wsdl HTTP/1.1",
		"/ews/EXCHANGE.asmx?WSDL": "GET /Published/Exchange.asmx?wsdl HTTP/1.1",
		"/EWS/Services.wsdl":      "GET /Published/Services.wsdl HTTP/1.1",
		"/EWS/messages.xsd":       "GET /Published/messages.xsd HTTP/1.1",
		"/EWS/types.xsd":          "GET /Published/types.xsd HTTP/1.1",
		"/ews/TYPES.XSD":          "GET /Published/types.xsd HTTP/1.1",
	} {
		rules = append(rules,
			rule{name: "Target/GET " + target, request: get(target), all: forwarded(called(line))},
			rule{name: "Target/POST " + target, request: post(valid).to(target), all: refused(405, "method")},
			rule{name: "Target/HEAD " + target, request: get(target).by("HEAD"), all: refused(405, "method").closed()},
		)
	}
	for _, method := range []string{"PUT", "DELETE", "PATCH", "PROPFIND", "SEARCH", "RPC_IN_DATA", "post", "POSTX"} {
		rules = append(rules, rule{
			name: "Target/" + method + " of the endpoint", request: post(valid).by(method),
			all: refused(405, "method").closed().and(responded("Allow", "POST, GET, HEAD")),
		})
	}
	for _, target := range []string{
		"/", "/EWS", "/EWS/", "/EWS/Exchange.asmx/", "/EWS/Exchange.asmx/s/GetUserPhoto?email=ceo@contoso.com&size=HR48x48",
		"/EWS/Exchange.asmx/wssecurity", "/EWS/Exchange.asmx/wssecurity/symmetrickey", "/EWS/Exchange.asmx?", "/EWS/Exchange.asmx?x=1",
		"/EWS/Exchange.asmx?wsdl=1", "/EWS/Exchange.asmx?wsdl&x", "/EWS/Exchange.asmx;x=y", "/EWS/Exchange.asmx.", "/EWS/Exchange.asmx%20",
		"/EWS%2fExchange.asmx", "/EWS%2FExchange.asmx", "/%45WS/Exchange.asmx", "/EWS/Exchange%2easmx", "/EWS/./Exchange.asmx",
		"/EWS/../EWS/Exchange.asmx", "/EWS/x/../Exchange.asmx", "/EWS//Exchange.asmx", "//EWS/Exchange.asmx", "/EWS\\Exchange.asmx",
		"/owa/", "/PowerShell/", "/mapi/emsmdb/", "/Microsoft-Server-ActiveSync", "/OAB/", "/api/v2.0/me/messages", "/rpc/rpcproxy.dll",
		"/EWS/Services.wsdl?x", "/EWS/types.xsd/", "/EWS/errors.xsd", "/autodiscover/autodiscover.xml", "/autodiscover/autodiscover.svc",
		"/EWS/E\u212axchange.asmx", "/EW\u017f/Exchange.asmx",
	} {
		rules = append(rules, rule{name: "Target/POST " + target, request: post(valid).to(target), all: refused(404, "path")})
		if !strings.Contains(target, "wsdl") {
			rules = append(rules, rule{name: "Target/GET " + target, request: get(target), all: refused(404, "path").closed()})
		}
	}
	return rules
}

func noText(r *result) string {
	if r.body != "" {
		return "a response to HEAD has a body"
	}
	return ""
}

// sending returns q with a body. It is used for GET and HEAD requests.
func (q request) sending(body string) request {
	q.body = []byte(body)
	return q
}

// hostRules are the rules about the Host header.
func hostRules() (rules []rule) {
	for _, host := range []string{
		"localhost", "localhost:8080", "localhost:0", "localhost:9", "localhost:99999", "LOCALHOST", "LocalHost:8080",
		"127.0.0.1", "127.0.0.1:1234", "[::1]", "[::1]:8080", "ews.internal", "ews.internal:443", "EWS.Internal",
	} {
		rules = append(rules,
			rule{name: "Host/POST to " + host, request: post(valid, "Host: "+host), all: forwarded()},
			rule{name: "Host/GET of " + host, request: get("/EWS/types.xsd", "Host: "+host), all: forwarded()},
		)
	}
	for _, host := range []string{
		"evil.example", "evil.example:8080", "localhost.evil.example", "localhost.", "notlocalhost", "127.0.0.1.nip.io",
		"localhost:", "localhost:123456", "localhost:80a", "localhost:a80", "localhost:-1", "localhost:8080:8080", "0.0.0.0", "127.1", "127.0.0.2",
		"2130706433", "[::]", "[::2]:8080", "::1", "[::ffff:127.0.0.1]", "[::1", "ews.internal.evil.example", "x.ews.internal", "ews", "",
	} {
		rules = append(rules,
			rule{name: "Host/POST to " + host, request: post(valid, "Host: "+host), all: refused(421, "host").and(mentions("HMA_HOST_NAMES"))},
			rule{name: "Host/GET of " + host, request: get("/EWS/Exchange.asmx", "Host: "+host), all: refused(421, "host").closed().and(mentions("HMA_HOST_NAMES"))},
		)
	}
	own := post(valid, "Host: 127.0.0.2:8080")
	own.listener = "127.0.0.2"
	usual := post(valid, "Host: 127.0.0.1:8080")
	usual.listener = "127.0.0.2"
	other := post(valid, "Host: 127.0.0.3:8080")
	other.listener = "127.0.0.2"
	outside := post(valid, "Host: 192.0.2.1:8080")
	outside.listener = "192.0.2.1"
	unnamed := post(valid).without("Host").in("HTTP/1.0")
	unnamed.listener = "192.0.2.1"
	short := post(valid, "Host: x")
	short.listener = "192.0.2.1"
	return append(rules,
		rule{name: "Host/loopback literal of the listener", request: own, all: forwarded()},
		rule{name: "Host/127.0.0.1 at another loopback listener", request: usual, all: forwarded()},
		rule{name: "Host/loopback literal of another listener", request: other, all: refused(421, "host")},
		rule{name: "Host/literal of a listener beyond loopback", request: outside, all: refused(421, "host")},
		rule{name: "Host/none at a listener beyond loopback", request: unnamed, all: refused(421, "host")},
		rule{name: "Host/a foreign name at a listener beyond loopback", request: short, all: refused(421, "host")},
		rule{name: "Host/user info", request: post(valid, "Host: user@localhost"), all: want{status: 400, conn: "closed"}},
		rule{name: "Host/two of them", request: post(valid).and("Host: localhost"), all: want{status: 400, conn: "closed"}},
		rule{name: "Host/none in HTTP_1.1", request: post(valid).without("Host"), all: want{status: 400, conn: "closed"}},
	)
}

// browserRules are the rules about requests that a browser sends for a web page.
func browserRules() (rules []rule) {
	for _, line := range []string{
		"Origin: https://evil.example", "Origin: null", "Origin:", "Origin: http://localhost:8080",
		"Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Site:", "Sec-Fetch-Site: None",
		"Sec-Fetch-Site: none, cross-site",
		"Sec-Fetch-Dest: document", "Sec-Fetch-Dest: empty", "Sec-Fetch-Dest: script", "Sec-Fetch-Dest:",
	} {
		rules = append(rules,
			rule{name: "Browser/POST with " + line, request: post(valid, line), all: refused(403, "browser")},
			rule{name: "Browser/GET with " + line, request: get("/EWS/types.xsd", line), all: refused(403, "browser").closed()},
			rule{name: "Browser/probe with " + line, request: get("/EWS/Exchange.asmx", line), all: refused(403, "browser").closed()},
		)
	}
	none := post(valid, "Sec-Fetch-Site: none")
	return append(rules,
		rule{name: "Browser/Sec-Fetch-Mode alone", request: post(valid, "Sec-Fetch-Mode: cors"), all: forwarded(headerSent("Sec-Fetch-Mode", ""))},
		rule{name: "Browser/Sec-Fetch-Mode alone on a GET", request: get("/EWS/types.xsd", "Sec-Fetch-Mode: cors"), all: forwarded(headerSent("Sec-Fetch-Mode", ""))},
		rule{name: "Browser/Sec-Fetch-Site none on a text_xml POST", request: none, all: forwarded(headerSent("Sec-Fetch-Site", ""))},
		rule{name: "Browser/Sec-Fetch-Site none with Sec-Fetch-Dest empty", request: none.with("Sec-Fetch-Dest: empty"), all: forwarded()},
		rule{name: "Browser/Sec-Fetch-Site none with Sec-Fetch-Dest document", request: none.with("Sec-Fetch-Dest: document"), all: refused(403, "browser")},
		rule{name: "Browser/Sec-Fetch-Site none with Origin", request: none.with("Origin: https://evil.example"), all: refused(403, "browser")},
		rule{name: "Browser/Sec-Fetch-Site none with Origin null", request: none.with("Origin: null"), all: refused(403, "browser")},
		rule{name: "Browser/Sec-Fetch-Site none and another", request: none.and("Sec-Fetch-Site: cross-site"), all: refused(403, "browser")},
		rule{name: "Browser/Sec-Fetch-Site none on text_plain", request: none.with("Content-Type: text/plain"), all: refused(403, "browser")},
		rule{name: "Browser/Sec-Fetch-Site none without Content-Type", request: none.without("Content-Type"), all: refused(403, "browser")},
		rule{name: "Browser/Sec-Fetch-Site none on a GET", request: get("/EWS/types.xsd", "Sec-Fetch-Site: none"), all: refused(403, "browser").closed()},
		rule{name: "Browser/Sec-Fetch-Site none on a GET of text_xml", request: get("/EWS/types.xsd", "Sec-Fetch-Site: none", "Content-Type: text/xml"), all: refused(403, "browser").closed()},
		rule{name: "Browser/WebSocket handshake", request: get("/EWS/Exchange.asmx", "Connection: Upgrade", "Upgrade: websocket",
			"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13", "Origin: https://evil.example"), all: refused(403, "browser").closed()},
	)
}

// protocolRules are the rules about HTTP versions, methods and forms of targets.
func protocolRules() []rule {
	return []rule{
		{name: "Protocol/HTTP 1.0 with a Host", request: post(valid).in("HTTP/1.0"), all: want{status: 200, sent: 1}},
		{name: "Protocol/HTTP 1.0 without a Host", request: post(valid).in("HTTP/1.0").without("Host"), all: refused(421, "host")},
		{name: "Protocol/HTTP 1.2", request: post(valid).in("HTTP/1.2"), all: refused(505, "protocol")},
		{name: "Protocol/HTTP 1.2 GET", request: get("/EWS/types.xsd").in("HTTP/1.2"), all: refused(505, "protocol").closed()},
		{name: "Protocol/HTTP 2.0 in the request line", request: post(valid).in("HTTP/2.0"), all: want{status: 505, conn: "closed"}},
		{name: "Protocol/HTTP 0.9", request: post(valid).in("HTTP/0.9"), all: want{status: 505, conn: "closed"}},
		{name: "Protocol/TRACE", request: get("/EWS/Exchange.asmx").by("TRACE"), all: refused(405, "method").closed().and(responded("Allow", "POST, GET, HEAD"))},
		{name: "Protocol/OPTIONS", request: get("/EWS/Exchange.asmx").by("OPTIONS"), all: refused(405, "method").closed()},
		{name: "Protocol/OPTIONS of everything", request: get("*").by("OPTIONS"), all: refused(405, "method").closed()},
		{name: "Protocol/CONNECT", request: get("mail.contoso.com:443").by("CONNECT"), all: refused(405, "method").closed()},
		{name: "Protocol/CONNECT to the endpoint", request: get("/EWS/Exchange.asmx").by("CONNECT"), all: refused(405, "method").closed()},
		{name: "Protocol/absolute form of the proxy", request: post(valid).to("http://localhost:8080/EWS/Exchange.asmx"), all: refused(400, "target")},
		{name: "Protocol/absolute form of Exchange", request: post(valid, "Host: localhost").to("https://mail.contoso.com/EWS/Exchange.asmx"), all: refused(400, "target")},
		{name: "Protocol/absolute form in a GET", request: get("http://localhost/EWS/types.xsd"), all: refused(400, "target").closed()},
		{name: "Protocol/target without a slash", request: post(valid).to("EWS/Exchange.asmx"), all: want{status: 400, conn: "closed"}},
		{name: "Protocol/Upgrade to h2c on a POST", request: post(valid, "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA", "Connection: Upgrade, HTTP2-Settings"),
			all: forwarded(headerSent("Upgrade", ""), headerSent("Connection", ""), headerSent("HTTP2-Settings", ""))},
		{name: "Protocol/Upgrade to a WebSocket", request: get("/EWS/Exchange.asmx", "Upgrade: websocket", "Connection: Upgrade"), all: local(200)},
	}
}

// headerLimitRules are the rules about number, size and repetition of headers.
func headerLimitRules() (rules []rule) {
	lines := func(n int) request { q := post(valid); q.lines = n; return q }
	size := func(n int) request { q := post(valid); q.size = n; return q }
	rules = append(rules,
		rule{name: "Headers/100 lines", request: lines(100), all: forwarded()},
		rule{name: "Headers/101 lines", request: lines(101), all: refused(400, "headers").and(mentions("100"))},
		rule{name: "Headers/1000 lines", request: lines(1000), all: refused(400, "headers")},
		rule{name: "Headers/64 KiB", request: size(64 << 10), all: forwarded()},
		rule{name: "Headers/64 KiB and a byte", request: size(64<<10 + 1), all: refused(400, "headers").and(mentions("65536"))},
		rule{name: "Headers/100 KiB", request: size(100 << 10), all: refused(400, "headers")},
		rule{name: "Headers/1 MiB", request: size(1 << 20), all: want{status: 431, conn: "closed"}},
	)
	for _, line := range []string{
		"Content-Type: text/xml", "Content-Encoding: identity", "SOAPAction: x", "User-Agent: x", "client-request-id: x", "return-client-request-id: true",
		"X-AnchorMailbox: alice@contoso.com", "X-PreferServerAffinity: true", "X-BackEndOverrideCookie: BE1~1941996295", "X-EWS-TargetVersion: V2015_10_05",
		"X-PublicFolderMailbox: alice@contoso.com", "X-OWA-ExplicitLogonUser: alice@contoso.com", "Expect: 100-continue",
	} {
		rules = append(rules, rule{
			name:    "Headers/" + headerName(line) + " twice",
			request: post(valid, line).and(line),
			all:     refused(400, "headers").and(mentions("more than once")),
		})
	}
	rules = append(rules,
		rule{name: "Headers/Content-Length twice, the same", request: post(valid).and("Content-Length: 640"), all: want{status: 400, conn: "closed"}},
		rule{name: "Headers/Accept twice", request: post(valid, "Accept: text/xml").and("Accept: application/xml"), all: forwarded(headerSent("Accept", "text/xml | application/xml"))},
		rule{name: "Headers/Cookie twice", request: post(valid, "Cookie: exchangecookie=1").and("Cookie: ClientId=2"), all: forwarded(headerSent("Cookie", "exchangecookie=1; ClientId=2"))},
		rule{name: "Headers/unknown header twice", request: post(valid, "X-A: 1").and("X-A: 2"), all: forwarded(headerSent("X-A", ""))},
	)
	return rules
}

// connectionRules are the rules that say which refusals close the connection.
func connectionRules() []rule {
	many := post(valid)
	many.lines = 101
	return []rule{
		{name: "Connection/POST with a foreign Host is drained", request: post(valid, "Host: evil.example"), all: refused(421, "host").kept()},
		{name: "Connection/POST from a browser is drained", request: post(valid, "Origin: null"), all: refused(403, "browser").kept()},
		{name: "Connection/POST to another path is drained", request: post(valid).to("/owa/"), all: refused(404, "path").kept()},
		{name: "Connection/POST with too many headers is drained", request: many, all: refused(400, "headers").kept()},
		{name: "Connection/POST in chunks with foreign Host is drained", request: post(valid, "Host: evil.example").inChunks(), all: refused(421, "host").kept()},
		{name: "Connection/POST that refuses to stay open", request: post(valid, "Host: evil.example", "Connection: close"), all: refused(421, "host").closed()},
	}
}

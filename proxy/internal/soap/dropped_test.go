package soap

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hmaproxy/proxy/ews"
	"hmaproxy/proxy/policy"
)

// allowsAlice reports whether a policy that allows only alice@contoso.com
// allows the request that s has scanned.
func allowsAlice(t testing.TB, s *Scanner) bool {
	t.Helper()
	patterns, err := policy.ParsePatterns("alice@contoso.com")
	if err != nil {
		t.Fatal(err)
	}
	p, err := policy.New(policy.Config{Allowed: patterns})
	if err != nil {
		t.Fatal(err)
	}
	if s.Request() == nil {
		return false
	}
	decision, refusal := p.Decide(s.Request(), "")
	return refusal == nil && decision.Identity.Value == "alice@contoso.com"
}

// Namespaces and an actor that SOAP toolkits write.
const (
	xsi  = "http://www.w3.org/2001/XMLSchema-instance"
	next = "http://schemas.xmlsoap.org/soap/actor/next" // SOAP 1.1 section 4.2.2
	wsa  = "http://www.w3.org/2005/08/addressing"
	wsse = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
)

// A headCase is a head with attributes and header blocks that SOAP toolkits
// add. Each field from envelope to id contains the added attributes of one
// element.
type headCase struct {
	name                                                    string
	envelope, header, body, version, impersonation, sid, id string // attributes that are added to the element
	blocks                                                  string
	allowed                                                 bool
}

func (c headCase) document() []byte {
	return []byte(`<s:Envelope xmlns:s="` + ews.EnvelopeNS + `" xmlns:t="` + ews.TypesNS + `" xmlns:m="` + ews.MessagesNS +
		`" xmlns:xsi="` + xsi + `" xmlns:xsd="http://www.w3.org/2001/XMLSchema" ` + c.envelope + `><s:Header ` + c.header + `>` + c.blocks +
		`<t:RequestServerVersion ` + c.version + ` Version="Exchange2016"/><t:ExchangeImpersonation ` + c.impersonation + `><t:ConnectingSID ` + c.sid +
		`><t:PrimarySmtpAddress ` + c.id + `>alice@contoso.com</t:PrimarySmtpAddress></t:ConnectingSID></t:ExchangeImpersonation></s:Header><s:Body ` +
		c.body + `><m:GetRooms/></s:Body></s:Envelope>`)
}

// TestToolkitAttributes adds attributes and header blocks of SOAP toolkits to
// an envelope. The request is allowed if an addition cannot change the mailbox,
// and refused if it could.
func TestToolkitAttributes(t *testing.T) {
	const toNext = `s:actor="` + next + `"`
	for _, c := range []headCase{
		{name: "plain", allowed: true},

		{name: "empty actor", version: `s:actor=""`, impersonation: `s:actor=""`, allowed: true},
		{name: "actor next", version: toNext, impersonation: toNext + ` s:mustUnderstand="0"`, allowed: true},
		{name: "actor next with mustUnderstand", impersonation: toNext + ` s:mustUnderstand="1"`, version: `s:mustUnderstand="1"`, allowed: true},
		{name: "other actor on the impersonation", impersonation: `s:actor="urn:x"`},
		{name: "other actor on the version", version: `s:actor="urn:x"`},
		{name: "other actor on a foreign block", blocks: `<x xmlns="urn:x" s:actor="urn:y"/>`},
		{name: "actor next on a foreign block", blocks: `<x xmlns="urn:x" s:actor="` + next + `"/>`, allowed: true},
		{name: "blank actor", impersonation: `s:actor=" "`},
		{name: "actor next with more", impersonation: `s:actor="` + next + `/x"`},
		{name: "actor of no namespace", impersonation: `actor=""`},
		{name: "actor on ConnectingSID", sid: `s:actor=""`},
		{name: "actor on the name", id: toNext},
		{name: "role of SOAP 1.2", impersonation: `s:role=""`},

		{name: "mustUnderstand on the three elements", impersonation: `s:mustUnderstand="1"`, sid: `s:mustUnderstand="0"`, id: `s:mustUnderstand="0"`, allowed: true},
		{name: "mustUnderstand not a boolean", impersonation: `s:mustUnderstand="maybe"`},

		{name: "nil ManagementRole", blocks: `<t:ManagementRole xsi:nil="true"/>`, allowed: true},
		{name: "nil ManagementRole with an end tag", blocks: `<t:ManagementRole xsi:nil="true"> </t:ManagementRole>`, allowed: true},
		{name: "all nil", blocks: `<t:ManagementRole xsi:nil="true"/><t:SerializedSecurityContext xsi:nil="true"/><t:MailboxCulture xsi:nil="true"/><t:TimeZoneContext xsi:nil="true"/><t:DateTimePrecision xsi:nil="true"/>`, allowed: true},
		{name: "nil under another prefix", blocks: `<t:ManagementRole xmlns:i="` + xsi + `" i:nil="true"/>`, allowed: true},
		{name: "ManagementRole without nil", blocks: `<t:ManagementRole/>`},
		{name: "nil false", blocks: `<t:ManagementRole xsi:nil="false"/>`},
		{name: "nil with a child", blocks: `<t:ManagementRole xsi:nil="true"><t:UserRoles/></t:ManagementRole>`},
		{name: "nil with text", blocks: `<t:ManagementRole xsi:nil="true">x</t:ManagementRole>`},
		{name: "nil with a reference", blocks: `<t:ManagementRole xsi:nil="true">&#65;</t:ManagementRole>`},
		{name: "nil with mustUnderstand", blocks: `<t:ManagementRole xsi:nil="true" s:mustUnderstand="1"/>`},
		{name: "nil with an attribute", blocks: `<t:OpenAsAdminOrSystemService xsi:nil="true" LogonType="Admin"/>`},
		{name: "nil of a foreign namespace", blocks: `<t:ManagementRole xmlns:x="urn:x" x:nil="true"/>`},
		{name: "nil of no namespace", blocks: `<t:ManagementRole nil="true"/>`},
		{name: "nil culture with text", blocks: `<t:MailboxCulture xsi:nil="true">en-US</t:MailboxCulture>`},
		{name: "nil twice", blocks: `<t:ManagementRole xsi:nil="true"/><t:ManagementRole xsi:nil="true"/>`},
		{name: "nil and not nil", blocks: `<t:RequestServerVersion xsi:nil="true"/>`},
		{name: "nil of an unknown block", blocks: `<t:Unknown xsi:nil="true"/>`},
		{name: "nil of a known block in messages", blocks: `<m:ManagementRole xsi:nil="true"/>`},
		{name: "nil impersonation", impersonation: `xsi:nil="true"`},
		{name: "second, nil impersonation", blocks: `<t:ExchangeImpersonation xsi:nil="true"/>`},
		{name: "nil name", id: `xsi:nil="true"`},

		{name: "xsi:type on the impersonation", impersonation: `xsi:type="t:ExchangeImpersonationType"`},
		{name: "xsi:type on ConnectingSID", sid: `xsi:type="t:ConnectingSIDType"`},
		{name: "xsi:type on the name", id: `xsi:type="xsd:string"`},

		{name: "WS-Addressing", blocks: `<w:To xmlns:w="` + wsa + `">urn:x</w:To><w:Action xmlns:w="` + wsa + `" s:mustUnderstand="0">urn:y</w:Action>`, allowed: true},
		{name: "WS-Security", blocks: `<w:Security xmlns:w="` + wsse + `"><w:UsernameToken/></w:Security>`, allowed: true},
		{name: "WS-Addressing that must be understood", blocks: `<w:To xmlns:w="` + wsa + `" s:mustUnderstand="1">urn:x</w:To>`},
		{name: "WS-Security that must be understood", blocks: `<w:Security xmlns:w="` + wsse + `" s:mustUnderstand="true"/>`},
		{name: "unknown block that must be understood", blocks: `<x xmlns="urn:x" s:mustUnderstand="1"/>`},

		{name: "encodingStyle", envelope: `s:encodingStyle=""`, header: `s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"`, body: `s:encodingStyle=""`, allowed: true},
		{name: "xml:lang", envelope: `xml:lang="en"`, header: `xml:lang="en"`, body: `xml:lang="en"`, allowed: true},
		{name: "xsi:schemaLocation", envelope: `xsi:schemaLocation="urn:x x.xsd"`, header: `xsi:schemaLocation="urn:x x.xsd"`, body: `xsi:schemaLocation="urn:x x.xsd"`, allowed: true},
		{name: "lang of no namespace on Body", body: `lang="en"`},
		{name: "schemaLocation of no namespace on Body", body: `schemaLocation="urn:x x.xsd"`},
		{name: "xml:base on Body", body: `xml:base="urn:x"`},
		{name: "xsi:type on Body", body: `xsi:type="x"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			doc := c.document()
			s := NewScanner()
			err := scan(s, doc, 0)
			if allowed := err == nil && allowsAlice(t, s); allowed != c.allowed {
				t.Fatalf("allowed = %v (%v, %+v), want %v", allowed, err, s.Request(), c.allowed)
			}
			if !c.allowed {
				return
			}
			const want = `<t:RequestServerVersion xmlns:t="` + ews.TypesNS + `" Version="Exchange2016"/><t:ExchangeImpersonation xmlns:t="` + ews.TypesNS +
				`"><t:ConnectingSID><t:PrimarySmtpAddress>alice@contoso.com</t:PrimarySmtpAddress></t:ConnectingSID></t:ExchangeImpersonation></s:Header>`
			written := string(s.AppendHead(nil, s.Request().Identity))
			if !strings.HasSuffix(written, `<s:Header>`+want) {
				t.Errorf("the head is written as\n%s", written)
			}
			if err := rewrites(s, doc); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestFieldHeads checks which recorded requests of Axis, JAX-WS and other clients
// are allowed. The requests are in a folder next to the checkout.
func TestFieldHeads(t *testing.T) {
	const dir = "../../../../shared/field"
	for name, allowed := range map[string]bool{
		"axis1.http": true, "axis-next.http": true, "jaxws-nil.http": true, "xsi-type.http": false, "plain.http": true,
	} {
		t.Run(name, func(t *testing.T) {
			raw, err := os.ReadFile(filepath.Join(dir, name))
			if errors.Is(err, os.ErrNotExist) {
				t.Skip("the recorded requests are not on this machine; TestToolkitAttributes has the same cases")
			}
			if err != nil {
				t.Fatal(err)
			}
			_, body, found := strings.Cut(strings.ReplaceAll(string(raw), "\r\n", "\n"), "\n\n")
			if !found {
				t.Fatal("no body")
			}
			s := NewScanner()
			err = scan(s, []byte(body), 0)
			if got := err == nil && allowsAlice(t, s); got != allowed {
				t.Errorf("allowed = %v (%v, %+v), want %v", got, err, s.Request(), allowed)
			}
		})
	}
}

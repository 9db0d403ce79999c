package soap

import (
	"reflect"
	"strings"
	"testing"

	"hmaproxy/proxy/ews"
)

func TestBlocks(t *testing.T) {
	const doc = `<s:Envelope xmlns:s="` + ews.EnvelopeNS + `" xmlns:t="` + ews.TypesNS + `" xmlns:m="` + ews.MessagesNS + `"><s:Header>
 <t:OpenAsAdminOrSystemService LogonType="Admin" s:mustUnderstand="1"><t:ConnectingSID><t:SID>S</t:SID></t:ConnectingSID></t:OpenAsAdminOrSystemService>
 <m:SerializedSecurityContext s:mustUnderstand=" true "/>
 <ExchangeImpersonation s:mustUnderstand="0"/>
 <w:Security xmlns:w="http://example.org/wsse" s:mustUnderstand="yes" s:actor="urn:a">text<w:UsernameToken/></w:Security>
 <m:RequestServerVersion s:mustUnderstand="false"/>
 <t:RequestServerVersion Version="Exchange2013" s:mustUnderstand="1"/>
 <t:RequestServerVersion/>
</s:Header><s:Body><m:GetRooms/></s:Body></s:Envelope>`
	want := []ews.HeaderBlock{
		{Space: ews.TypesNS, Name: "OpenAsAdminOrSystemService", MustUnderstand: true},
		{Space: ews.MessagesNS, Name: "SerializedSecurityContext", MustUnderstand: true},
		{Name: "ExchangeImpersonation"},
		{Space: "http://example.org/wsse", Name: "Security", MustUnderstand: true, Problem: "a header block for another actor"},
		{Space: ews.MessagesNS, Name: "RequestServerVersion"},
		{Space: ews.TypesNS, Name: "RequestServerVersion", MustUnderstand: true},
		{Space: ews.TypesNS, Name: "RequestServerVersion", Problem: "Version is not what a version looks like"},
	}
	s := NewScanner()
	if err := scan(s, []byte(doc), 11); err != nil {
		t.Fatal(err)
	}
	if got := s.Request().Blocks; !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v, want\n%+v", got, want)
	}
	if got := s.Request().Identity; got != (ews.Identity{}) {
		t.Errorf("identity %v", got)
	}
}

// TestIdentity puts each form of an identity after a block with an invalid name
// and checks that the first valid block is used.
func TestIdentity(t *testing.T) {
	block := func(kind ews.IdentityKind, value string) string {
		name := "t:" + kind.String()
		return `<t:ExchangeImpersonation><t:ConnectingSID><` + name + `>` + value + `</` + name + `></t:ConnectingSID></t:ExchangeImpersonation>`
	}
	for kind := ews.PrimarySmtpAddress; kind <= ews.SID; kind++ {
		doc := strings.Replace(head+`<m:GetRooms/>`+tail, `<t:ExchangeImpersonation>`,
			block(ews.PrincipalName, " ")+block(kind, "&quot;a&apos;&lt;&gt;&amp;")+`<t:ExchangeImpersonation>`, 1)
		s := NewScanner()
		if err := scan(s, []byte(doc), 0); err != nil {
			t.Fatal(err)
		}
		m := s.Request()
		if want := (ews.Identity{Kind: kind, Value: `"a'<>&`}); m.Identity != want || len(m.Blocks) != 4 {
			t.Errorf("got %v of %d blocks, want %v of 4", m.Identity, len(m.Blocks), want)
		}
	}
}

// TestRulesOfXMLAlone applies only the rules of XML to some documents. TestConformance
// applies the rules of XML to the documents of the conformance suite if the
// suite is present.
func TestRulesOfXMLAlone(t *testing.T) {
	for doc, good := range map[string]bool{
		`<a/>`:                               true,
		`<?xml version="1.0"?><a></a > `:     true,
		`<a b = 'c"' d="'"><b>]]</b>x</a>`:   true,
		`<a xmlns="urn:a"><b xmlns=""/></a>`: true,
		`<a xml:lang="en"/>`:                 true,
		`<a><!-- - --><![CDATA[<b>]]]></a>`:  true,
		`<a xmlns:xml="` + xmlURI + `"/>`:    true,
		``:                                   false,
		` `:                                  false,
		`<a>`:                                false,
		`<a/><a/>`:                           false,
		`<a></b>`:                            false,
		`</a>`:                               false,
		`<a><b></a></b>`:                     false,
		`<a b="c" b="d"/>`:                   false,
		`<a b="c`:                            false,
		`<a "b"/>`:                           false,
		`<a b"c"/>`:                          false,
		`<a b=""c=""/>`:                      false,
		`<a>&b;</a>`:                         false,
		`<!DOCTYPE a><a/>`:                   false,
		`<a/>x`:                              false,
		`<a/>&#32;`:                          false,
		`<a/><![CDATA[ ]]>`:                  false,

		`<a xmlns="` + ews.EnvelopeNS + `"><Envelope/></a>`: true, // the rules about envelopes, which do not apply here, would refuse it
	} {
		s := NewScanner()
		s.envelope.bare = true
		if err := scan(s, []byte(doc), 1); (err == nil) != good {
			t.Errorf("%s: %v", doc, err)
		}
	}
}

// TestAppendValue decodes values as section 3.3.3 of XML 1.0 demands. It also checks
// that an escaped value is decoded to the same text.
func TestAppendValue(t *testing.T) {
	for raw, want := range map[string]string{
		"a":                               "a",
		"a\r\nb\rc\nd\te":                 "a b c d e",
		"&#13;&#10;&#9;":                  "\r\n\t",
		"&lt;&gt;&amp;&quot;&apos;&#xe9;": "<>&\"'é",
		"é\U0001F600":                     "é\U0001F600",
	} {
		if i, reason := checkValue([]byte(raw)); reason != "" {
			t.Errorf("%q: %s at %d", raw, reason, i)
		}
		got := appendValue(nil, []byte(raw))
		if string(got) != want {
			t.Errorf("%q: got %q, want %q", raw, got, want)
		}
		if back := appendValue(nil, appendEscaped(nil, got)); string(back) != want {
			t.Errorf("%q: escaped and read again: %q", raw, back)
		}
	}
}

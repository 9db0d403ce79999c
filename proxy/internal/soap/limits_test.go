package soap

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"hmaproxy/proxy/ews"
)

// TestLimits tests a document at each limit, and a document that exceeds the
// limit by one.
func TestLimits(t *testing.T) {
	inOperation := func(content string) string { return head + "<m:GetRooms>" + content + "</m:GetRooms>" + tail }
	spaces := func(n int) string { return strings.Repeat(" ", n) }
	for _, test := range []struct {
		name     string
		limit    int
		reason   string // expected reason if the document exceeds the limit
		document func(n int) string
	}{
		{"open elements", 128, "elements too deep in each other", func(n int) string {
			n -= 3 // Envelope, Body and the operation
			return inOperation(strings.Repeat("<t:x>", n) + strings.Repeat("</t:x>", n))
		}},
		{"open elements, the last one empty", 128, "elements too deep in each other", func(n int) string {
			n -= 4
			return inOperation(strings.Repeat("<t:x>", n) + "<t:x/>" + strings.Repeat("</t:x>", n))
		}},
		{"attributes", 96, "too many attributes", func(n int) string {
			var attributes string
			for i := range n {
				attributes += fmt.Sprintf(` a%d=""`, i)
			}
			return inOperation("<t:x" + attributes + "/>")
		}},
		{"name of an element", 256, badName, func(n int) string {
			return inOperation("<t:" + strings.Repeat("x", n-len("t:")) + "/>")
		}},
		{"name of an element without a prefix", 256, badName, func(n int) string {
			return inOperation("<" + strings.Repeat("x", n) + "/>")
		}},
		{"name of an attribute", 256, badName, func(n int) string {
			return inOperation("<t:x " + strings.Repeat("a", n) + "=''/>")
		}},
		{"reference in text", 64, badReference, func(n int) string {
			return inOperation("&#" + strings.Repeat("0", n-len("#65")) + "65;")
		}},
		{"reference in an attribute", 64, badReference, func(n int) string {
			return inOperation("<t:x a='&#" + strings.Repeat("0", n-len("#65")) + "65;'/>")
		}},
		{"XML declaration", 256, "an XML declaration that is too long", func(n int) string {
			return `<?xml version="1.0"` + spaces(n-len(`xml version="1.0"?>`)) + "?>" + strings.TrimPrefix(inOperation(""), `<?xml version="1.0" encoding="utf-8"?>`)
		}},
		{"header blocks", 64, "too many header blocks", func(n int) string {
			const two = 2 // number of header blocks in head
			return strings.Replace(inOperation(""), "</soap:Header>", strings.Repeat("<x/>", n-two)+"</soap:Header>", 1)
		}},
		{"bytes before the end of the operation's start tag", 160 << 10, "head too large", func(n int) string {
			return strings.Replace(inOperation(""), "<soap:Body>", spaces(n-len(head+"<m:GetRooms>"))+"<soap:Body>", 1)
		}},
		{"bytes from the operation's end tag", 64 << 10, "too much after the operation", func(n int) string {
			return inOperation("") + spaces(n-len("</m:GetRooms>"+tail))
		}},
	} {
		for n, reason := range map[int]string{test.limit: "", test.limit + 1: test.reason} {
			for _, size := range []int{0, 1, 7} {
				got := ""
				err := scan(NewScanner(), []byte(test.document(n)), size)
				if v, ok := errors.AsType[*Violation](err); ok {
					got = v.Reason
				}
				if got != reason || err != nil && got == "" {
					t.Errorf("%s: %d, in parts of %d: %v, want %q", test.name, n, size, err, reason)
				}
			}
		}
	}
}

// problemOf scans a document whose only header block is block, and returns the
// Problem of this block.
func problemOf(t *testing.T, block string) string {
	t.Helper()
	begin, end := strings.Index(head, "<soap:Header>")+len("<soap:Header>"), strings.Index(head, "</soap:Header>")
	s := NewScanner()
	if err := scan(s, []byte(head[:begin]+block+head[end:]+"<m:GetRooms/>"+tail), 0); err != nil {
		t.Fatalf("%.200s: %v", block, err)
	}
	blocks := s.Request().Blocks
	if len(blocks) != 1 {
		t.Fatalf("%.200s: %d blocks", block, len(blocks))
	}
	return blocks[0].Problem
}

// TestVersionOfServer tests the values of RequestServerVersion: up to 64 letters,
// digits and "_", as in the schema's Exchange2013_SP1.
func TestVersionOfServer(t *testing.T) {
	version := func(value string) string { return `<t:RequestServerVersion Version="` + value + `"/>` }
	for value, good := range map[string]bool{
		"Exchange2007": true, "V2017_07_11": true, "1": true, strings.Repeat("a", 64): true,
		"": false, strings.Repeat("a", 65): false, "a b": false, " a": false, "a:b": false, "a/b": false, "a&lt;": false, "a\u00e9": false,
	} {
		if problem := problemOf(t, version(value)); (problem == "") != good {
			t.Errorf("version %.70q: %q", value, problem)
		}
	}
	for c := byte('!'); c < 0x7f; c++ {
		if c == '"' || c == '&' || c == '<' {
			continue // c would end the value or begin a reference, or is not allowed in a value
		}
		want := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
		if problem := problemOf(t, version("a"+string(c)+"b")); (problem == "") != want {
			t.Errorf("version with %q: %q", c, problem)
		}
	}
}

// TestCultureAndPrecision tests the texts of MailboxCulture and
// DateTimePrecision. The first is a language tag of up to 35 letters, digits
// and "-" (RFC 5646 section 4.4.1). The second is an enumeration.
func TestCultureAndPrecision(t *testing.T) {
	culture := func(text string) string { return `<t:MailboxCulture>` + text + `</t:MailboxCulture>` }
	for text, good := range map[string]bool{
		"en-US": true, " de \r\n": true, "x": true, strings.Repeat("a", 35): true, " " + strings.Repeat("a", 35) + " ": true, "zh&#45;CN": true,
		"": false, " ": false, strings.Repeat("a", 36): false, "en US": false, "en<!-- -->": false, "<t:x/>": false, "\u00e9": false,
		strings.Repeat(" ", 1022) + "en": true, strings.Repeat(" ", 1023) + "en": false, // the text is collected up to 1 KiB
	} {
		if problem := problemOf(t, culture(text)); (problem == "") != good {
			t.Errorf("culture %.50q: %q", text, problem)
		}
	}
	for c := byte('!'); c < 0x7f; c++ {
		if c == '&' || c == '<' {
			continue
		}
		want := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-'
		if problem := problemOf(t, culture("a"+string(c)+"b")); (problem == "") != want {
			t.Errorf("culture with %q: %q", c, problem)
		}
	}
	for text, good := range map[string]bool{
		"Seconds": true, "Milliseconds": true, " Seconds ": true,
		"": false, "Second": false, "Secondsx": false, "seconds": false, "Millisecondsx": false, "Minutes": false,
	} {
		if problem := problemOf(t, `<t:DateTimePrecision>`+text+`</t:DateTimePrecision>`); (problem == "") != good {
			t.Errorf("precision %q: %q", text, problem)
		}
	}
}

// TestLengthOfName tests names of a mailbox of up to 1 KiB, and a name that is
// one byte longer.
func TestLengthOfName(t *testing.T) {
	for n, want := range map[int]string{1: "", 1 << 10: "", 1<<10 + 1: "the name is too long"} {
		block := `<t:ExchangeImpersonation><t:ConnectingSID><t:SID>` + strings.Repeat("x", n) + `</t:SID></t:ConnectingSID></t:ExchangeImpersonation>`
		if problem := problemOf(t, block); problem != want {
			t.Errorf("%d bytes: %q, want %q", n, problem, want)
		}
	}
}

// TestElementsOfZone tests every element and attribute of TimeZoneDefinitionType in
// types.xsd, with text and with a child.
func TestElementsOfZone(t *testing.T) {
	zone := func(content string) string {
		return `<t:TimeZoneContext><t:TimeZoneDefinition>` + content + `</t:TimeZoneDefinition></t:TimeZoneContext>`
	}
	containers := []string{
		"Periods", "Period", "TransitionsGroups", "TransitionsGroup", "Transitions", "Transition",
		"AbsoluteDateTransition", "RecurringDayTransition", "RecurringDateTransition",
	}
	texts := []string{"To", "DateTime", "TimeOffset", "Month", "Day", "DayOfWeek", "Occurrence"}
	for _, name := range append(containers, texts...) {
		isText := strings.Contains(" "+strings.Join(texts, " ")+" ", " "+name+" ")
		for content, want := range map[string]bool{"": true, " ": true, "x": isText, "<t:Day>1</t:Day>": !isText, "<t:Period/>": !isText} {
			if problem := problemOf(t, zone("<t:"+name+">"+content+"</t:"+name+">")); (problem == "") != want {
				t.Errorf("%s with %q: %q", name, content, problem)
			}
		}
		for _, other := range []string{"m:" + name, "t:" + name + "x", "t:x" + name, "t:" + strings.ToLower(name)} {
			if problem := problemOf(t, zone("<"+other+"/>")); problem == "" {
				t.Errorf("%s is accepted", other)
			}
		}
	}
	for _, name := range []string{"Id", "Name", "Bias", "Kind"} {
		for attribute, want := range map[string]bool{name: true, strings.ToLower(name): false, name + "x": false, "t:" + name: false} {
			if problem := problemOf(t, zone("<t:Period "+attribute+"='x'/>")); (problem == "") != want {
				t.Errorf("attribute %s: %q", attribute, problem)
			}
		}
	}
}

// TestAttributesOfBody tests the attributes that Body may have, because they
// only identify or describe the element, and attributes that it must not have.
func TestAttributesOfBody(t *testing.T) {
	for attribute, good := range map[string]bool{
		"Id": true, "ID": true, "id": true, "encodingStyle": true, "soap:encodingStyle": true, "xsi:schemaLocation": true, "xml:lang": true, "xmlns:x": true,
		"iD": false, "ids": false, "xml:space": false, "xsi:nil": false, "xsi:type": false, "lang": false, "xsi:lang": false, "x": false,
		"xsi:noNamespaceSchemaLocation": false, "soap:actor": false, "soap:mustUnderstand": false,
	} {
		document := strings.Replace(head, "<soap:Body>", "<soap:Body "+attribute+"='x'>", 1) + "<m:GetRooms/>" + tail
		if err := scan(NewScanner(), []byte(document), 0); (err == nil) != good {
			t.Errorf("%s: %v", attribute, err)
		}
	}
}

// TestDescriptionOfMailbox tests the children of EmailAddressType in types.xsd that
// describe the mailbox and do not name it. Any other child makes the mailbox
// unreadable.
func TestDescriptionOfMailbox(t *testing.T) {
	const path = "DistinguishedFolderId/Mailbox/EmailAddress"
	address := ews.Reference{Path: path, Value: "bob@contoso.com"}
	for child, good := range map[string]bool{
		"<t:Name>B</t:Name>": true, "<t:RoutingType>SMTP</t:RoutingType>": true, "<t:MailboxType>Mailbox</t:MailboxType>": true,
		"<t:Name xmlns:x='urn:x'>B</t:Name>": true,
		"<t:Name x='y'>B</t:Name>":           false, "<t:RoutingType x='y'/>": false, "<t:MailboxType x='y'/>": false,
		"<t:Name><t:Name/></t:Name>": false, "<t:ItemId/>": false, "<t:OriginalDisplayName/>": false, "<Name/>": false, "<x:Name xmlns:x='urn:x'/>": false,
	} {
		content := `<m:GetFolder><t:DistinguishedFolderId Id="inbox"><t:Mailbox>` + bob + child + `</t:Mailbox></t:DistinguishedFolderId></m:GetFolder>`
		got := referencesIn(t, operation(content))
		unreadable := len(got) == 2 && got[1] == ews.Reference{Path: path, Unreadable: true}
		if len(got) == 0 || got[0] != address || unreadable == good || len(got) > 1 && !unreadable {
			t.Errorf("%s: %+v", child, got)
		}
	}
}

// TestOperationsOfReferences tests the operations in which an element is a
// reference, and an operation in which it is not a reference.
func TestOperationsOfReferences(t *testing.T) {
	for _, test := range []struct {
		content, path string
		operations    []string
	}{
		{"<m:Mailbox>" + bob + "</m:Mailbox>", "Mailbox/EmailAddress", []string{"AddDelegate", "GetDelegate", "UpdateDelegate", "RemoveDelegate", "CreateManagedFolder"}},
		{"<t:Mailbox>" + bob + "</t:Mailbox>", "Mailbox/Address", []string{"GetUserOofSettingsRequest", "SetUserOofSettingsRequest"}},
		{"<m:EmailAddress>" + bob + "</m:EmailAddress>", "EmailAddress/EmailAddress", []string{"SetTeamMailbox", "UnpinTeamMailbox"}},
		{"<m:Email>bob@contoso.com</m:Email>", "Email", []string{"GetUserPhoto", "SetUserPhoto"}},
		{"<m:SmtpAddress>bob@contoso.com</m:SmtpAddress>", "SmtpAddress", []string{"GetSharingFolder"}},
		{"<m:SenderSmtpAddress>bob@contoso.com</m:SenderSmtpAddress>", "SenderSmtpAddress", []string{"GetSharingMetadata"}},
	} {
		for _, name := range test.operations {
			want := ews.Reference{Path: test.path, Value: "bob@contoso.com"}
			if got := referencesIn(t, operation("<m:"+name+">"+test.content+"</m:"+name+">")); len(got) != 1 || got[0] != want {
				t.Errorf("%s of %s: %+v", test.path, name, got)
			}
		}
		for _, name := range []string{"ResolveNames", test.operations[0] + "x"} {
			if got := referencesIn(t, operation("<m:"+name+">"+test.content+"</m:"+name+">")); got != nil {
				t.Errorf("%s of %s: %+v", test.path, name, got)
			}
		}
	}
}

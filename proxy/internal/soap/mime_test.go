package soap

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"net/mail"
	"reflect"
	"slices"
	"strings"
	"testing"

	"hmaproxy/proxy/ews"
)

// createMessage returns a CreateItem request whose message has the MimeContent
// content.
func createMessage(content string) []byte {
	return operation(`<m:CreateItem><m:Items><t:Message><t:MimeContent CharacterSet="UTF-8">` + content + `</t:MimeContent></t:Message></m:Items></m:CreateItem>`)
}

func encoded(message string) string { return base64.StdEncoding.EncodeToString([]byte(message)) }

func TestSendersInMIME(t *testing.T) {
	const bobAddress = "bob@contoso.com"
	from := func(addresses ...string) (found []ews.Reference) {
		for _, a := range addresses {
			found = append(found, ews.Reference{Path: "MimeContent/From", Value: a})
		}
		return found
	}
	unreadable := []ews.Reference{{Path: "MimeContent", Unreadable: true}}
	field := func(n int) string { return "X: " + strings.Repeat("a", n-len("X: \r\n")) + "\r\n" }
	for name, c := range map[string]struct {
		message string
		want    []ews.Reference
	}{
		"address":                   {"From: bob@contoso.com\r\n\r\n", from(bobAddress)},
		"name and address":          {"To: a@contoso.com\r\nFrom: Bob B. Builder <bob@contoso.com>\r\n\r\n", from(bobAddress)},
		"quoted name":               {"From: \"Builder, <Bob> \\\" x\" <bob@contoso.com>\r\n\r\n", from(bobAddress)},
		"encoded name":              {"From: =?utf-8?Q?J=C3=BCrgen?= <bob@contoso.com>\r\n\r\n", from(bobAddress)},
		"name in UTF-8":             {"From: Jürgen <bob@contoso.com>\r\n\r\n", from(bobAddress)},
		"list":                      {"From: bob@contoso.com, C <carol@contoso.com>\r\n\r\n", from(bobAddress, "carol@contoso.com")},
		"list with brackets first":  {"From: B <bob@contoso.com> , carol@contoso.com\r\n\r\n", from(bobAddress, "carol@contoso.com")},
		"two fields":                {"From: bob@contoso.com\r\nFrom: carol@contoso.com\r\n\r\n", from(bobAddress, "carol@contoso.com")},
		"Sender":                    {"Sender: bob@contoso.com\r\n\r\n", []ews.Reference{{Path: "MimeContent/Sender", Value: bobAddress}}},
		"letter case":               {"fROM: bob@contoso.com\r\n\r\n", from(bobAddress)},
		"space before the colon":    {"From \t: bob@contoso.com\r\n\r\n", from(bobAddress)},
		"folded":                    {"From:\r\n Bob\r\n\t<bob@contoso.com>\r\n\r\n", from(bobAddress)},
		"name of the field folded":  {"From\r\n : bob@contoso.com\r\n\r\n", from(bobAddress)},
		"LF only":                   {"Subject: x\nFrom: bob@contoso.com\n\n", from(bobAddress)},
		"empty lines first":         {"\r\n\r\nFrom: bob@contoso.com\r\n\r\n", from(bobAddress)},
		"blank line first":          {" \r\n\r\nFrom: bob@contoso.com\r\n\r\n", from(bobAddress)},
		"line without a colon":      {"Subject\r\nFrom: bob@contoso.com\r\n\r\n", from(bobAddress)},
		"header without an end":     {"From: bob@contoso.com", from(bobAddress)},
		"after a long field":        {field(4*maxLeaf) + "From: bob@contoso.com\r\n\r\n", from(bobAddress)},
		"at the limit":              {field(256<<10-len("From: bob@contoso.com\r\n\r\n")) + "From: bob@contoso.com\r\n\r\n", from(bobAddress)},
		"in the body":               {"Subject: x\r\n\r\nFrom: bob@contoso.com\r\n", nil},
		"no sender":                 {"To: bob@contoso.com\r\nReply-To: bob@contoso.com\r\nX-From: bob@contoso.com\r\nFroms: x\r\n\r\n", nil},
		"empty":                     {"From: \r\nSender:\r\n\r\n", nil},
		"nothing":                   {"", nil},
		"calendar":                  {"BEGIN:VCALENDAR\r\nORGANIZER;CN=Bob:mailto:bob@contoso.com\r\nEND:VCALENDAR\r\n", nil},
		"beyond the limit":          {field(256<<10-len("From: bob@contoso.com\r\n\r\n")+1) + "From: bob@contoso.com\r\n\r\n", unreadable},
		"line ends that differ":     {"Subject: x\r\nX: y\nFrom: bob@contoso.com\r\n\r\n", unreadable},
		"bare CR":                   {"Subject: x\rFrom: bob@contoso.com\r\n\r\n", unreadable},
		"NUL":                       {"Subject: x\x00\r\nFrom: bob@contoso.com\r\n\r\n", unreadable},
		"UTF-16":                    {"\xff\xfeF\x00r\x00o\x00m\x00", unreadable},
		"BOM":                       {"\xEF\xBB\xBFFrom: bob@contoso.com\r\n\r\n", unreadable},
		"space in the field's name": {"Fr om: bob@contoso.com\r\n\r\n", unreadable},
		"field's name with 0x1f":    {"Fr\x1fom: bob@contoso.com\r\n\r\n", unreadable},
		"field's name with DEL":     {"From\x7f: bob@contoso.com\r\n\r\n", unreadable},
		"field's name with a tilde": {"From~: bob@contoso.com\r\n\r\n", nil},
		"field's name with a !":     {"!From: bob@contoso.com\r\n\r\n", nil},
		"longer than Sender":        {"Senders: bob@contoso.com\r\n\r\n", nil},
		"comment":                   {"From: alice@contoso.com (x) <bob@contoso.com>\r\n\r\n", unreadable},
		"group":                     {"From: x: bob@contoso.com;\r\n\r\n", unreadable},
		"route":                     {"From: <@x.example:bob@contoso.com>\r\n\r\n", unreadable},
		"two addresses in one":      {"From: <alice@contoso.com> <bob@contoso.com>\r\n\r\n", unreadable},
		"name only":                 {"From: bob\r\n\r\n", unreadable},
		"quote without an end":      {"From: \"Bob <bob@contoso.com>\r\n\r\n", unreadable},
		"bracket without an end":    {"From: <bob@contoso.com\r\n\r\n", unreadable},
		"trailing comma":            {"From: bob@contoso.com,\r\n\r\n", unreadable},
		"long":                      {"From: " + strings.Repeat("x", maxLeaf) + " <bob@contoso.com>\r\n\r\n", unreadable},
		"long name of the field":    {"From" + strings.Repeat(" ", maxLeaf) + ": bob@contoso.com\r\n\r\n", unreadable},
		"long enough":               {"From: " + strings.Repeat("x", maxLeaf-len("From:  <bob@contoso.com>")) + " <bob@contoso.com>\r\n\r\n", from(bobAddress)},
	} {
		t.Run(name, func(t *testing.T) {
			if got := referencesIn(t, createMessage(encoded(c.message))); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

// TestRefusedSenderEndsTheScan passes Reset a function that refuses every
// reference with an error. It checks that scanning returns this error for a sender
// in a message. The sender's header field ends in a different way in each message.
func TestRefusedSenderEndsTheScan(t *testing.T) {
	refused := errors.New("refused")
	for _, message := range []string{
		"From: bob@contoso.com", "From: bob@contoso.com\r\n", "From: bob@contoso.com\r\n\r\n", "From: bob@contoso.com\r\n\r\nx",
		"From: bob@contoso.com\r\nTo: x", "To: x\nFrom: bob@contoso.com\nTo: x\n\n", "From: bob@contoso.com\r\nx",
	} {
		s := NewScanner()
		s.Reset(func(ews.Reference) error { return refused }, false)
		if err := scan(s, createMessage(encoded(message)), 1); err != refused {
			t.Errorf("%q: %v", message, err)
		}
	}
}

func TestFormOfMIME(t *testing.T) {
	text := encoded("From: bob@contoso.com\r\n\r\n")
	message := func(attributes, content string) string {
		return `<m:CreateItem><m:Items><t:Message><t:MimeContent` + attributes + `>` + content + `</t:MimeContent></t:Message></m:Items></m:CreateItem>`
	}
	sender := ews.Reference{Path: "MimeContent/From", Value: "bob@contoso.com"}
	unreadable := ews.Reference{Path: "MimeContent", Unreadable: true}
	for name, c := range map[string]struct {
		content string
		want    []ews.Reference
	}{
		"plain":                      {message("", text), []ews.Reference{sender}},
		"charset":                    {message(` CharacterSet="iso-8859-1"`, text), []ews.Reference{sender}},
		"charset that is not ASCII":  {message(` CharacterSet="utf-7"`, text), []ews.Reference{sender, unreadable}},
		"another attribute":          {message(` Encoding="x"`, text), []ews.Reference{sender, unreadable}},
		"white space":                {message("", " \r\n"+text[:5]+"\n"+text[5:]+"&#13;\n"), []ews.Reference{sender}},
		"comment":                    {message("", "<!-- -->"+text), []ews.Reference{sender, unreadable}},
		"comment after the header":   {message("", text+encoded("xxx")+"<!-- -->"+text), []ews.Reference{sender, unreadable}},
		"CDATA":                      {message("", "<![CDATA["+text+"]]>"), []ews.Reference{unreadable}},
		"child":                      {message("", text+"<t:x/>"), []ews.Reference{sender, unreadable}},
		"another alphabet":           {message("", "-"+text), []ews.Reference{unreadable}},
		"padding inside":             {message("", encoded("A")+text), []ews.Reference{unreadable}},
		"update":                     {strings.ReplaceAll(message("", text), "CreateItem", "UpdateItem"), []ews.Reference{sender}},
		"UTF-8 element":              {strings.ReplaceAll(message("", text), "t:MimeContent", "t:MimeContentUTF8"), []ews.Reference{sender}},
		"of an attached message":     {`<m:CreateAttachment><m:Attachments><t:ItemAttachment>` + message("", text) + `</t:ItemAttachment></m:Attachments></m:CreateAttachment>`, nil},
		"second one without senders": {message("", text) + message("", encoded("Subject: x\r\n\r\n")), []ews.Reference{sender}},
		"two":                        {message("", text) + message("", text), []ews.Reference{sender, sender}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := referencesIn(t, operation("<m:CreateItem>"+c.content+"</m:CreateItem>")); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestSenderProperties(t *testing.T) {
	message := func(tag, value string) string {
		return `<m:CreateItem><m:Items><t:Message><t:ExtendedProperty><t:ExtendedFieldURI PropertyTag="` + tag + `" PropertyType="String"/>` + value + `</t:ExtendedProperty></t:Message></m:Items></m:CreateItem>`
	}
	named := func(attributes, value string) string {
		return strings.Replace(message("1", value), `PropertyTag="1"`, attributes, 1)
	}
	const value = `<t:Value>bob@contoso.com</t:Value>`
	address := []ews.Reference{{Path: "ExtendedProperty/Value", Value: "bob@contoso.com"}}
	unreadable := []ews.Reference{{Path: "ExtendedProperty/Value", Unreadable: true}}
	for name, c := range map[string]struct {
		content string
		want    []ews.Reference
	}{
		"PidTagSentRepresentingEmailAddress":     {message("0x0065", value), address},
		"in decimal":                             {message("101", value), address},
		"with a zero":                            {message("0101", value), address},
		"in short":                               {message("0X65", value), address},
		"with white space":                       {message(" 0x65 ", value), address},
		"by reference":                           {message("0x006&#53;", value), address},
		"PidTagSenderEmailAddress":               {message("0x0C1F", value), address},
		"PidTagSenderSmtpAddress":                {message("0x5d01", value), address},
		"PidTagSentRepresentingSmtpAddress":      {message("0x5D02", value), address},
		"PidTagSentRepresentingSearchKey":        {message("0x003B", value), unreadable},
		"PidTagSentRepresentingEntryId":          {message("0x0041", value), unreadable},
		"PidTagSenderEntryId":                    {message("0x0C19", value), unreadable},
		"PidTagSenderSearchKey":                  {message("0x0C1D", value), unreadable},
		"PR_SENDER_SID":                          {message("0x0E4D", value), unreadable},
		"PR_SENT_REPRESENTING_SID":               {message("0x0E4E", value), unreadable},
		"PidTagReceivedByEmailAddress":           {message("0x0076", value), address},
		"PidTagReceivedRepresentingEmailAddress": {message("0x0078", value), address},
		"PidTagReceivedBySmtpAddress":            {message("0x5D07", value), address},
		"PidTagReceivedRepresentingSmtpAddress":  {message("0x5D08", value), address},
		"PidTagReceivedByEntryId":                {message("0x003F", value), unreadable},
		"PidTagReceivedRepresentingEntryId":      {message("0x0043", value), unreadable},
		"PidTagReceivedBySearchKey":              {message("0x0051", value), unreadable},
		"PidTagReceivedRepresentingSearchKey":    {message("0x0052", value), unreadable},
		"by number in PS_MAPI":                   {named(`PropertySetId="00020328-0000-0000-C000-000000000046" PropertyId="101"`, value), address},
		"opaque in PS_MAPI":                      {named(`PropertyId="65" PropertySetId="00020328-0000-0000-c000-000000000046"`, value), unreadable},
		"signed in PS_MAPI":                      {named(`PropertySetId="00020328-0000-0000-C000-000000000046" PropertyId="+101"`, value), unreadable},
		"another one in PS_MAPI":                 {named(`PropertySetId="00020328-0000-0000-C000-000000000046" PropertyId="12289"`, value), nil},
		"set in braces":                          {named(`PropertySetId="{00020328-0000-0000-C000-000000000046}" PropertyId="12289"`, value), unreadable},
		"From in InternetHeaders":                {named(`DistinguishedPropertySetId="InternetHeaders" PropertyName="from"`, value), unreadable},
		"Sender in PS_INTERNET_HEADERS":          {named(`PropertySetId="00020386-0000-0000-C000-000000000046" PropertyName="Sender "`, value), unreadable},
		"X-Sender in InternetHeaders":            {named(`DistinguishedPropertySetId="InternetHeaders" PropertyName="X-Sender"`, value), nil},
		"From in another set":                    {named(`DistinguishedPropertySetId="PublicStrings" PropertyName="From"`, value), nil},
		"empty tag":                              {message("", value), unreadable},
		"no tag":                                 {message("x", value), unreadable},
		"tag that is too large":                  {message("0x10065", value), unreadable},
		"values":                                 {message("0x0065", `<t:Values>`+value+`</t:Values>`), unreadable},
		"two values":                             {message("0x0065", value+value), slices.Concat(address, unreadable)},
		"no value":                               {message("0x0065", ""), unreadable},
		"value first":                            {message("0x3001", value+`<t:ExtendedFieldURI PropertyTag="0x65"/>`), unreadable},
		"PidTagSentRepresentingName":             {message("0x0042", value), nil},
		"PidTagSenderName":                       {message("0x0C1A", value), nil},
		"PidTagMessageFlags":                     {message("0x0E07", value), nil},
		"tag of one digit":                       {message("0x1", value), nil},
		"hexadecimal without a digit":            {message("0x", value), unreadable},
		"hexadecimal without a prefix":           {message("0C1F", value), unreadable},
		"named property":                         {named(`DistinguishedPropertySetId="Common" PropertyId="101"`, value), nil},
		"asked for":                              {`<m:GetItem><m:ItemShape><t:AdditionalProperties><t:ExtendedFieldURI PropertyTag="0x0065" PropertyType="String"/></t:AdditionalProperties></m:ItemShape></m:GetItem>`, nil},
		"of an attached message":                 {`<m:CreateAttachment><t:ItemAttachment>` + message("0x0065", value) + `</t:ItemAttachment></m:CreateAttachment>`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if got := referencesIn(t, operation("<m:CreateItem>"+c.content+"</m:CreateItem>")); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestSenderInInternetMessageHeaders(t *testing.T) {
	header := func(name, value string) string {
		return `<m:CreateItem><m:Items><t:Message><t:InternetMessageHeaders><t:InternetMessageHeader HeaderName="` + name + `">` + value + `</t:InternetMessageHeader></t:InternetMessageHeaders></t:Message></m:Items></m:CreateItem>`
	}
	const path = "InternetMessageHeader"
	bob := []ews.Reference{{Path: path, Value: "bob@contoso.com"}}
	unreadable := []ews.Reference{{Path: path, Unreadable: true}}
	for name, c := range map[string]struct {
		content string
		want    []ews.Reference
	}{
		"From":              {header("From", "bob@contoso.com"), bob},
		"Sender":            {header("sender", "Bob &lt;bob@contoso.com>"), bob},
		"by reference":      {header("&#70;rom", "bob@contoso.com"), bob},
		"an odd name":       {header("From&#xA0;", "bob@contoso.com"), slices.Concat(bob, unreadable)},
		"a group":           {header("From", "g: bob@contoso.com;"), unreadable},
		"comment":           {header("From", "alice@contoso.com<!-- -->"), slices.Concat([]ews.Reference{{Path: path, Value: "alice@contoso.com"}}, unreadable)},
		"another field":     {header("X-Sender", "bob@contoso.com"), nil},
		"of an attachment":  {`<m:CreateAttachment><t:ItemAttachment>` + header("From", "bob@contoso.com") + `</t:ItemAttachment></m:CreateAttachment>`, nil},
		"no name":           {strings.Replace(header("From", "bob@contoso.com"), ` HeaderName="From"`, "", 1), nil},
		"of another object": {`<m:UpdateItem><t:SetItemField>` + header("From", "bob@contoso.com") + `</t:SetItemField></m:UpdateItem>`, bob},
	} {
		if got := referencesIn(t, operation("<m:CreateItem>"+c.content+"</m:CreateItem>")); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

// TestBase64Alphabet compares the value of every byte with RFC 4648 section 4.
func TestBase64Alphabet(t *testing.T) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	for c := range 256 {
		value := strings.IndexByte(alphabet, byte(c))
		r := base64Reader{count: 2} // with six more bits this is an octet
		octet, ok, bad := r.read(byte(c))
		ignored := strings.IndexByte(" \t\r\n=", byte(c)) >= 0
		if ok != (value >= 0) || ok && octet != byte(value) || bad != (value < 0 && !ignored) {
			t.Errorf("%#x: %d %v %v, want %d", c, octet, ok, bad, value)
		}
	}
}

// FuzzMIMESenders checks that each sender that net/mail finds is reported, or
// that the message is reported as unreadable.
func FuzzMIMESenders(f *testing.F) {
	for _, message := range []string{
		"From: bob@contoso.com\r\nSender: Bob <b@contoso.com>\r\n\r\nx", "From: \"B, <x@y>\" <bob@contoso.com>, carol@contoso.com\n\n",
		"X: y\r\nFrom:\r\n =?utf-8?Q?J=C3=BC?= <bob@contoso.com>\r\n\r\n", "From: x: bob@contoso.com;\r\n\r\n", "From: a (b) <bob@contoso.com>\n\n",
	} {
		f.Add([]byte(message), 3)
	}
	s := NewScanner()
	f.Fuzz(func(t *testing.T, message []byte, size int) {
		if len(message) > 10_000 {
			return
		}
		found := map[string]bool{}
		unreadable := false
		s.Reset(func(r ews.Reference) error {
			found[r.Value] = true
			unreadable = unreadable || r.Unreadable
			return nil
		}, false)
		if err := scan(s, createMessage(encoded(string(message))), max(1, size%1000)); err != nil {
			t.Fatal(err)
		}
		parsed, err := mail.ReadMessage(bytes.NewReader(message))
		if err != nil || unreadable {
			return
		}
		for _, field := range []string{"From", "Sender"} {
			addresses, err := parsed.Header.AddressList(field)
			if err != nil {
				continue
			}
			for _, a := range addresses {
				if !found[a.Address] {
					t.Errorf("%q has %s %q; reported are %s", message, field, a.Address, fmt.Sprint(found))
				}
			}
		}
	})
}

// TestPlainAddress tests every byte in an address. The special characters are
// those that end an atom in RFC 5322, section 3.2.3, except for the dot.
func TestPlainAddress(t *testing.T) {
	for c := range 0x100 {
		special := c <= ' ' || c >= 0x7f || strings.ContainsRune(`"(),:;<>@[\]`, rune(c))
		if got := isPlainAddress("a" + string([]byte{byte(c)}) + "b@contoso.com"); got == special {
			t.Errorf("byte %#x in an address: %v", c, got)
		}
	}
	for address, want := range map[string]bool{"a@b": true, "a": false, "": false, "a@b@c": false, "@": true} {
		if isPlainAddress(address) != want {
			t.Errorf("%q: %v", address, !want)
		}
	}
}

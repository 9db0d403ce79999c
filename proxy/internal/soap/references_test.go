package soap

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"hmaproxy/proxy/ews"
)

// operation puts a request into an envelope.
func operation(content string) []byte { return []byte(head + content + tail) }

func referencesIn(t *testing.T, doc []byte) []ews.Reference {
	t.Helper()
	return referencesWith(t, doc, false)
}

// referencesWith returns the references that the scanner reports for doc. They
// include references by an id if ids is true.
func referencesWith(t *testing.T, doc []byte, ids bool) []ews.Reference {
	t.Helper()
	var found []ews.Reference
	s := NewScanner()
	s.Reset(func(r ews.Reference) error {
		found = append(found, r)
		return nil
	}, ids)
	if err := scan(s, doc, 3); err != nil {
		t.Fatal(err)
	}
	return found
}

const (
	dist = `<t:DistinguishedFolderId Id="inbox"><t:Mailbox><t:Name>N</t:Name><t:EmailAddress>bob@contoso.com</t:EmailAddress><t:RoutingType>SMTP</t:RoutingType></t:Mailbox></t:DistinguishedFolderId>`
	bob  = `<t:EmailAddress>bob@contoso.com</t:EmailAddress>`
)

func TestReferences(t *testing.T) {
	for _, c := range []struct{ name, content, path string }{
		{"GetFolder", `<m:GetFolder><m:FolderIds>` + dist + `</m:FolderIds></m:GetFolder>`, "DistinguishedFolderId/Mailbox/EmailAddress"},
		{"FindItem", `<m:FindItem><m:ParentFolderIds>` + dist + `</m:ParentFolderIds></m:FindItem>`, "DistinguishedFolderId/Mailbox/EmailAddress"},
		{"CopyItem", `<m:CopyItem><m:ToFolderId>` + dist + `</m:ToFolderId></m:CopyItem>`, "DistinguishedFolderId/Mailbox/EmailAddress"},
		{"Subscribe", `<m:Subscribe><m:PullSubscriptionRequest><t:FolderIds>` + dist + `</t:FolderIds></m:PullSubscriptionRequest></m:Subscribe>`, "DistinguishedFolderId/Mailbox/EmailAddress"},
		{"rule's folder", `<m:UpdateInboxRules><m:Operations><t:CreateRuleOperation><t:Rule><t:Actions><t:MoveToFolder>` + dist + `</t:MoveToFolder></t:Actions></t:Rule></t:CreateRuleOperation></m:Operations></m:UpdateInboxRules>`, "DistinguishedFolderId/Mailbox/EmailAddress"},
		{"GetUserAvailability", `<m:GetUserAvailabilityRequest><m:MailboxDataArray><t:MailboxData><t:Email><t:Address>bob@contoso.com</t:Address></t:Email></t:MailboxData></m:MailboxDataArray></m:GetUserAvailabilityRequest>`, "MailboxData/Email/Address"},
		{"GetUserOofSettings", `<m:GetUserOofSettingsRequest><t:Mailbox><t:Address>bob@contoso.com</t:Address></t:Mailbox></m:GetUserOofSettingsRequest>`, "Mailbox/Address"},
		{"SetUserOofSettings", `<m:SetUserOofSettingsRequest><t:Mailbox><t:Address>bob@contoso.com</t:Address></t:Mailbox></m:SetUserOofSettingsRequest>`, "Mailbox/Address"},
		{"GetInboxRules", `<m:GetInboxRules><m:MailboxSmtpAddress>bob@contoso.com</m:MailboxSmtpAddress></m:GetInboxRules>`, "MailboxSmtpAddress"},
		{"GetPasswordExpirationDate", `<m:GetPasswordExpirationDate><m:MailboxSmtpAddress>bob@contoso.com</m:MailboxSmtpAddress></m:GetPasswordExpirationDate>`, "MailboxSmtpAddress"},
		{"GetUserPhoto", `<m:GetUserPhoto><m:Email>bob@contoso.com</m:Email></m:GetUserPhoto>`, "Email"},
		{"SetUserPhoto", `<m:SetUserPhoto><m:Email>bob@contoso.com</m:Email></m:SetUserPhoto>`, "Email"},
		{"From", `<m:CreateItem><m:Items><t:Message><t:From><t:Mailbox>` + bob + `</t:Mailbox></t:From></t:Message></m:Items></m:CreateItem>`, "From/Mailbox/EmailAddress"},
		{"Sender", `<m:UpdateItem><m:ItemChanges><t:ItemChange><t:Updates><t:SetItemField><t:Message><t:Sender><t:Mailbox>` + bob + `</t:Mailbox></t:Sender></t:Message></t:SetItemField></t:Updates></t:ItemChange></m:ItemChanges></m:UpdateItem>`, "Sender/Mailbox/EmailAddress"},
		{"From of a reply", `<m:CreateItem><m:Items><t:ReplyToItem><t:From><t:Mailbox>` + bob + `</t:Mailbox></t:From></t:ReplyToItem></m:Items></m:CreateItem>`, "From/Mailbox/EmailAddress"},
		{"From after an attached message", `<m:CreateItem><m:Items><t:Message><t:Attachments><t:ItemAttachment><t:Message/></t:ItemAttachment></t:Attachments><t:From><t:Mailbox>` + bob + `</t:Mailbox></t:From></t:Message></m:Items></m:CreateItem>`, "From/Mailbox/EmailAddress"},
		{"GetMailTips", `<m:GetMailTips><m:SendingAs>` + bob + `</m:SendingAs></m:GetMailTips>`, "SendingAs/EmailAddress"},
		{"GetServiceConfiguration", `<m:GetServiceConfiguration><m:ActingAs>` + bob + `</m:ActingAs></m:GetServiceConfiguration>`, "ActingAs/EmailAddress"},
		{"GetDelegate", `<m:GetDelegate><m:Mailbox>` + bob + `</m:Mailbox></m:GetDelegate>`, "Mailbox/EmailAddress"},
		{"AddDelegate under a default namespace", `<AddDelegate xmlns="` + ews.MessagesNS + `"><Mailbox>` + bob + `</Mailbox></AddDelegate>`, "Mailbox/EmailAddress"},
		{"CreateManagedFolder", `<m:CreateManagedFolder><m:Mailbox>` + bob + `</m:Mailbox></m:CreateManagedFolder>`, "Mailbox/EmailAddress"},
		{"GetSharingFolder", `<m:GetSharingFolder><m:SmtpAddress>bob@contoso.com</m:SmtpAddress></m:GetSharingFolder>`, "SmtpAddress"},
		{"GetSharingMetadata", `<m:GetSharingMetadata><m:SenderSmtpAddress>bob@contoso.com</m:SenderSmtpAddress></m:GetSharingMetadata>`, "SenderSmtpAddress"},
		{"SetTeamMailbox", `<m:SetTeamMailbox><m:EmailAddress>` + bob + `</m:EmailAddress></m:SetTeamMailbox>`, "EmailAddress/EmailAddress"},
		{"SearchMailboxes", `<m:SearchMailboxes><m:SearchQueries><t:MailboxQuery><t:MailboxSearchScopes><t:MailboxSearchScope><t:Mailbox>bob@contoso.com</t:Mailbox></t:MailboxSearchScope></t:MailboxSearchScopes></t:MailboxQuery></m:SearchQueries></m:SearchMailboxes>`, "MailboxSearchScope/Mailbox"},
		{"GetNonIndexableItemDetails", `<m:GetNonIndexableItemDetails><m:Mailboxes><t:LegacyDN>bob@contoso.com</t:LegacyDN></m:Mailboxes></m:GetNonIndexableItemDetails>`, "Mailboxes/LegacyDN"},
		{"SetHoldOnMailboxes", `<m:SetHoldOnMailboxes><m:Mailboxes><t:String>bob@contoso.com</t:String></m:Mailboxes></m:SetHoldOnMailboxes>`, "Mailboxes/String"},
		{"search folder's scope", `<m:CreateFolder><m:Folders><t:SearchFolder><t:SearchParameters><t:Scope><t:WellKnownFolder Id="inbox"><t:Mailbox>` + bob + `</t:Mailbox></t:WellKnownFolder></t:Scope></t:SearchParameters></t:SearchFolder></m:Folders></m:CreateFolder>`, "WellKnownFolder/Mailbox/EmailAddress"},
		{"ReceivedRepresenting", `<m:CreateItem><m:Items><t:Message><t:ReceivedRepresenting><t:Mailbox>` + bob + `</t:Mailbox></t:ReceivedRepresenting></t:Message></m:Items></m:CreateItem>`, "ReceivedRepresenting/Mailbox/EmailAddress"},
		{"ReceivedBy", `<m:CreateItem><m:Items><t:Message><t:ReceivedBy><t:Mailbox>` + bob + `</t:Mailbox></t:ReceivedBy></t:Message></m:Items></m:CreateItem>`, "ReceivedBy/Mailbox/EmailAddress"},
		{"Organizer", `<m:CreateItem><m:Items><t:CalendarItem><t:Organizer><t:Mailbox>` + bob + `</t:Mailbox></t:Organizer></t:CalendarItem></m:Items></m:CreateItem>`, "Organizer/Mailbox/EmailAddress"},
		{"SenderSMTPAddress", `<m:CreateItem><m:Items><t:Message><t:SenderSMTPAddress>bob@contoso.com</t:SenderSMTPAddress></t:Message></m:Items></m:CreateItem>`, "SenderSMTPAddress"},
		{"ConvertId", `<m:ConvertId><m:SourceIds><t:AlternateId Format="EwsId" Id="A" Mailbox=" bob&#64;contoso.com"/></m:SourceIds></m:ConvertId>`, "@Mailbox"},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := []ews.Reference{{Path: c.path, Value: "bob@contoso.com"}}
			if got := referencesIn(t, operation(c.content)); !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

// TestMailboxWithoutAnAddress checks that a mailbox that is named by something other
// than an address is reported as not readable.
func TestMailboxWithoutAnAddress(t *testing.T) {
	const xsi = ` xmlns:xsi="` + schemaInstanceNS + `"`
	for name, c := range map[string]struct {
		mailbox string
		more    int // number of references before the unreadable one
	}{
		"empty":                         {`<t:Mailbox/>`, 0},
		"name only":                     {`<t:Mailbox><t:Name>bob</t:Name></t:Mailbox>`, 0},
		"item":                          {`<t:Mailbox><t:ItemId Id="AAMk"/></t:Mailbox>`, 0},
		"address and item":              {`<t:Mailbox>` + bob + `<t:ItemId Id="AAMk"/></t:Mailbox>`, 1},
		"address deeper":                {`<t:Mailbox><t:Name>` + bob + `</t:Name></t:Mailbox>`, 0},
		"address in no namespace":       {`<t:Mailbox><EmailAddress>bob@contoso.com</EmailAddress></t:Mailbox>`, 0},
		"xsi:type":                      {`<t:Mailbox` + xsi + ` xsi:type="t:EmailAddressExtendedType">` + bob + `</t:Mailbox>`, 1},
		"xsi:nil":                       {`<t:Mailbox` + xsi + ` xsi:nil="true"/>`, 0},
		"element of the extended":       {`<t:Mailbox>` + bob + `<t:PrimaryEmailAddress>carol@contoso.com</t:PrimaryEmailAddress></t:Mailbox>`, 1},
		"typed routing type":            {`<t:Mailbox>` + bob + `<t:RoutingType` + xsi + ` xsi:type="t:x">EX</t:RoutingType></t:Mailbox>`, 1},
		"original name, an unusual one": {`<t:Mailbox>` + bob + `<t:OriginalDisplayName>x</t:OriginalDisplayName></t:Mailbox>`, 1},
	} {
		for _, folder := range []string{"DistinguishedFolderId", "WellKnownFolder"} {
			got := referencesIn(t, operation(`<m:GetFolder><m:FolderIds><t:`+folder+` Id="inbox">`+c.mailbox+`</t:`+folder+`></m:FolderIds></m:GetFolder>`))
			if len(got) != c.more+1 || !got[c.more].Unreadable {
				t.Errorf("%s in %s: %+v", name, folder, got)
			}
		}
	}
	two := referencesIn(t, operation(`<m:GetFolder><t:DistinguishedFolderId Id="inbox"><t:Mailbox>`+bob+bob+`</t:Mailbox></t:DistinguishedFolderId></m:GetFolder>`))
	if len(two) != 2 {
		t.Errorf("two addresses: %+v", two)
	}
}

// The id of an item, from the example of ews.MailboxOfID, and the id of a
// subscription for the same mailbox.
const (
	itemID         = "AAMkADRhM2JmZTdhLTBhNjAtNGQyNy1hMjFhLTZjMWRmZDE0ZTNhNABGAAAAAAA="
	subscriptionID = "BABleDAxEAAAAAEBAQEBAQEBAQEBAQEBAQEBAgMEBQbQCBAAAAB6/jtKYAonTaIabB39FOOk"
	mailboxGUID    = "4a3bfe7a-0a60-4d27-a21a-6c1dfd14e3a4"
)

func TestIDReferences(t *testing.T) {
	for name, content := range map[string]string{
		"item":               `<m:GetItem><m:ItemIds><t:ItemId Id="` + itemID + `" ChangeKey="CQ"/></m:ItemIds></m:GetItem>`,
		"folder":             `<m:GetFolder><m:FolderIds><t:FolderId Id="` + itemID + `"/></m:FolderIds></m:GetFolder>`,
		"attachment":         `<m:GetAttachment><m:AttachmentIds><t:AttachmentId Id="` + itemID + `"/></m:AttachmentIds></m:GetAttachment>`,
		"root item":          `<m:DeleteAttachment><m:AttachmentIds><t:AttachmentId RootItemId="` + itemID + `"/></m:AttachmentIds></m:DeleteAttachment>`,
		"occurrence":         `<m:GetItem><m:ItemIds><t:OccurrenceItemId RecurringMasterId="` + itemID + `" InstanceIndex="1"/></m:ItemIds></m:GetItem>`,
		"recurring master":   `<m:GetItem><m:ItemIds><t:RecurringMasterItemId OccurrenceId="` + itemID + `"/></m:ItemIds></m:GetItem>`,
		"conversation":       `<m:GetConversationItems><m:Conversations><t:Conversation><t:ConversationId Id="` + itemID + `"/></t:Conversation></m:Conversations></m:GetConversationItems>`,
		"parent":             `<m:CreateAttachment><m:ParentItemId Id="` + itemID + `"/></m:CreateAttachment>`,
		"export":             `<m:ExportItems><m:ItemIds><t:ItemId Id="` + itemID + `"/></m:ItemIds></m:ExportItems>`,
		"upload":             `<m:UploadItems><m:Items><t:Item><t:ParentFolderId Id="` + itemID + `"/></t:Item></m:Items></m:UploadItems>`,
		"by references":      `<m:GetItem><m:ItemIds><t:ItemId Id="&#65;` + itemID[1:] + `"/></m:ItemIds></m:GetItem>`,
		"with white space":   `<m:GetItem><m:ItemIds><t:ItemId Id=" ` + itemID[:20] + "&#10;\n" + itemID[20:] + `"/></m:ItemIds></m:GetItem>`,
		"in a reply":         `<m:CreateItem><m:Items><t:ReplyToItem><t:ReferenceItemId Id="` + itemID + `"/></t:ReplyToItem></m:Items></m:CreateItem>`,
		"in an attached":     `<m:CreateAttachment><m:Attachments><t:ItemAttachment><t:Message><t:ItemId Id="` + itemID + `"/></t:Message></t:ItemAttachment></m:Attachments></m:CreateAttachment>`,
		"unknown element":    `<m:GetItem><m:ItemIds><t:FutureId Id="` + itemID + `"/></m:ItemIds></m:GetItem>`,
		"subscription":       `<m:Unsubscribe><m:SubscriptionId>` + subscriptionID + `</m:SubscriptionId></m:Unsubscribe>`,
		"spaced":             `<m:GetEvents><m:SubscriptionId>` + subscriptionID[:9] + " &#9;\n" + subscriptionID[9:] + `</m:SubscriptionId></m:GetEvents>`,
		"streaming":          `<m:GetStreamingEvents><m:SubscriptionIds><t:SubscriptionId>` + subscriptionID + `</t:SubscriptionId></m:SubscriptionIds></m:GetStreamingEvents>`,
		"GUID of an archive": `<m:X><t:SingleLargeArchiveSearchScope><t:MailboxGuid>` + mailboxGUID + `</t:MailboxGuid></t:SingleLargeArchiveSearchScope></m:X>`,
	} {
		got := referencesWith(t, operation(content), true)
		if len(got) != 1 || got[0].Kind != ews.IDReference || got[0].ID.Kind != ews.MailboxGUIDID || got[0].ID.GUID.String() != mailboxGUID {
			t.Errorf("%s: %+v", name, got)
		}
		if got := referencesIn(t, operation(content)); name != "GUID of an archive" && got != nil {
			t.Errorf("%s, ids not wanted: %+v", name, got)
		}
	}
	convert := `<m:ConvertId><m:SourceIds><t:AlternateId Format="FORMAT" Id="` + itemID + `" Mailbox="DUMMY"/></m:SourceIds></m:ConvertId>`
	for format, want := range map[string]int{"EwsId": 1, "EwsLegacyId": 1, "HexEntryId": 0, "StoreId": 0} {
		if got := referencesWith(t, operation(strings.Replace(convert, "FORMAT", format, 1)), true); len(got) != want {
			t.Errorf("ConvertId of %s: %+v", format, got)
		}
	}
}

func TestUnknownAndOtherIDs(t *testing.T) {
	for name, c := range map[string]struct {
		content string
		want    []ews.Reference
	}{
		"unknown":              {`<m:GetItem><m:ItemIds><t:ItemId Id="x"/></m:ItemIds></m:GetItem>`, []ews.Reference{{Kind: ews.IDReference, Path: "@Id"}}},
		"distinguished folder": {`<m:GetFolder><t:DistinguishedFolderId Id="inbox"/></m:GetFolder>`, nil},
		"time zone":            {`<m:CreateItem><t:CalendarItem><t:StartTimeZone Id="UTC"><t:Periods><t:Period Id="x"/></t:Periods></t:StartTimeZone></t:CalendarItem></m:CreateItem>`, nil},
		"version probe":        {`<m:ConvertId><m:SourceIds><t:AlternateId Format="EwsId" Id="DUMMY" Mailbox="DUMMY"/></m:SourceIds></m:ConvertId>`, nil},
		"other namespace":      {`<m:GetItem><m:ItemIds><x:ItemId xmlns:x="urn:x" x:Id="` + itemID + `"/></m:ItemIds></m:GetItem>`, nil},
		"short subscription":   {`<m:Unsubscribe><m:SubscriptionId>x</m:SubscriptionId></m:Unsubscribe>`, []ews.Reference{{Kind: ews.IDReference, Path: "SubscriptionId"}}},
		"old subscription":     {`<m:Unsubscribe><m:SubscriptionId>` + mailboxGUID + `</m:SubscriptionId></m:Unsubscribe>`, []ews.Reference{{Kind: ews.IDReference, Path: "SubscriptionId", ID: ews.IDMailbox{Kind: ews.SubscriptionID}}}},
		"mixed subscription":   {`<m:Unsubscribe><m:SubscriptionId>x<!-- --></m:SubscriptionId></m:Unsubscribe>`, []ews.Reference{{Kind: ews.IDReference, Path: "SubscriptionId", Unreadable: true}}},
		"GUID that is none":    {`<m:X><t:CustomSearchScope><t:MailboxGuid>x</t:MailboxGuid></t:CustomSearchScope></m:X>`, []ews.Reference{{Path: "CustomSearchScope/MailboxGuid", Unreadable: true}}},
	} {
		if got := referencesWith(t, operation(c.content), true); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

// TestElementsWhoseIDIsNotOfAMailbox checks that the Id of some elements is not
// reported as a reference, because it does not name a mailbox. For example, it
// names a time zone or a phone call. The list is from types.xsd and messages.xsd.
func TestElementsWhoseIDIsNotOfAMailbox(t *testing.T) {
	for _, name := range []string{
		"t:AddressListId", "t:EndTimeZone", "t:Period", "m:PhoneCallId", "t:StartTimeZone", "t:TimeZoneContext",
		"t:TimeZoneDefinition", "t:Transitions", "t:TransitionsGroup", "t:UserMailbox",
	} {
		content := `<m:X><` + name + ` Id="x"/></m:X>`
		if got := referencesWith(t, operation(content), true); got != nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestNoReferences(t *testing.T) {
	for name, content := range map[string]string{
		"own folder":             `<m:GetFolder><m:FolderIds><t:DistinguishedFolderId Id="inbox"/></m:FolderIds></m:GetFolder>`,
		"recipients":             `<m:CreateItem><m:Items><t:Message><t:ToRecipients><t:Mailbox>` + bob + `</t:Mailbox></t:ToRecipients><t:ReplyTo><t:Mailbox>` + bob + `</t:Mailbox></t:ReplyTo></t:Message></m:Items></m:CreateItem>`,
		"attendees":              `<m:CreateItem><m:Items><t:CalendarItem><t:RequiredAttendees><t:Attendee><t:Mailbox>` + bob + `</t:Mailbox></t:Attendee></t:RequiredAttendees></t:CalendarItem></m:Items></m:CreateItem>`,
		"From of an attachment":  `<m:CreateAttachment><m:Attachments><t:ItemAttachment><t:Message><t:Attachments><t:ItemAttachment><t:Message/></t:ItemAttachment></t:Attachments><t:From><t:Mailbox>` + bob + `</t:Mailbox></t:From></t:Message></t:ItemAttachment></m:Attachments></m:CreateAttachment>`,
		"permissions":            `<m:CreateFolder><m:Folders><t:Folder><t:PermissionSet><t:Permissions><t:Permission><t:UserId><t:PrimarySmtpAddress>bob@contoso.com</t:PrimarySmtpAddress></t:UserId></t:Permission></t:Permissions></t:PermissionSet></t:Folder></m:Folders></m:CreateFolder>`,
		"delegates' users":       `<m:GetDelegate><m:UserIds><t:UserId><t:PrimarySmtpAddress>bob@contoso.com</t:PrimarySmtpAddress></t:UserId></m:UserIds></m:GetDelegate>`,
		"contact":                `<m:CreateItem><m:Items><t:Contact><t:EmailAddresses><t:Entry Key="EmailAddress1">bob@contoso.com</t:Entry></t:EmailAddresses></t:Contact></m:Items></m:CreateItem>`,
		"distribution list":      `<m:ExpandDL><m:Mailbox>` + bob + `</m:Mailbox></m:ExpandDL>`,
		"mail tips' recipients":  `<m:GetMailTips><m:Recipients><t:Mailbox>` + bob + `</t:Mailbox></m:Recipients></m:GetMailTips>`,
		"rule's recipients":      `<m:UpdateInboxRules><m:Operations><t:CreateRuleOperation><t:Rule><t:Conditions><t:FromAddresses><t:Address>` + bob + `</t:Address></t:FromAddresses></t:Conditions><t:Actions><t:ForwardToRecipients><t:Address>` + bob + `</t:Address></t:ForwardToRecipients></t:Actions></t:Rule></t:CreateRuleOperation></m:Operations></m:UpdateInboxRules>`,
		"version probe":          `<m:ConvertId><m:SourceIds><t:AlternateId Format="EwsId" Id="DUMMY" Mailbox="DUMMY"/></m:SourceIds></m:ConvertId>`,
		"text":                   `<m:CreateItem><m:Items><t:Message><t:Body>&lt;t:EmailAddress>bob@contoso.com</t:Body></t:Message></m:Items></m:CreateItem>`,
		"CDATA":                  `<m:CreateItem><m:Items><t:Message><t:Body><![CDATA[` + dist + `]]></t:Body></t:Message></m:Items></m:CreateItem>`,
		"meeting time attendees": `<m:FindMeetingTimeCandidates><m:AttendeeConstraints><t:AttendeeEntries><t:AttendeeItem><t:Email>bob@contoso.com</t:Email></t:AttendeeItem></t:AttendeeEntries></m:AttendeeConstraints></m:FindMeetingTimeCandidates>`,
	} {
		if got := referencesIn(t, operation(content)); got != nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestUnreadable(t *testing.T) {
	long := make([]byte, maxLeaf+1)
	for i := range long {
		long[i] = 'a'
	}
	for name, c := range map[string]struct {
		leaf string
		want ews.Reference
	}{
		"plain":        {`<t:EmailAddress xmlns:x="urn:x"> bob&#64;contoso.com </t:EmailAddress>`, ews.Reference{Value: "bob@contoso.com"}},
		"legacy DN":    {`<t:EmailAddress>/o=C/cn=bob</t:EmailAddress>`, ews.Reference{Value: "/o=C/cn=bob"}},
		"not ASCII":    {`<t:EmailAddress>b&#x17f;b@contoſo.com</t:EmailAddress>`, ews.Reference{Value: "bſb@contoſo.com"}},
		"empty":        {`<t:EmailAddress/>`, ews.Reference{}},
		"comment":      {`<t:EmailAddress>alice@contoso.com<!-- -->.evil.example</t:EmailAddress>`, ews.Reference{Unreadable: true}},
		"CDATA":        {`<t:EmailAddress><![CDATA[alice@contoso.com]]></t:EmailAddress>`, ews.Reference{Unreadable: true}},
		"child":        {`<t:EmailAddress>alice@contoso.com<t:x/></t:EmailAddress>`, ews.Reference{Unreadable: true}},
		"within":       {`<t:EmailAddress><t:EmailAddress>alice@contoso.com</t:EmailAddress></t:EmailAddress>`, ews.Reference{Unreadable: true}},
		"too long":     {`<t:EmailAddress>` + string(long) + `</t:EmailAddress>`, ews.Reference{Unreadable: true}},
		"an attribute": {`<t:EmailAddress nil="true">alice@contoso.com</t:EmailAddress>`, ews.Reference{Unreadable: true}},
	} {
		c.want.Path = "Mailbox/EmailAddress"
		got := referencesIn(t, operation(`<m:GetDelegate><m:Mailbox>`+c.leaf+`</m:Mailbox></m:GetDelegate>`))
		if len(got) != 1 || got[0] != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

// TestMailboxAttribute checks the Mailbox of an AlternateId, which may also be a
// legacy DN. Only the placeholder that exchangelib sends is not reported.
func TestMailboxAttribute(t *testing.T) {
	for value, want := range map[string][]ews.Reference{
		"/o=Contoso/cn=bob": {{Path: "@Mailbox", Value: "/o=Contoso/cn=bob"}},
		"bob":               {{Path: "@Mailbox", Value: "bob"}},
		"":                  {{Path: "@Mailbox"}},
		"DUMMY":             nil,
		"dummy":             {{Path: "@Mailbox", Value: "dummy"}},
	} {
		got := referencesIn(t, operation(`<m:ConvertId><m:SourceIds><t:AlternateId Format="HexEntryId" Id="A" Mailbox="`+value+`"/></m:SourceIds></m:ConvertId>`))
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, want %+v", value, got, want)
		}
	}
}

func TestReferenceRefused(t *testing.T) {
	refusal := errors.New("not on the list")
	s := NewScanner()
	s.Reset(func(ews.Reference) error { return refusal }, true)
	err := scan(s, operation(`<m:GetFolder>`+dist+`</m:GetFolder>`), 1)
	if !errors.Is(err, refusal) {
		t.Errorf("got %v", err)
	}
	if s.Forwardable() != 0 || s.Close() != err {
		t.Errorf("forwardable %d, then %v", s.Forwardable(), s.Close())
	}
}

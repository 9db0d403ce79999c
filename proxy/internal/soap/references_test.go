package soap

import (
	"errors"
	"reflect"
	"testing"

	"hmaproxy/proxy/ews"
)

// operation puts a request into an envelope.
func operation(content string) []byte { return []byte(head + content + tail) }

func references(t *testing.T, doc []byte) []ews.Reference {
	t.Helper()
	var found []ews.Reference
	s := NewScanner()
	s.Reset(func(r ews.Reference) error {
		found = append(found, r)
		return nil
	})
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
		{"ConvertId", `<m:ConvertId><m:SourceIds><t:AlternateId Format="EwsId" Id="A" Mailbox=" bob&#64;contoso.com"/></m:SourceIds></m:ConvertId>`, "@Mailbox"},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := []ews.Reference{{Path: c.path, Value: "bob@contoso.com"}}
			if got := references(t, operation(c.content)); !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
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
		if got := references(t, operation(content)); got != nil {
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
		got := references(t, operation(`<m:GetDelegate><m:Mailbox>`+c.leaf+`</m:Mailbox></m:GetDelegate>`))
		if len(got) != 1 || got[0] != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

func TestReferenceRefused(t *testing.T) {
	refusal := errors.New("not on the list")
	s := NewScanner()
	s.Reset(func(ews.Reference) error { return refusal })
	err := scan(s, operation(`<m:GetFolder>`+dist+`</m:GetFolder>`), 1)
	if !errors.Is(err, refusal) {
		t.Errorf("got %v", err)
	}
	if s.Forwardable() != 0 || s.Close() != err {
		t.Errorf("forwardable %d, then %v", s.Forwardable(), s.Close())
	}
}

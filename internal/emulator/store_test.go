package emulator_test

import (
	"fmt"
	"strings"
	"testing"

	"hmaproxy/internal/emulator"
	"hmaproxy/internal/ewstest"
)

// save creates an item in the inbox and returns its identifier.
func (x *ews) save(element, fields string) string {
	x.t.Helper()
	return between(x.t, x.call(`<m:CreateItem MessageDisposition="SaveOnly"><m:SavedItemFolderId><t:DistinguishedFolderId Id="inbox"/></m:SavedItemFolderId><m:Items><t:`+
		element+`>`+fields+`</t:`+element+`></m:Items></m:CreateItem>`), `<t:ItemId Id="`, `"`)
}

func getWith(id, shape string) string {
	return `<m:GetItem><m:ItemShape>` + shape + `</m:ItemShape><m:ItemIds><t:ItemId Id="` + id + `"/></m:ItemIds></m:GetItem>`
}

func TestItemsKeepTheirFields(t *testing.T) {
	x := newEWS(t, emulator.Config{})
	id := x.save("Message", `<t:Subject>a</t:Subject><t:Body BodyType="HTML">&lt;b&gt;text&lt;/b&gt;</t:Body><t:Categories><t:String>red</t:String></t:Categories>`+
		`<t:ExtendedProperty><t:ExtendedFieldURI PropertyTag="0x1234" PropertyType="String"/><t:Value>mine</t:Value></t:ExtendedProperty><t:IsRead>1</t:IsRead>`)
	for name, c := range map[string]struct{ shape, want, never string }{
		"all":        {`<t:BaseShape>AllProperties</t:BaseShape>`, `<t:Categories><t:String>red</t:String></t:Categories>`, "<t:MimeContent"},
		"truth":      {`<t:BaseShape>AllProperties</t:BaseShape>`, `<t:IsRead>true</t:IsRead>`, "mine"},
		"identifier": {`<t:BaseShape>IdOnly</t:BaseShape>`, `<t:ItemId Id=`, "<t:Subject"},
		"one more":   {`<t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties><t:FieldURI FieldURI="item:Subject"/></t:AdditionalProperties>`, `<t:Subject>a</t:Subject>`, "<t:Body"},
		"extended":   {`<t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties><t:ExtendedFieldURI PropertyTag="4660" PropertyType="String"/></t:AdditionalProperties>`, `<t:Value>mine</t:Value>`, "<t:Body"},
		"plain text": {`<t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties><t:FieldURI FieldURI="item:TextBody"/></t:AdditionalProperties>`, `<t:TextBody>text</t:TextBody>`, "&lt;b&gt;"},
	} {
		if got := x.call(getWith(id, c.shape)); !strings.Contains(got, c.want) || strings.Contains(got, c.never) {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestFindItemAppliesRestrictionsAndOrder(t *testing.T) {
	x := newEWS(t, emulator.Config{})
	for _, s := range []string{"apple", "Banana", "cherry"} {
		x.save("Message", "<t:Subject>"+s+"</t:Subject>")
	}
	constant := func(value string) string {
		return `<t:FieldURI FieldURI="item:Subject"/><t:FieldURIOrConstant><t:Constant Value="` + value + `"/></t:FieldURIOrConstant>`
	}
	for name, c := range map[string]struct{ query, want string }{
		"equal":     {`<m:Restriction><t:IsEqualTo>` + constant("banana") + `</t:IsEqualTo></m:Restriction>`, "Banana"},
		"not":       {`<m:Restriction><t:Not><t:IsEqualTo>` + constant("Banana") + `</t:IsEqualTo></t:Not></m:Restriction>`, "apple cherry"},
		"or":        {`<m:Restriction><t:Or><t:IsEqualTo>` + constant("apple") + `</t:IsEqualTo><t:IsGreaterThan>` + constant("Banana") + `</t:IsGreaterThan></t:Or></m:Restriction>`, "apple cherry"},
		"contains":  {`<m:Restriction><t:Contains ContainmentMode="Substring" ContainmentComparison="IgnoreCase"><t:FieldURI FieldURI="item:Subject"/><t:Constant Value="AN"/></t:Contains></m:Restriction>`, "Banana"},
		"exact":     {`<m:Restriction><t:Contains ContainmentMode="Substring" ContainmentComparison="Exact"><t:FieldURI FieldURI="item:Subject"/><t:Constant Value="AN"/></t:Contains></m:Restriction>`, ""},
		"backwards": {`<m:SortOrder><t:FieldOrder Order="Descending"><t:FieldURI FieldURI="item:Subject"/></t:FieldOrder></m:SortOrder>`, "cherry Banana apple"},
		"a page":    {`<m:IndexedPageItemView MaxEntriesReturned="1" Offset="1" BasePoint="Beginning"/>`, "Banana"},
	} {
		got := x.call(`<m:FindItem Traversal="Shallow"><m:ItemShape><t:BaseShape>Default</t:BaseShape></m:ItemShape>` + c.query +
			`<m:ParentFolderIds><t:DistinguishedFolderId Id="inbox"/></m:ParentFolderIds></m:FindItem>`)
		var subjects []string
		for _, part := range strings.Split(got, "<t:Subject>")[1:] {
			subject, _, _ := strings.Cut(part, "<")
			subjects = append(subjects, subject)
		}
		if strings.Join(subjects, " ") != c.want {
			t.Errorf("%s: found %q, want %q", name, subjects, c.want)
		}
	}
	unknown := x.call(`<m:FindItem><m:Restriction><t:Excludes/></m:Restriction><m:ParentFolderIds><t:DistinguishedFolderId Id="inbox"/></m:ParentFolderIds></m:FindItem>`)
	if !strings.Contains(unknown, "ErrorUnsupportedPathForQuery") {
		t.Errorf("a restriction that is not known: %s", unknown)
	}
}

func TestAttachmentsAreCreatedAndDeleted(t *testing.T) {
	x := newEWS(t, emulator.Config{})
	x.e.Exchange().KeepContent(4 << 20)
	content := strings.Repeat("QUJD", 1<<19) // 2 MiB, more than the default of KeepContent
	item := x.save("Message", "<t:Subject>a</t:Subject>")
	id := between(t, x.call(`<m:CreateAttachment><m:ParentItemId Id="`+item+`"/><m:Attachments><t:FileAttachment><t:Name>f.bin</t:Name><t:Content>`+
		content+`</t:Content></t:FileAttachment></m:Attachments></m:CreateAttachment>`), `<t:AttachmentId Id="`, `"`)
	get := `<m:GetAttachment><m:AttachmentIds><t:AttachmentId Id="` + id + `"/></m:AttachmentIds></m:GetAttachment>`
	if got := x.call(get); between(t, got, "<t:Content>", "<") != content || !strings.Contains(got, "<t:Name>f.bin</t:Name>") {
		t.Errorf("the attachment changed: %.200s", got)
	}
	if got := x.call(getWith(item, `<t:BaseShape>Default</t:BaseShape>`)); !strings.Contains(got, "<t:HasAttachments>true<") || !strings.Contains(got, id) {
		t.Errorf("the item does not list it: %s", got)
	}
	_, body := x.do(x.request(soapEnvelope(ewstest.Impersonation("SmtpAddress", "bob@contoso.com"), get)))
	if !strings.Contains(body, "ErrorAccessDenied") {
		t.Errorf("read by another mailbox: %.300s", body)
	}
	x.call(`<m:DeleteAttachment><m:AttachmentIds><t:AttachmentId Id="` + id + `"/></m:AttachmentIds></m:DeleteAttachment>`)
	if got := x.call(getWith(item, `<t:BaseShape>Default</t:BaseShape>`)); !strings.Contains(got, "<t:HasAttachments>false<") {
		t.Errorf("the item still lists it: %s", got)
	}
}

func TestFolderSynchronisation(t *testing.T) {
	x := newEWS(t, emulator.Config{})
	state := ""
	sync := func() string {
		got := x.call(`<m:SyncFolderHierarchy><m:SyncState>` + state + `</m:SyncState></m:SyncFolderHierarchy>`)
		state = between(t, got, "<m:SyncState>", "<")
		return between(t, got, "<m:Changes>", "</m:Changes>")
	}
	if got := sync(); strings.Count(got, "<t:Create>") != 10 || strings.Contains(got, ">Root<") {
		t.Errorf("first: %s", got)
	}
	// With SyncFolderId the response contains only the changes below that folder.
	// akonadi-ews treats any other folder as an orphan and ends the synchronisation.
	got := x.call(`<m:SyncFolderHierarchy><m:SyncFolderId><t:DistinguishedFolderId Id="msgfolderroot"/></m:SyncFolderId></m:SyncFolderHierarchy>`)
	top := between(t, x.call(`<m:GetFolder><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape><m:FolderIds><t:DistinguishedFolderId Id="msgfolderroot"/></m:FolderIds></m:GetFolder>`), `<t:FolderId Id="`, `"`)
	if strings.Count(got, "<t:Create>") != 9 || strings.Count(got, `<t:ParentFolderId Id="`+top) != 9 {
		t.Errorf("below msgfolderroot: %s", got)
	}
	create := `<m:CreateFolder><m:ParentFolderId><t:DistinguishedFolderId Id="inbox"/></m:ParentFolderId><m:Folders><t:Folder><t:DisplayName>%s</t:DisplayName></t:Folder></m:Folders></m:CreateFolder>`
	id := between(t, x.call(fmt.Sprintf(create, "new")), `<t:FolderId Id="`, `"`)
	if got := x.call(fmt.Sprintf(create, "new")); !strings.Contains(got, "ErrorFolderExists") {
		t.Errorf("twice: %s", got)
	}
	x.call(`<m:UpdateFolder><m:FolderChanges><t:FolderChange><t:FolderId Id="` + id + `"/><t:Updates><t:SetFolderField><t:FieldURI FieldURI="folder:DisplayName"/><t:Folder><t:DisplayName>renamed</t:DisplayName></t:Folder></t:SetFolderField></t:Updates></t:FolderChange></m:FolderChanges></m:UpdateFolder>`)
	if got := sync(); strings.Count(got, "<t:Create>") != 1 || !strings.Contains(got, "renamed") || strings.Contains(got, "<t:Update>") {
		t.Errorf("after creation and update: %s", got)
	}
	x.call(`<m:DeleteFolder DeleteType="HardDelete"><m:FolderIds><t:FolderId Id="` + id + `"/></m:FolderIds></m:DeleteFolder>`)
	if got := sync(); !strings.Contains(got, `<t:Delete><t:FolderId Id="`+id) {
		t.Errorf("after deletion: %s", got)
	}
	if got := sync(); got != "" {
		t.Errorf("after no change: %s", got)
	}
	if got := x.call(`<m:DeleteFolder><m:FolderIds><t:DistinguishedFolderId Id="inbox"/></m:FolderIds></m:DeleteFolder>`); !strings.Contains(got, "ErrorDeleteDistinguishedFolder") {
		t.Errorf("a distinguished folder: %s", got)
	}
}

func TestDraftsAreSent(t *testing.T) {
	x := newEWS(t, emulator.Config{})
	id := x.save("Message", // To: bob; Subject: Grü, encoded
		`<t:MimeContent>VG86IGJvYkBjb250b3NvLmNvbQ0KU3ViamVjdDogPT91dGYtOD9xP0dyPUMzPUJDPz0NCg0KdGV4dA0K</t:MimeContent>`)
	x.call(`<m:SendItem SaveItemToFolder="true"><m:ItemIds><t:ItemId Id="` + id + `"/></m:ItemIds></m:SendItem>`)
	subjects(t, x, "alice@contoso.com", "inbox")
	subjects(t, x, "alice@contoso.com", "sentitems", "Grü")
	subjects(t, x, "bob@contoso.com", "inbox", "Grü")
}

func TestFreeBusyListsCalendarItems(t *testing.T) {
	x := newEWS(t, emulator.Config{})
	x.call(`<m:CreateItem><m:Items><t:CalendarItem><t:Subject>s</t:Subject><t:Start>2026-11-24T10:00:00+01:00</t:Start><t:End>2026-11-24T10:00:00Z</t:End></t:CalendarItem></m:Items></m:CreateItem>`)
	ask := func(from, to string) string {
		return x.call(`<m:GetUserAvailabilityRequest><t:TimeZone><t:Bias>-60</t:Bias></t:TimeZone><m:MailboxDataArray><t:MailboxData><t:Email><t:Address>alice@contoso.com</t:Address></t:Email></t:MailboxData></m:MailboxDataArray>` +
			`<t:FreeBusyViewOptions><t:TimeWindow><t:StartTime>` + from + `</t:StartTime><t:EndTime>` + to + `</t:EndTime></t:TimeWindow></t:FreeBusyViewOptions></m:GetUserAvailabilityRequest>`)
	}
	if got := ask("2026-11-24T00:00:00", "2026-11-25T00:00:00"); !strings.Contains(got, "<t:StartTime>2026-11-24T10:00:00</t:StartTime><t:EndTime>2026-11-24T11:00:00</t:EndTime><t:BusyType>Busy<") {
		t.Errorf("that day: %s", got)
	}
	if got := ask("2026-11-25T00:00:00", "2026-11-26T00:00:00"); strings.Contains(got, "CalendarEvent") {
		t.Errorf("the next day: %s", got)
	}
}

func TestServiceDescription(t *testing.T) {
	x := newEWS(t, emulator.Config{})
	get := func(path string) string {
		req := x.request("")
		req.Method, req.Body, req.ContentLength, req.URL.Path, req.URL.RawQuery = "GET", nil, 0, path, ""
		_, body := x.do(req)
		return body
	}
	if got := get("/ews/Services.wsdl"); !strings.Contains(got, `name="ExchangeServiceBinding"`) {
		t.Errorf("Services.wsdl: %.200s", got)
	}
	x.e.Exchange().SetDocument("types.xsd", "<mine/>")
	if got := get("/EWS/types.xsd"); got != "<mine/>" {
		t.Errorf("types.xsd: %.200s", got)
	}
}

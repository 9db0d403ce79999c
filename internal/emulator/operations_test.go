package emulator_test

import (
	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hmaproxy/internal/emulator"
	"hmaproxy/internal/ewstest"
)

const createDraft = `<m:CreateItem MessageDisposition="SaveOnly"><m:Items><t:Message><t:Subject>a &lt; b</t:Subject><t:Body BodyType="Text">text</t:Body></t:Message></m:Items></m:CreateItem>`

func subjects(t *testing.T, x *ews, address, folder string, want ...string) {
	t.Helper()
	if got := x.e.Exchange().Subjects(address, folder); !slices.Equal(got, want) {
		t.Errorf("%s of %s: %q, want %q", folder, address, got, want)
	}
}

func TestItemsCanBeReadAndMoved(t *testing.T) {
	x := newEWS(t, emulator.Config{})
	id := func(body string) string { return between(t, body, `<t:ItemId Id="`, `"`) }
	item := id(x.call(createDraft))
	if got := x.call(`<m:GetItem><m:ItemIds><t:ItemId Id="` + item + `"/></m:ItemIds></m:GetItem>`); !strings.Contains(got, "<t:Subject>a &lt; b</t:Subject>") {
		t.Errorf("GetItem: %s", got)
	}
	x.call(`<m:UpdateItem ConflictResolution="AlwaysOverwrite"><m:ItemChanges><t:ItemChange><t:ItemId Id="` + item + `"/><t:Updates><t:SetItemField><t:FieldURI FieldURI="item:Subject"/><t:Message><t:Subject>new</t:Subject></t:Message></t:SetItemField></t:Updates></t:ItemChange></m:ItemChanges></m:UpdateItem>`)
	subjects(t, x, "alice@contoso.com", "drafts", "new")
	moved := id(x.call(`<m:MoveItem><m:ToFolderId><t:DistinguishedFolderId Id="inbox"/></m:ToFolderId><m:ItemIds><t:ItemId Id="` + item + `"/></m:ItemIds></m:MoveItem>`))
	if moved == item {
		t.Error("a move kept the identifier")
	}
	subjects(t, x, "alice@contoso.com", "drafts")
	found := x.call(`<m:FindItem Traversal="Shallow"><m:ItemShape><t:BaseShape>Default</t:BaseShape></m:ItemShape><m:ParentFolderIds><t:DistinguishedFolderId Id="inbox"/></m:ParentFolderIds></m:FindItem>`)
	if id(found) != moved || !strings.Contains(found, `TotalItemsInView="1"`) {
		t.Errorf("FindItem: %s", found)
	}
	x.call(`<m:DeleteItem DeleteType="MoveToDeletedItems"><m:ItemIds><t:ItemId Id="` + moved + `"/></m:ItemIds></m:DeleteItem>`)
	subjects(t, x, "alice@contoso.com", "inbox")
	subjects(t, x, "alice@contoso.com", "deleteditems", "new")
	if gone := x.call(`<m:GetItem><m:ItemIds><t:ItemId Id="` + moved + `"/></m:ItemIds></m:GetItem>`); !strings.Contains(gone, "ErrorItemNotFound") {
		t.Errorf("GetItem of a moved item: %s", gone)
	}
	if n := x.e.Exchange().Executed("GetItem"); n != 2 {
		t.Errorf("GetItem ran %d times", n)
	}
}

func TestSentMailIsDelivered(t *testing.T) {
	x := newEWS(t, emulator.Config{})
	mail := `<m:CreateItem MessageDisposition="SendAndSaveCopy"><m:Items><t:Message><t:Subject>hello</t:Subject><t:ToRecipients><t:Mailbox><t:EmailAddress>bob@contoso.com</t:EmailAddress></t:Mailbox></t:ToRecipients>%s</t:Message></m:Items></m:CreateItem>`
	x.call(fmt.Sprintf(mail, ""))
	subjects(t, x, "bob@contoso.com", "inbox", "hello")
	subjects(t, x, "alice@contoso.com", "sentitems", "hello")
	from := `<t:From><t:Mailbox><t:EmailAddress>ceo@contoso.com</t:EmailAddress></t:Mailbox></t:From>`
	if got := x.call(fmt.Sprintf(mail, from)); !strings.Contains(got, "ErrorSendAsDenied") {
		t.Errorf("mail with another mailbox in From: %s", got)
	}
	subjects(t, x, "bob@contoso.com", "inbox", "hello")
}

func TestFoldersOfOtherMailboxesAreDenied(t *testing.T) {
	x := newEWS(t, emulator.Config{})
	const ceo = `<m:GetFolder><m:FolderIds><t:DistinguishedFolderId Id="inbox"><t:Mailbox><t:EmailAddress>ceo@contoso.com</t:EmailAddress></t:Mailbox></t:DistinguishedFolderId></m:FolderIds></m:GetFolder>`
	if got := x.call(ceo); !strings.Contains(got, "ErrorAccessDenied") {
		t.Errorf("without permission: %s", got)
	}
	x.e.Exchange().Permit("alice@contoso.com", "ceo@contoso.com")
	got := x.call(ceo)
	if !strings.Contains(got, `ResponseClass="Success"`) {
		t.Errorf("with permission: %s", got)
	}
	folder := between(t, got, `<t:FolderId Id="`, `"`)
	_, body := x.do(x.request(soapEnvelope(ewstest.Impersonation("SmtpAddress", "bob@contoso.com"), `<m:GetFolder><m:FolderIds><t:FolderId Id="`+folder+`"/></m:FolderIds></m:GetFolder>`)))
	if !strings.Contains(body, "ErrorAccessDenied") {
		t.Errorf("another mailbox's item identifier: %s", body)
	}
}

func TestSyncFolderItems(t *testing.T) {
	x := newEWS(t, emulator.Config{})
	sync := func(state string, most int) string {
		return x.call(fmt.Sprintf(`<m:SyncFolderItems><m:SyncFolderId><t:DistinguishedFolderId Id="inbox"/></m:SyncFolderId><m:SyncState>%s</m:SyncState><m:MaxChangesReturned>%d</m:MaxChangesReturned></m:SyncFolderItems>`, state, most))
	}
	x.e.Exchange().Deliver("alice@contoso.com", "one")
	x.e.Exchange().Deliver("alice@contoso.com", "two")
	first := sync("", 1)
	state := between(t, first, "<m:SyncState>", "<")
	if !strings.Contains(first, ">one<") || strings.Contains(first, ">two<") || !strings.Contains(first, "<m:IncludesLastItemInRange>false<") {
		t.Errorf("first: %s", first)
	}
	second := sync(state, 10)
	state = between(t, second, "<m:SyncState>", "<")
	if !strings.Contains(second, ">two<") || strings.Contains(second, ">one<") || !strings.Contains(second, "<m:IncludesLastItemInRange>true<") {
		t.Errorf("second: %s", second)
	}
	if third := sync(state, 10); !strings.Contains(third, "<m:Changes></m:Changes>") {
		t.Errorf("third: %s", third)
	}
	if got := sync("rubbish", 10); !strings.Contains(got, "ErrorInvalidSyncStateData") {
		t.Errorf("an invalid SyncState: %s", got)
	}
}

func TestSmallOperations(t *testing.T) {
	x := newEWS(t, emulator.Config{})
	for name, c := range map[string]struct{ operation, want string }{
		"FindFolder":              {`<m:FindFolder Traversal="Shallow"><m:ParentFolderIds><t:DistinguishedFolderId Id="msgfolderroot"/></m:ParentFolderIds></m:FindFolder>`, "<t:DisplayName>Sent Items</t:DisplayName>"},
		"FindFolder, deep":        {`<m:FindFolder Traversal="Deep"><m:ParentFolderIds><t:DistinguishedFolderId Id="root"/></m:ParentFolderIds></m:FindFolder>`, `TotalItemsInView="10"`},
		"ConvertId":               {`<m:ConvertId DestinationFormat="EntryId"><m:SourceIds><t:AlternateId Format="EwsId" Id="x" Mailbox="bob@contoso.com"/></m:SourceIds></m:ConvertId>`, `Format="EntryId"`},
		"ConvertId, a probe's":    {`<m:ConvertId DestinationFormat="EntryId"><m:SourceIds><t:AlternateId Format="EwsId" Id="DUMMY" Mailbox="DUMMY"/></m:SourceIds></m:ConvertId>`, "ErrorInvalidIdMalformed"},
		"time zones":              {`<m:GetServerTimeZones/>`, `Id="UTC"`},
		"names":                   {`<m:ResolveNames ReturnFullContactData="false"><m:UnresolvedEntry>bob</m:UnresolvedEntry></m:ResolveNames>`, "<t:EmailAddress>bob@contoso.com<"},
		"no names":                {`<m:ResolveNames><m:UnresolvedEntry>zoe</m:UnresolvedEntry></m:ResolveNames>`, "ErrorNameResolutionNoResults"},
		"availability":            {`<m:GetUserAvailabilityRequest><m:MailboxDataArray><t:MailboxData><t:Email><t:Address>bob@contoso.com</t:Address></t:Email></t:MailboxData></m:MailboxDataArray></m:GetUserAvailabilityRequest>`, "<t:FreeBusyViewType>FreeBusy<"},
		"out of office":           {`<m:GetUserOofSettingsRequest><t:Mailbox><t:Address>alice@contoso.com</t:Address></t:Mailbox></m:GetUserOofSettingsRequest>`, "<t:OofState>Disabled<"},
		"another's out of office": {`<m:GetUserOofSettingsRequest><t:Mailbox><t:Address>bob@contoso.com</t:Address></t:Mailbox></m:GetUserOofSettingsRequest>`, "ErrorAccessDenied"},
		"push":                    {`<m:Subscribe><m:PushSubscriptionRequest><t:URL>http://x</t:URL></m:PushSubscriptionRequest></m:Subscribe>`, "ErrorInvalidSubscriptionRequest"},
	} {
		if got := x.call(c.operation); !strings.Contains(got, c.want) {
			t.Errorf("%s: %s", name, got)
		}
	}
}

const subscribe = `<m:Subscribe><m:StreamingSubscriptionRequest><t:FolderIds><t:DistinguishedFolderId Id="inbox"/></t:FolderIds><t:EventTypes><t:EventType>NewMailEvent</t:EventType></t:EventTypes></m:StreamingSubscriptionRequest></m:Subscribe>`

func stream(id string) string {
	return `<m:GetStreamingEvents><m:SubscriptionIds><t:SubscriptionId>` + id + `</t:SubscriptionId></m:SubscriptionIds><m:ConnectionTimeout>2</m:ConnectionTimeout></m:GetStreamingEvents>`
}

func TestStreamingNotifications(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newEWS(t, emulator.Config{})
		id := between(t, x.call(subscribe), "<m:SubscriptionId>", "<")
		began := time.Now()
		time.AfterFunc(50*time.Second, func() { x.e.Exchange().Deliver("alice@contoso.com", "news") })
		resp, err := x.client.Do(x.request(soapEnvelope(asAlice, stream(id))))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var seen []string
		buf := make([]byte, 16<<10)
		for {
			n, err := resp.Body.Read(buf)
			for _, what := range []string{">OK<", "<t:NewMailEvent>", ">Closed<"} {
				if strings.Contains(string(buf[:n]), what) {
					seen = append(seen, fmt.Sprint(time.Since(began).Round(time.Second), what))
				}
			}
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		want := []string{"0s>OK<", "45s>OK<", "50s<t:NewMailEvent>", "1m30s>OK<", "2m0s>Closed<"}
		if !slices.Equal(seen, want) {
			t.Errorf("documents: %q, want %q", seen, want)
		}
	})
}

func TestStreamEndsWithTheEmulator(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newEWS(t, emulator.Config{})
		id := between(t, x.call(subscribe), "<m:SubscriptionId>", "<")
		resp, err := x.client.Do(x.request(soapEnvelope(asAlice, stream(id))))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		time.AfterFunc(time.Second, x.e.Close)
		if _, err := io.ReadAll(resp.Body); err == nil {
			t.Error("the stream ended as if it were complete")
		}
	})
}

func TestAffinity(t *testing.T) {
	x := newEWS(t, emulator.Config{})
	x.header.Set("X-AnchorMailbox", "alice@contoso.com")
	x.header.Set("X-PreferServerAffinity", "true")
	resp, body := x.do(x.request(soapEnvelope(asAlice, subscribe)))
	id := between(t, body, "<m:SubscriptionId>", "<")
	cookies := strings.Join(resp.Header.Values("Set-Cookie"), "\n")
	override := between(t, cookies, "X-BackEndOverrideCookie=", ";")
	fetch := soapEnvelope(asAlice, `<m:Unsubscribe><m:SubscriptionId>`+id+`</m:SubscriptionId></m:Unsubscribe>`)
	x.header.Set("X-AnchorMailbox", "bob@contoso.com")
	if _, body := x.do(x.request(fetch)); !strings.Contains(body, "ErrorSubscriptionNotFound") {
		t.Errorf("on the wrong back end: %s", body)
	}
	if _, body := x.do(x.request(soapEnvelope(asAlice, stream(id)))); !strings.Contains(body, "ErrorSubscriptionNotFound") {
		t.Errorf("streaming from the wrong back end: %s", body)
	}
	x.header.Set("Cookie", "X-BackEndOverrideCookie="+override)
	x.header.Del("X-PreferServerAffinity")
	if _, body := x.do(x.request(fetch)); !strings.Contains(body, "ErrorSubscriptionNotFound") {
		t.Errorf("with the cookie, without the preference: %s", body)
	}
	x.header.Set("X-PreferServerAffinity", "true")
	resp, body = x.do(x.request(fetch))
	if !strings.Contains(body, `ResponseClass="Success"`) {
		t.Errorf("with the cookie: %s", body)
	}
	if cookies := strings.Join(resp.Header.Values("Set-Cookie"), "\n"); strings.Contains(cookies, "Override") {
		t.Errorf("the cookie came again: %s", cookies)
	}
}

func TestPullNotifications(t *testing.T) {
	x := newEWS(t, emulator.Config{})
	subscribed := x.call(strings.ReplaceAll(subscribe, "Streaming", "Pull"))
	id := between(t, subscribed, "<m:SubscriptionId>", "<")
	get := `<m:GetEvents><m:SubscriptionId>` + id + `</m:SubscriptionId><m:Watermark>x</m:Watermark></m:GetEvents>`
	// PreviousWatermark is the watermark of the last event that the client has got
	// (MS-OXWSNTIF, t:NotificationType).
	last := between(t, subscribed, "<m:Watermark>", "<")
	events := func(when string) string {
		t.Helper()
		got := x.call(get)
		if previous := between(t, got, "<t:PreviousWatermark>", "<"); previous != last {
			t.Errorf("%s: PreviousWatermark %s, want %s", when, previous, last)
		}
		for _, rest := range strings.Split(got, "<t:Watermark>")[1:] {
			last, _, _ = strings.Cut(rest, "<")
		}
		return got
	}
	if got := events("without events"); !strings.Contains(got, "<t:StatusEvent>") {
		t.Errorf("without events: %s", got)
	}
	x.call(createDraft)
	x.e.Exchange().Deliver("alice@contoso.com", "news")
	before := last
	if got := events("after a mail"); strings.Count(got, "<t:NewMailEvent>") != 1 || strings.Contains(got, "CreatedEvent") {
		t.Errorf("after a mail: %s", got)
	}
	if last == before {
		t.Error("the event of a mail has the watermark of the Subscribe")
	}
	if got := events("after the mail was fetched"); !strings.Contains(got, "<t:StatusEvent>") {
		t.Errorf("without further events: %s", got)
	}
}

func TestLargeBodiesAreNotBuffered(t *testing.T) {
	x := newEWS(t, emulator.Config{})
	const size = 32 << 20
	parent := between(t, x.call(createDraft), `<t:ItemId Id="`, `"`)
	before, after, _ := strings.Cut(soapEnvelope(asAlice, `<m:CreateAttachment><m:ParentItemId Id="`+parent+`"/><m:Attachments><t:FileAttachment><t:Name>big</t:Name><t:Content>|</t:Content></t:FileAttachment></m:Attachments></m:CreateAttachment>`), "|")
	body := io.MultiReader(strings.NewReader(before), io.LimitReader(letters{}, size), strings.NewReader(after))
	req := x.request("")
	req.Body, req.ContentLength, req.GetBody = io.NopCloser(body), int64(len(before)+size+len(after)), nil
	var m0, m1 runtime.MemStats
	runtime.ReadMemStats(&m0)
	resp, text := x.do(req)
	runtime.ReadMemStats(&m1)
	if resp.StatusCode != http.StatusOK || !strings.Contains(text, "<t:AttachmentId") {
		t.Errorf("status %d: %s", resp.StatusCode, text)
	}
	if grown := m1.TotalAlloc - m0.TotalAlloc; grown > size/2 {
		t.Errorf("allocated %d MiB for a body of %d", grown>>20, size>>20)
	}
	item := x.call(`<m:GetItem><m:ItemIds><t:ItemId Id="` + parent + `"/></m:ItemIds></m:GetItem>`)
	if got := between(t, between(t, item, "</t:Attachments>", "</t:Message>"), "<t:Size>", "<"); got != fmt.Sprint(size+len("a < b")+len("text")+len("big")) {
		t.Errorf("size %s", got)
	}

	req = x.request("")
	req.Body, req.ContentLength, req.GetBody = io.NopCloser(letters{}), 64<<20+1, nil
	if resp, _ := x.do(req); resp.StatusCode != http.StatusNotFound {
		t.Errorf("more than 64 MiB: status %d", resp.StatusCode)
	}

	x.e.Exchange().SetAttachmentSize(size)
	id := x.e.Exchange().AttachmentID("alice@contoso.com")
	resp, err := x.client.Do(x.request(soapEnvelope(asAlice, `<m:GetAttachment><m:AttachmentIds><t:AttachmentId Id="`+id+`"/></m:AttachmentIds></m:GetAttachment>`)))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if n, err := io.Copy(io.Discard, resp.Body); err != nil || n < size {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// A letters value is a reader of endless base64 text.
type letters struct{}

func (letters) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'A'
	}
	return len(p), nil
}

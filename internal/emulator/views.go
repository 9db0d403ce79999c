package emulator

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

func (c *call) findItem() response {
	var results []result
	for _, id := range c.op.children("ParentFolderIds") {
		f, bad := c.resolve(id)
		if bad != nil {
			results = append(results, *bad)
			continue
		}
		results = append(results, result{inner: c.page(f)})
	}
	return replies("FindItem", results)
}

// page is the part of a folder that an IndexedPageItemView asks for.
func (c *call) page(f *folder) string {
	items := f.owner.itemsOf(f)
	total, from, size := len(items), 0, 1000
	if view := c.op.find("IndexedPageItemView"); view != nil {
		from, _ = strconv.Atoi(view.attribute("", "Offset"))
		if n, err := strconv.Atoi(view.attribute("", "MaxEntriesReturned")); err == nil {
			size = n
		}
	}
	from = min(max(from, 0), total)
	to := min(from+max(size, 0), total)
	var b strings.Builder
	for _, i := range items[from:to] {
		b.WriteString(i.xml())
	}
	return fmt.Sprintf(`<m:RootFolder IndexedPagingOffset="%d" TotalItemsInView="%d" IncludesLastItemInRange="%t"><t:Items>%s</t:Items></m:RootFolder>`,
		to, total, to == total, b.String())
}

func (c *call) findFolder() response {
	var results []result
	for _, id := range c.op.children("ParentFolderIds") {
		f, bad := c.resolve(id)
		if bad != nil {
			results = append(results, *bad)
			continue
		}
		results = append(results, result{inner: f.children(c.op.attribute("", "Traversal") == "Deep")})
	}
	return replies("FindFolder", results)
}

func (f *folder) children(deep bool) string {
	var b strings.Builder
	list := f.below(deep)
	for _, kid := range list {
		b.WriteString(kid.xml())
	}
	return fmt.Sprintf(`<m:RootFolder TotalItemsInView="%d" IncludesLastItemInRange="true"><t:Folders>%s</t:Folders></m:RootFolder>`, len(list), b.String())
}

// syncFolderItems tells what happened in a folder since the SyncState, which
// is empty at first and means nothing to a client.
func (c *call) syncFolderItems() response {
	ids := c.op.children("SyncFolderId")
	if len(ids) == 0 {
		return replies("SyncFolderItems", []result{failed("ErrorInvalidRequest", "The request is invalid.")})
	}
	f, bad := c.resolve(ids[0])
	if bad != nil {
		return replies("SyncFolderItems", []result{*bad})
	}
	since, ok := parseSyncState(c.op.value("SyncState"), f)
	if !ok {
		return replies("SyncFolderItems", []result{failed("ErrorInvalidSyncStateData", "The SyncState data is invalid.")})
	}
	limit := 512
	if n, err := strconv.Atoi(c.op.value("MaxChangesReturned")); err == nil {
		limit = n
	}
	return replies("SyncFolderItems", []result{f.changesSince(since, limit)})
}

func parseSyncState(state string, f *folder) (since int, ok bool) {
	if state == "" {
		return 0, true
	}
	parts := parseID(state)
	if len(parts) != 3 || parts[0] != "S" || parts[1] != f.id {
		return 0, false
	}
	since, err := strconv.Atoi(parts[2])
	return since, err == nil
}

func (f *folder) changesSince(since, limit int) result {
	var b strings.Builder
	last := true
	for _, ch := range f.log {
		if ch.seq <= since {
			continue
		}
		if limit == 0 {
			last = false
			break
		}
		limit, since = limit-1, ch.seq
		f.writeChange(&b, ch)
	}
	return result{inner: fmt.Sprintf(`<m:SyncState>%s</m:SyncState><m:IncludesLastItemInRange>%t</m:IncludesLastItemInRange><m:Changes>%s</m:Changes>`,
		opaqueID("S", f.id, strconv.Itoa(since)), last, b.String())}
}

func (f *folder) writeChange(b *strings.Builder, ch change) {
	if ch.kind == "Delete" {
		fmt.Fprintf(b, `<t:Delete><t:ItemId Id="%s"/></t:Delete>`, ch.itemID)
		return
	}
	if i := f.owner.items[ch.itemID]; i != nil && i.folder == f {
		fmt.Fprintf(b, "<t:%s>%s</t:%[1]s>", ch.kind, i.xml())
	}
}

// createAttachment counts the content and keeps none of it.
func (c *call) createAttachment() response {
	i, bad := c.item(c.op.find("ParentItemId"))
	if bad != nil {
		return replies("CreateAttachment", []result{*bad})
	}
	var results []result
	for _, a := range c.op.children("Attachments") {
		i.size += a.weight()
		i.version++
		id := opaqueID("A", i.folder.owner.GUID, strconv.Itoa(i.version))
		results = append(results, result{inner: fmt.Sprintf(`<m:Attachments><t:%s><t:AttachmentId Id="%s" RootItemId="%s" RootItemChangeKey="CQAAAA%02d"/></t:%[1]s></m:Attachments>`,
			a.name.Local, id, i.id, i.version)})
	}
	return replies("CreateAttachment", results)
}

// getAttachment answers any attachment of a mailbox that the user may open,
// with filler of the configured size, as it writes.
func (c *call) getAttachment() response {
	ids := c.op.children("AttachmentIds")
	if len(ids) != 1 {
		return replies("GetAttachment", []result{failed("ErrorInvalidRequest", "The request is invalid.")})
	}
	id := ids[0].attribute("", "Id")
	parts := parseID(id)
	if len(parts) != 3 || parts[0] != "A" {
		return replies("GetAttachment", []result{failed("ErrorInvalidIdMalformed", "Id is malformed.")})
	}
	if owner := c.x.byGUID(parts[1]); owner == nil || !c.mayOpen(owner) {
		return replies("GetAttachment", []result{denied()})
	}
	size := c.x.attachmentSize / 4 * 4
	document := bodyOf(fmt.Sprintf(`<m:GetAttachmentResponse xmlns:m="%s" xmlns:t="%s"><m:ResponseMessages><m:GetAttachmentResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode><m:Attachments><t:FileAttachment><t:AttachmentId Id="%s"/><t:Name>attachment.bin</t:Name><t:Content>%%s</t:Content></t:FileAttachment></m:Attachments></m:GetAttachmentResponseMessage></m:ResponseMessages></m:GetAttachmentResponse>`,
		nsMessages, nsTypes, id))
	before, after, _ := strings.Cut(document, "%s")
	return func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "text/xml; charset=utf-8")
		fmt.Fprint(w, xmlDeclaration, before)
		if writeFiller(w, size) == nil {
			fmt.Fprint(w, after)
		}
	}
}

// AttachmentID returns the identifier of an attachment in a mailbox, for
// GetAttachment, or "".
func (x *Exchange) AttachmentID(address string) string {
	x.mu.Lock()
	defer x.mu.Unlock()
	if m := x.byAddress(address); m != nil {
		return opaqueID("A", m.GUID, "1")
	}
	return ""
}

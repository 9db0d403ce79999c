package exchange

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"hmaproxy/internal/emulator/service"
)

// An attachment belongs to an item. Its content is stored as the client sent it:
// base64, or the element of an attached item.
type attachment struct {
	id      string
	element string  // "FileAttachment", "ItemAttachment"
	details []*node // Name, ContentType and the like
	content *node
	size    int64
}

// attach adds the attachment that n describes to the item i, and returns it.
func attach(c *call, i *item, n *node) *attachment {
	a := &attachment{
		id: mailboxID("A", i.folder.owner.GUID, strconv.Itoa(c.store.nextChange())), element: n.name.Local, size: n.weight(),
	}
	for _, kid := range n.kids {
		switch kid.name.Local {
		case "Name", "ContentType", "ContentId", "ContentLocation", "IsInline", "IsContactPhoto":
			a.details = append(a.details, kid)
		case "Size", "LastModifiedTime", "AttachmentId":
		default:
			a.content = kid
		}
	}
	i.attachments = append(slices.Clone(i.attachments), a)
	i.size += a.size
	return a
}

// reference returns the element that describes the attachment in the fields of
// its item.
func (a *attachment) reference() *node {
	n := branch(a.element, branch("AttachmentId").with("Id", a.id))
	for _, name := range []string{"Name", "ContentType", "ContentId", "ContentLocation"} {
		n.kids = append(n.kids, a.detail(name)...)
	}
	n.kids = append(n.kids, leaf("Size", strconv.FormatInt(a.size, 10)))
	if inline := a.detail("IsInline"); inline != nil {
		return branch(a.element, append(n.kids, inline...)...)
	}
	return branch(a.element, append(n.kids, leaf("IsInline", "false"))...)
}

func (a *attachment) detail(name string) []*node {
	for _, d := range a.details {
		if d.name.Local == name {
			return []*node{d}
		}
	}
	return nil
}

func createAttachment(c *call) response {
	i, bad := c.item(c.op.find("ParentItemId"))
	if bad != nil {
		return replies("CreateAttachment", []result{*bad})
	}
	var results []result
	for _, n := range c.op.children("Attachments") {
		a := attach(c, i, n)
		i.version++
		results = append(results, result{inner: fmt.Sprintf(`<m:Attachments><t:%s><t:AttachmentId Id="%s" RootItemId="%s" RootItemChangeKey="%s"/></t:%[1]s></m:Attachments>`,
			a.element, a.id, i.id, i.changeKey())})
	}
	c.store.changed(i, "Update", "ModifiedEvent")
	return replies("CreateAttachment", results)
}

func deleteAttachment(c *call) response {
	var results []result
	for _, id := range c.op.children("AttachmentIds") {
		results = append(results, detach(c, id.attribute("", "Id")))
	}
	return replies("DeleteAttachment", results)
}

func detach(c *call, id string) result {
	parts := parseID(id)
	if len(parts) != 3 || parts[0] != "A" {
		return failed("ErrorInvalidIdMalformed", "Id is malformed.")
	}
	owner := c.store.byGUID(parts[1])
	if owner == nil || !c.mayOpen(owner) {
		return denied()
	}
	i, a := owner.attachment(id)
	if a == nil {
		return failed("ErrorItemNotFound", "The specified object was not found in the store.")
	}
	i.attachments = slices.DeleteFunc(slices.Clone(i.attachments), func(other *attachment) bool { return other == a })
	i.version++
	c.store.changed(i, "Update", "ModifiedEvent")
	return result{inner: fmt.Sprintf(`<m:RootItemId RootItemId="%s" RootItemChangeKey="%s"/>`, i.id, i.changeKey())}
}

// getAttachment returns any attachment of a mailbox that the user may open. For
// an attachment that no client created it returns filler text of the configured
// size, which is generated while it is written.
func getAttachment(c *call) response {
	ids := c.op.children("AttachmentIds")
	if len(ids) != 1 {
		return replies("GetAttachment", []result{failed("ErrorInvalidRequest", "The request is invalid.")})
	}
	id := ids[0].attribute("", "Id")
	parts := parseID(id)
	if len(parts) != 3 || parts[0] != "A" {
		return replies("GetAttachment", []result{failed("ErrorInvalidIdMalformed", "Id is malformed.")})
	}
	owner := c.store.byGUID(parts[1])
	if owner == nil || !c.mayOpen(owner) {
		return replies("GetAttachment", []result{denied()})
	}
	if _, a := owner.attachment(id); a != nil {
		return replies("GetAttachment", []result{{inner: "<m:Attachments>" + a.xml() + "</m:Attachments>"}})
	}
	return fillerAttachment(id, c.x.fillerSize())
}

func (a *attachment) xml() string {
	var b strings.Builder
	n := a.reference()
	if a.content != nil {
		n.kids = append(n.kids, a.content)
	}
	n.write(&b)
	return b.String()
}

func fillerAttachment(id string, size int64) response {
	document := bodyOf(fmt.Sprintf(`<m:GetAttachmentResponse xmlns:m="%s" xmlns:t="%s"><m:ResponseMessages><m:GetAttachmentResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode><m:Attachments><t:FileAttachment><t:AttachmentId Id="%s"/><t:Name>attachment.bin</t:Name><t:Content>%%s</t:Content></t:FileAttachment></m:Attachments></m:GetAttachmentResponseMessage></m:ResponseMessages></m:GetAttachmentResponse>`,
		nsMessages, nsTypes, id))
	before, after, _ := strings.Cut(document, "%s")
	return func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "text/xml; charset=utf-8")
		fmt.Fprint(w, xmlDeclaration, before)
		if service.WriteFiller(w, size) == nil {
			fmt.Fprint(w, after)
		}
	}
}

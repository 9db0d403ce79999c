package emulator

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Deliver puts a message into the inbox of a mailbox, named by any of its
// addresses, and reports whether there is one.
func (x *Exchange) Deliver(address, subject string) bool {
	now := x.now()
	x.mu.Lock()
	defer x.mu.Unlock()
	m := x.byAddress(address)
	if m == nil {
		return false
	}
	x.put(m.folder("inbox"), &item{subject: subject, class: "Message", created: now}, "NewMailEvent")
	return true
}

// Subjects returns the subjects of a folder's items, sorted: "inbox",
// "sentitems", "drafts" and so on.
func (x *Exchange) Subjects(address, folder string) []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	m := x.byAddress(address)
	if m == nil {
		return nil
	}
	var list []string
	for _, i := range m.itemsOf(m.folder(folder)) {
		list = append(list, i.subject)
	}
	slices.Sort(list)
	return list
}

func (m *mailbox) folder(name string) *folder {
	for _, f := range m.folders {
		if f.name == name {
			return f
		}
	}
	return nil
}

// itemsOf returns a folder's items, oldest first.
func (m *mailbox) itemsOf(f *folder) []*item {
	var list []*item
	for _, i := range m.items {
		if i.folder == f {
			list = append(list, i)
		}
	}
	slices.SortFunc(list, func(a, b *item) int { return a.number() - b.number() })
	return list
}

// number is the place in the order of creation, which the identifier holds.
func (i *item) number() int {
	n, _ := strconv.Atoi(parseID(i.id)[2])
	return n
}

// put files an item, new or moved, under a new identifier.
func (x *Exchange) put(f *folder, i *item, event string) {
	x.changes++
	i.id, i.folder = opaqueID("I", f.owner.GUID, strconv.Itoa(x.changes)), f
	f.owner.items[i.id] = i
	x.changed(i, "Create", event)
}

// take removes an item from its folder.
func (x *Exchange) take(i *item, event string) {
	delete(i.folder.owner.items, i.id)
	x.changed(i, "Delete", event)
}

func (x *Exchange) changed(i *item, kind, event string) {
	x.changes++
	i.folder.log = append(i.folder.log, change{x.changes, kind, i.id})
	x.publish(i, event)
}

func (i *item) idXML() string {
	return fmt.Sprintf(`<t:ItemId Id="%s" ChangeKey="CQAAAA%02d"/>`, i.id, i.version)
}

func (i *item) xml() string {
	return fmt.Sprintf(`<t:%s>%s<t:ParentFolderId Id="%s"/><t:Subject>%s</t:Subject><t:Body BodyType="Text">%s</t:Body><t:Size>%d</t:Size><t:DateTimeCreated>%s</t:DateTimeCreated><t:HasAttachments>false</t:HasAttachments></t:%[1]s>`,
		i.class, i.idXML(), i.folder.id, esc(i.subject), esc(i.body), i.size, i.created.UTC().Format(time.RFC3339))
}

// item finds what an ItemId names, if the user may open it.
func (c *call) item(id *node) (*item, *result) {
	parts := parseID(id.attribute("", "Id"))
	if id == nil || len(parts) != 3 || parts[0] != "I" {
		r := failed("ErrorInvalidIdMalformed", "Id is malformed.")
		return nil, &r
	}
	owner := c.x.byGUID(parts[1])
	if owner == nil || owner.items[id.attribute("", "Id")] == nil {
		r := failed("ErrorItemNotFound", "The specified object was not found in the store.")
		return nil, &r
	}
	if !c.mayOpen(owner) {
		r := denied()
		return nil, &r
	}
	return owner.items[id.attribute("", "Id")], nil
}

// eachItem does something with every item that ItemIds names.
func (c *call) eachItem(operation string, do func(*item) result) response {
	var results []result
	for _, id := range c.op.children("ItemIds") {
		i, bad := c.item(id)
		if bad == nil {
			r := do(i)
			bad = &r
		}
		results = append(results, *bad)
	}
	return replies(operation, results)
}

func (c *call) getItem() response {
	return c.eachItem("GetItem", func(i *item) result {
		return result{inner: "<m:Items>" + i.xml() + "</m:Items>"}
	})
}

func (c *call) deleteItem() response {
	soft := c.op.attribute("", "DeleteType") == "MoveToDeletedItems"
	return c.eachItem("DeleteItem", func(i *item) result {
		owner := i.folder.owner
		c.x.take(i, "DeletedEvent")
		if soft {
			c.x.put(owner.folder("deleteditems"), i, "CreatedEvent")
		}
		return result{}
	})
}

// moveItem gives the item a new identifier, as a move does in Exchange.
func (c *call) moveItem() response {
	var to *folder
	bad := &result{code: "ErrorInvalidRequest", text: "The request is invalid."}
	if ids := c.op.children("ToFolderId"); len(ids) > 0 {
		to, bad = c.resolve(ids[0])
	}
	return c.eachItem("MoveItem", func(i *item) result {
		if bad != nil {
			return *bad
		}
		c.x.take(i, "DeletedEvent")
		c.x.put(to, i, "MovedEvent")
		return result{inner: itemList(i)}
	})
}

func itemList(i *item) string {
	return fmt.Sprintf("<m:Items><t:%s>%s</t:%[1]s></m:Items>", i.class, i.idXML())
}

// updateItem knows how to set a subject and a body.
func (c *call) updateItem() response {
	var results []result
	for _, ch := range c.op.children("ItemChanges") {
		i, bad := c.item(ch.find("ItemId"))
		if bad != nil {
			results = append(results, *bad)
			continue
		}
		for _, update := range ch.children("Updates") {
			i.update(update)
		}
		i.version++
		c.x.changed(i, "Update", "ModifiedEvent")
		results = append(results, result{inner: itemList(i) + `<m:ConflictResults><t:Count>0</t:Count></m:ConflictResults>`})
	}
	return replies("UpdateItem", results)
}

func (i *item) update(update *node) {
	for _, kid := range update.kids {
		if kid.find("Subject") != nil {
			i.subject = kid.value("Subject")
		}
		if kid.find("Body") != nil {
			i.body = kid.value("Body")
		}
	}
}

func (c *call) createItem() response {
	disposition := c.op.attribute("", "MessageDisposition")
	var results []result
	for _, n := range c.op.children("Items") {
		results = append(results, c.create(n, disposition))
	}
	return replies("CreateItem", results)
}

func (c *call) create(n *node, disposition string) result {
	i := &item{
		class: n.name.Local, subject: n.value("Subject"), body: n.value("Body"),
		size: n.weight(), created: c.x.now(),
	}
	send := strings.HasPrefix(disposition, "Send") && i.class == "Message"
	if from := n.value("From", "Mailbox", "EmailAddress"); send && from != "" {
		if m := c.x.byAddress(from); m == nil || !c.mayOpen(m) {
			return failed("ErrorSendAsDenied", "The user account which was used to submit this request does not have the right to send mail on behalf of the specified sending account.")
		}
	}
	to, bad := c.destination(i.class, send)
	if bad != nil {
		return *bad
	}
	if send {
		c.deliver(n, i)
	}
	if disposition == "SendOnly" {
		return result{inner: "<m:Items/>"}
	}
	c.x.put(to, i, "CreatedEvent")
	return result{inner: itemList(i)}
}

// destination is where a new item goes: SavedItemFolderId, or the default.
func (c *call) destination(class string, send bool) (*folder, *result) {
	if ids := c.op.children("SavedItemFolderId"); len(ids) > 0 {
		return c.resolve(ids[0])
	}
	name := map[string]string{"CalendarItem": "calendar", "Contact": "contacts", "Task": "tasks"}[class]
	switch {
	case name != "":
	case send:
		name = "sentitems"
	default:
		name = "drafts"
	}
	return c.open(c.user, name)
}

// deliver puts copies into the inboxes of recipients in this organisation.
func (c *call) deliver(n *node, i *item) {
	for _, kind := range []string{"ToRecipients", "CcRecipients", "BccRecipients"} {
		for _, r := range n.children(kind) {
			if m := c.x.byAddress(r.value("EmailAddress")); m != nil {
				copied := *i
				c.x.put(m.folder("inbox"), &copied, "NewMailEvent")
			}
		}
	}
}

// weight is the size of all text below a node, on the wire.
func (n *node) weight() int64 {
	size := n.size
	for _, kid := range n.kids {
		size += kid.weight()
	}
	return size
}

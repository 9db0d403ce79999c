package emulator

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Deliver puts a message into the inbox of the mailbox with the address, which may
// be an alias. It reports whether there is such a mailbox.
func (x *Exchange) Deliver(address, subject string) bool {
	now := x.now()
	x.mu.Lock()
	defer x.mu.Unlock()
	m := x.byAddress(address)
	if m == nil {
		return false
	}
	i := &item{class: "Message", created: now, fields: []*node{leaf("Subject", subject)}}
	x.put(m.folder("inbox"), i, "NewMailEvent")
	return true
}

// Subjects returns the sorted subjects of the items in a folder: "inbox",
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
		list = append(list, i.subject())
	}
	slices.Sort(list)
	return list
}

func (i *item) subject() string {
	if f := i.field("Subject"); f != nil {
		return f.text
	}
	return ""
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

// number returns the position in the order of creation, which is part of the
// identifier.
func (i *item) number() int {
	n, _ := strconv.Atoi(parseID(i.id)[2])
	return n
}

// put adds a new or moved item to a folder under a new identifier.
func (x *Exchange) put(f *folder, i *item, event string) {
	x.changes++
	i.id, i.folder = mailboxID("I", f.owner.GUID, strconv.Itoa(x.changes)), f
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

func (i *item) changeKey() string { return fmt.Sprintf("CQAAAA%02d", i.version) }

func (i *item) idXML() string {
	return fmt.Sprintf(`<t:ItemId Id="%s" ChangeKey="%s"/>`, i.id, i.changeKey())
}

// item returns the item of an ItemId if the user may open it.
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

// eachItem calls a function for every item in ItemIds.
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
	s := c.shape()
	return c.eachItem("GetItem", func(i *item) result {
		return result{inner: "<m:Items>" + i.shaped(s) + "</m:Items>"}
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

// moveItem gives the item a new identifier, as Exchange does on a move.
func (c *call) moveItem() response {
	to, bad := c.target()
	return c.eachItem("MoveItem", func(i *item) result {
		if bad != nil {
			return *bad
		}
		c.x.take(i, "DeletedEvent")
		c.x.put(to, i, "MovedEvent")
		return result{inner: itemList(i)}
	})
}

func (c *call) copyItem() response {
	to, bad := c.target()
	return c.eachItem("CopyItem", func(i *item) result {
		if bad != nil {
			return *bad
		}
		copied := *i
		c.x.put(to, &copied, "CopiedEvent")
		return result{inner: itemList(&copied)}
	})
}

// target returns the folder of ToFolderId.
func (c *call) target() (*folder, *result) {
	if ids := c.op.children("ToFolderId"); len(ids) > 0 {
		return c.resolve(ids[0])
	}
	return nil, &result{code: "ErrorInvalidRequest", text: "The request is invalid."}
}

func itemList(i *item) string {
	return fmt.Sprintf("<m:Items><t:%s>%s</t:%[1]s></m:Items>", i.class, i.idXML())
}

func (c *call) updateItem() response {
	var results []result
	for _, ch := range c.op.children("ItemChanges") {
		i, bad := c.item(ch.find("ItemId"))
		if bad != nil {
			results = append(results, *bad)
			continue
		}
		kind := "ReadFlagChange"
		for _, update := range ch.children("Updates") {
			if i.update(update) != "IsRead" {
				kind = "Update"
			}
		}
		i.version++
		c.x.changed(i, kind, "ModifiedEvent")
		results = append(results, result{inner: itemList(i) + `<m:ConflictResults><t:Count>0</t:Count></m:ConflictResults>`})
	}
	return replies("UpdateItem", results)
}

// update applies one element of Updates and returns the field's name.
func (i *item) update(update *node) string {
	name := ""
	for _, kid := range update.kids {
		switch kid.name.Local {
		case "FieldURI", "IndexedFieldURI":
			if name = fieldName(kid); strings.HasPrefix(update.name.Local, "Delete") {
				i.unset(name)
			}
		case "ExtendedFieldURI":
			if strings.HasPrefix(update.name.Local, "Delete") {
				i.unsetExtended(extendedKey(kid))
			}
		default: // Message and other item elements, which contain the new value
			for _, value := range kid.kids {
				i.set(value)
			}
		}
	}
	return name
}

package exchange

import (
	"fmt"
	"strconv"
	"strings"
)

func (i *item) subject() string {
	if f := i.field("Subject"); f != nil {
		return f.text
	}
	return ""
}

// number returns the number in the item's identifier. Items that got their
// identifiers later have larger numbers.
func (i *item) number() int {
	n, _ := strconv.Atoi(parseID(i.id)[2])
	return n
}

func (i *item) changeKey() string { return fmt.Sprintf("CQAAAA%02d", i.version) }

func (i *item) idXML() string {
	return fmt.Sprintf(`<t:ItemId Id="%s" ChangeKey="%s"/>`, i.id, i.changeKey())
}

func getItem(c *call) response {
	s := c.shape()
	return c.eachItem("GetItem", func(i *item) result {
		return result{inner: "<m:Items>" + s.of(i) + "</m:Items>"}
	})
}

func deleteItem(c *call) response {
	soft := c.op.attribute("", "DeleteType") == "MoveToDeletedItems"
	return c.eachItem("DeleteItem", func(i *item) result {
		owner := i.folder.owner
		c.store.take(i, "DeletedEvent")
		if soft {
			c.store.put(owner.folder("deleteditems"), i, "CreatedEvent")
		}
		return result{}
	})
}

// moveItem gives the item a new identifier, as Exchange does on a move.
func moveItem(c *call) response {
	to, bad := c.target()
	return c.eachItem("MoveItem", func(i *item) result {
		if bad != nil {
			return *bad
		}
		c.store.take(i, "DeletedEvent")
		c.store.put(to, i, "MovedEvent")
		return result{inner: itemList(i)}
	})
}

func copyItem(c *call) response {
	to, bad := c.target()
	return c.eachItem("CopyItem", func(i *item) result {
		if bad != nil {
			return *bad
		}
		copied := *i
		c.store.put(to, &copied, "CopiedEvent")
		return result{inner: itemList(&copied)}
	})
}

func itemList(i *item) string {
	return fmt.Sprintf("<m:Items><t:%s>%s</t:%[1]s></m:Items>", i.class, i.idXML())
}

func updateItem(c *call) response {
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
		c.store.changed(i, kind, "ModifiedEvent")
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
		default: // Message and other elements of items contain the new value
			for _, value := range kid.kids {
				i.set(value)
			}
		}
	}
	return name
}

func (i *item) recipients(kind string) []*node {
	if f := i.field(kind); f != nil {
		return f.kids
	}
	return nil
}

func (i *item) attachmentList() *node {
	list := branch("Attachments")
	for _, a := range i.attachments {
		list.kids = append(list.kids, a.reference())
	}
	return list
}

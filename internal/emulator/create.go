package emulator

import (
	"strings"
)

func (c *call) createItem() response {
	disposition := c.op.attribute("", "MessageDisposition")
	var results []result
	for _, n := range c.op.children("Items") {
		results = append(results, c.create(n, disposition))
	}
	return replies("CreateItem", results)
}

func (c *call) create(n *node, disposition string) result {
	i := &item{class: n.name.Local, size: n.weight(), created: c.x.now()}
	if i.class == "Item" {
		i.class = "Message"
	}
	for _, kid := range n.kids {
		if kid.name.Local != "Attachments" {
			i.set(kid)
		}
	}
	i.readMIME()
	send := strings.HasPrefix(disposition, "Send") && i.class == "Message"
	i.draft = i.class == "Message" && !send
	if send {
		if bad := c.maySend(i); bad != nil {
			return *bad
		}
	}
	to, bad := c.destination(i.class, send)
	if bad != nil {
		return *bad
	}
	if disposition == "SendOnly" {
		to = c.user.folder("outbox")
	}
	c.x.put(to, i, "CreatedEvent")
	for _, a := range n.children("Attachments") {
		c.attach(i, a)
	}
	if send {
		c.deliver(i)
	}
	if disposition == "SendOnly" {
		c.x.take(i, "DeletedEvent")
		return result{inner: "<m:Items/>"}
	}
	return result{inner: itemList(i)}
}

// maySend checks whether the user may send from the address in From.
func (c *call) maySend(i *item) *result {
	from := i.field("From").value("Mailbox", "EmailAddress")
	if from == "" {
		return nil
	}
	if m := c.x.byAddress(from); m == nil || !c.mayOpen(m) {
		bad := failed("ErrorSendAsDenied", "The user account which was used to submit this request does not have the right to send mail on behalf of the specified sending account.")
		return &bad
	}
	return nil
}

// destination returns the folder of a new item: SavedItemFolderId, or the default.
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

// sendItem sends drafts and moves them to the folder in SavedItemFolderId.
func (c *call) sendItem() response {
	saves := c.op.attribute("", "SaveItemToFolder") == "true"
	to, bad := c.destination("Message", true)
	return c.eachItem("SendItem", func(i *item) result {
		if bad != nil {
			return *bad
		}
		if denied := c.maySend(i); denied != nil {
			return *denied
		}
		i.draft = false
		c.deliver(i)
		c.x.take(i, "DeletedEvent")
		if saves {
			c.x.put(to, i, "CreatedEvent")
		}
		return result{}
	})
}

// deliver puts copies into the inboxes of recipients in this organisation.
func (c *call) deliver(i *item) {
	name, _, _ := strings.Cut(c.user.Primary, "@")
	from := branch("Mailbox", leaf("Name", name), leaf("EmailAddress", c.user.Primary), leaf("RoutingType", "SMTP"))
	if i.field("From") == nil {
		i.set(branch("From", from))
	}
	i.set(branch("Sender", from))
	for _, kind := range []string{"ToRecipients", "CcRecipients", "BccRecipients"} {
		for _, r := range i.recipients(kind) {
			if m := c.x.byAddress(r.value("EmailAddress")); m != nil {
				copied := *i
				copied.unset("BccRecipients")
				copied.unset("IsRead")
				c.x.put(m.folder("inbox"), &copied, "NewMailEvent")
			}
		}
	}
	i.set(leaf("IsRead", "true"))
}

func (i *item) recipients(kind string) []*node {
	if f := i.field(kind); f != nil {
		return f.kids
	}
	return nil
}

// weight is the size of all text below a node, on the wire.
func (n *node) weight() int64 {
	size := n.size
	for _, kid := range n.kids {
		size += kid.weight()
	}
	return size
}

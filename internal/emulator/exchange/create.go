package exchange

import (
	"strings"
)

func createItem(c *call) response {
	disposition := c.op.attribute("", "MessageDisposition")
	var results []result
	for _, n := range c.op.children("Items") {
		results = append(results, create(c, n, disposition))
	}
	return replies("CreateItem", results)
}

func create(c *call, n *node, disposition string) result {
	i := &item{class: n.name.Local, size: n.weight(), created: c.x.Now()}
	if i.class == "Item" {
		i.class = "Message"
	}
	for _, kid := range n.kids {
		if kid.name.Local != "Attachments" {
			i.set(kid)
		}
	}
	readMIME(i)
	send := strings.HasPrefix(disposition, "Send") && i.class == "Message"
	i.draft = i.class == "Message" && !send
	if send {
		if bad := maySend(c, i); bad != nil {
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
	c.store.put(to, i, "CreatedEvent")
	for _, a := range n.children("Attachments") {
		attach(c, i, a)
	}
	if send {
		deliver(c, i)
	}
	if disposition == "SendOnly" {
		c.store.take(i, "DeletedEvent")
		return result{inner: "<m:Items/>"}
	}
	return result{inner: itemList(i)}
}

// maySend returns nil if the user may send from the address in From, otherwise
// an error. An item without From may be sent.
func maySend(c *call, i *item) *result {
	from := i.field("From").value("Mailbox", "EmailAddress")
	if from == "" {
		return nil
	}
	if m := c.store.byAddress(from); m == nil || !c.mayOpen(m) {
		bad := failed("ErrorSendAsDenied", "The user account which was used to submit this request does not have the right to send mail on behalf of the specified sending account.")
		return &bad
	}
	return nil
}

// sendItem sends drafts and removes them from their folders. If
// SaveItemToFolder is true, it puts them into the folder in SavedItemFolderId,
// or into Sent Items if there is none.
func sendItem(c *call) response {
	saves := c.op.attribute("", "SaveItemToFolder") == "true"
	to, bad := c.destination("Message", true)
	return c.eachItem("SendItem", func(i *item) result {
		if bad != nil {
			return *bad
		}
		if denied := maySend(c, i); denied != nil {
			return *denied
		}
		i.draft = false
		deliver(c, i)
		c.store.take(i, "DeletedEvent")
		if saves {
			c.store.put(to, i, "CreatedEvent")
		}
		return result{}
	})
}

// deliver puts copies into the inboxes of recipients in this organisation.
func deliver(c *call, i *item) {
	name, _, _ := strings.Cut(c.user.Primary, "@")
	from := branch("Mailbox", leaf("Name", name), leaf("EmailAddress", c.user.Primary), leaf("RoutingType", "SMTP"))
	if i.field("From") == nil {
		i.set(branch("From", from))
	}
	i.set(branch("Sender", from))
	for _, kind := range []string{"ToRecipients", "CcRecipients", "BccRecipients"} {
		for _, r := range i.recipients(kind) {
			if m := c.store.byAddress(r.value("EmailAddress")); m != nil {
				copied := *i
				copied.unset("BccRecipients")
				copied.unset("IsRead")
				c.store.put(m.folder("inbox"), &copied, "NewMailEvent")
			}
		}
	}
	i.set(leaf("IsRead", "true"))
}

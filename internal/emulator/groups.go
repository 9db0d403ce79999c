package emulator

import (
	"fmt"
	"strings"
)

// AddGroup adds a mail-enabled group, or replaces it. Members are the addresses of
// mailboxes and of other groups; any other address is a contact.
func (x *Exchange) AddGroup(address string, members ...string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.groups[strings.ToLower(address)] = members
}

// expandDL returns the members of a group, but not those of groups in it. As
// Exchange does, it reports success for a group that does not exist.
func (c *call) expandDL() response {
	var b strings.Builder
	members := c.x.groups[strings.ToLower(c.op.value("Mailbox", "EmailAddress"))]
	for _, address := range members {
		kind := "Contact"
		if _, group := c.x.groups[strings.ToLower(address)]; group {
			kind = "PublicDL"
		} else if box := c.x.byAddress(address); box != nil {
			kind, address = "Mailbox", box.Primary
		}
		name, _, _ := strings.Cut(address, "@")
		fmt.Fprintf(&b, `<t:Mailbox><t:Name>%s</t:Name><t:EmailAddress>%s</t:EmailAddress><t:RoutingType>SMTP</t:RoutingType><t:MailboxType>%s</t:MailboxType></t:Mailbox>`,
			esc(name), esc(address), kind)
	}
	return replies("ExpandDL", []result{{inner: fmt.Sprintf(
		`<m:DLExpansion TotalItemsInView="%d" IncludesLastItemInRange="true">%s</m:DLExpansion>`, len(members), b.String())}})
}

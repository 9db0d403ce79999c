package exchange

import (
	"fmt"
	"strings"
)

// expandDL returns the direct members of a group. It does not expand members that
// are groups. As Exchange does, it reports success for a group that does not
// exist.
func expandDL(c *call) response {
	var b strings.Builder
	members := c.store.groups[strings.ToLower(c.op.value("Mailbox", "EmailAddress"))]
	for _, address := range members {
		kind := "Contact"
		if _, group := c.store.groups[strings.ToLower(address)]; group {
			kind = "PublicDL"
		} else if box := c.store.byAddress(address); box != nil {
			kind, address = "Mailbox", box.Primary
		}
		name, _, _ := strings.Cut(address, "@")
		fmt.Fprintf(&b, `<t:Mailbox><t:Name>%s</t:Name><t:EmailAddress>%s</t:EmailAddress><t:RoutingType>SMTP</t:RoutingType><t:MailboxType>%s</t:MailboxType></t:Mailbox>`,
			esc(name), esc(address), kind)
	}
	return replies("ExpandDL", []result{{inner: fmt.Sprintf(
		`<m:DLExpansion TotalItemsInView="%d" IncludesLastItemInRange="true">%s</m:DLExpansion>`, len(members), b.String())}})
}

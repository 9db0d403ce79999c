package exchange

import (
	"fmt"
	"strings"
)

// convertID returns every identifier unchanged, with the requested format as its
// Format, because the emulator's identifiers exist in one format only. The
// Mailbox in the response is the owner of the identifier, even if the request
// names another mailbox. DavMail reads its user's address from this Mailbox.
func convertID(c *call) response {
	format := c.op.attribute("", "DestinationFormat")
	var results []result
	for _, id := range c.op.children("SourceIds") {
		box := c.store.byAddress(id.attribute("", "Mailbox"))
		if parts := parseID(id.attribute("", "Id")); len(parts) == 3 {
			box = c.store.byGUID(parts[1])
		}
		if box == nil {
			results = append(results, failed("ErrorInvalidIdMalformed", "Id is malformed."))
			continue
		}
		results = append(results, result{inner: fmt.Sprintf(`<m:AlternateId xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="t:AlternateIdType" Format="%s" Id="%s" Mailbox="%s"/>`,
			esc(format), esc(id.attribute("", "Id")), esc(box.Primary))})
	}
	return replies("ConvertId", results)
}

func getServerTimeZones(c *call) response {
	return replies("GetServerTimeZones", []result{{inner: `<m:TimeZoneDefinitions><t:TimeZoneDefinition Id="UTC" Name="(UTC) Coordinated Universal Time"><t:Periods><t:Period Bias="PT0S" Name="Standard" Id="trule:Microsoft/Registry/UTC/1-Standard"/></t:Periods><t:TransitionsGroups><t:TransitionsGroup Id="0"><t:Transition><t:To Kind="Period">trule:Microsoft/Registry/UTC/1-Standard</t:To></t:Transition></t:TransitionsGroup></t:TransitionsGroups><t:Transitions><t:Transition><t:To Kind="Group">0</t:To></t:Transition></t:Transitions></t:TimeZoneDefinition></m:TimeZoneDefinitions>`}})
}

// resolveNames returns the mailboxes whose primary addresses contain the
// searched text.
func resolveNames(c *call) response {
	entry := strings.ToLower(strings.TrimPrefix(c.op.value("UnresolvedEntry"), "smtp:"))
	var b strings.Builder
	n := 0
	for _, m := range c.store.mailboxes {
		if entry != "" && strings.Contains(strings.ToLower(m.Primary), entry) {
			n++
			fmt.Fprintf(&b, `<t:Resolution>%s</t:Resolution>`, m.xml())
		}
	}
	if n == 0 {
		return replies("ResolveNames", []result{failed("ErrorNameResolutionNoResults", "No results were found.")})
	}
	return replies("ResolveNames", []result{{inner: fmt.Sprintf(`<m:ResolutionSet TotalItemsInView="%d" IncludesLastItemInRange="true">%s</m:ResolutionSet>`, n, b.String())}})
}

// getUserOofSettings returns a single response message instead of a list.
func getUserOofSettings(c *call) response {
	m := c.store.byAddress(c.op.value("Mailbox", "Address"))
	if m == nil || !c.mayOpen(m) {
		return reply("GetUserOofSettingsResponse", `<m:ResponseMessage ResponseClass="Error"><m:MessageText>Access is denied. Check credentials and try again.</m:MessageText><m:ResponseCode>ErrorAccessDenied</m:ResponseCode><m:DescriptiveLinkKey>0</m:DescriptiveLinkKey></m:ResponseMessage>`)
	}
	return reply("GetUserOofSettingsResponse", `<m:ResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode></m:ResponseMessage><t:OofSettings><t:OofState>Disabled</t:OofState><t:ExternalAudience>All</t:ExternalAudience><t:InternalReply><t:Message/></t:InternalReply><t:ExternalReply><t:Message/></t:ExternalReply></t:OofSettings><m:AllowExternalOof>All</m:AllowExternalOof>`)
}

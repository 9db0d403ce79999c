package exchange

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// localTime is the layout of the times in availability requests. They are in the
// time zone that the request names and carry no offset.
const localTime = "2006-01-02T15:04:05"

// getUserAvailability returns when the calendars of mailboxes are busy. Any user
// may call it, because free/busy times are open to the whole organisation by
// default.
func getUserAvailability(c *call) response {
	var b strings.Builder
	for _, d := range c.op.children("MailboxDataArray") {
		m := c.store.byAddress(d.value("Email", "Address"))
		if m == nil {
			b.WriteString(`<m:FreeBusyResponse><m:ResponseMessage ResponseClass="Error"><m:MessageText>Unable to resolve e-mail address to an Active Directory object.</m:MessageText><m:ResponseCode>ErrorMailRecipientNotFound</m:ResponseCode><m:DescriptiveLinkKey>0</m:DescriptiveLinkKey></m:ResponseMessage><m:FreeBusyView><t:FreeBusyViewType>None</t:FreeBusyViewType></m:FreeBusyView></m:FreeBusyResponse>`)
			continue
		}
		fmt.Fprintf(&b, `<m:FreeBusyResponse><m:ResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode></m:ResponseMessage><m:FreeBusyView><t:FreeBusyViewType>FreeBusy</t:FreeBusyViewType>%s%s</m:FreeBusyView></m:FreeBusyResponse>`,
			busy(c, m), workingHours(c))
	}
	return reply("GetUserAvailabilityResponse", "<m:FreeBusyResponseArray>"+b.String()+"</m:FreeBusyResponseArray>")
}

// bias returns the difference between UTC and the request's time zone, as EWS
// defines it: positive west of Greenwich. It uses standard time all year and
// ignores daylight saving rules.
func bias(c *call) time.Duration {
	minutes, _ := strconv.Atoi(c.op.value("TimeZone", "Bias"))
	standard, _ := strconv.Atoi(c.op.value("TimeZone", "StandardTime", "Bias"))
	return time.Duration(minutes+standard) * time.Minute
}

// busy lists the calendar items in the requested time window.
func busy(c *call, m *mailbox) string {
	bias := bias(c)
	edge := func(name string) string {
		text := c.op.value("FreeBusyViewOptions", "TimeWindow", name)
		if t, err := time.Parse(localTime, text); err == nil {
			return t.Add(bias).Format(time.RFC3339)
		}
		return inUTC(text)
	}
	local := func(text string) string {
		t, _ := time.Parse(time.RFC3339, text)
		return t.Add(-bias).Format(localTime)
	}
	from, to := edge("StartTime"), edge("EndTime")
	var list []*item
	for _, i := range m.itemsOf(m.folder("calendar")) {
		if i.text("Start") < to && i.text("End") > from {
			list = append(list, i)
		}
	}
	slices.SortFunc(list, func(a, b *item) int { return cmp.Compare(a.text("Start"), b.text("Start")) })
	var b strings.Builder
	for _, i := range list {
		fmt.Fprintf(&b, "<t:CalendarEvent><t:StartTime>%s</t:StartTime><t:EndTime>%s</t:EndTime><t:BusyType>%s</t:BusyType></t:CalendarEvent>",
			local(i.text("Start")), local(i.text("End")), i.text("LegacyFreeBusyStatus"))
	}
	if b.Len() == 0 {
		return ""
	}
	return "<t:CalendarEventArray>" + b.String() + "</t:CalendarEventArray>"
}

// workingHours returns 09:00 to 17:00 UTC.
func workingHours(c *call) string {
	const change = "<t:Bias>0</t:Bias><t:Time>00:00:00</t:Time><t:DayOrder>0</t:DayOrder><t:Month>0</t:Month><t:DayOfWeek>Sunday</t:DayOfWeek>"
	return "<t:WorkingHours><t:TimeZone><t:Bias>0</t:Bias><t:StandardTime>" + change + "</t:StandardTime><t:DaylightTime>" + change +
		"</t:DaylightTime></t:TimeZone><t:WorkingPeriodArray><t:WorkingPeriod><t:DayOfWeek>Monday Tuesday Wednesday Thursday Friday</t:DayOfWeek>" +
		"<t:StartTimeInMinutes>540</t:StartTimeInMinutes><t:EndTimeInMinutes>1020</t:EndTimeInMinutes></t:WorkingPeriod></t:WorkingPeriodArray></t:WorkingHours>"
}

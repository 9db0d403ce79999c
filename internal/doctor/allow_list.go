package doctor

import (
	"strconv"
	"strings"

	"hmaproxy/internal/config"
)

// evaluateAccess reports which mailboxes clients can open. Access to every
// mailbox is a warning, unless the configuration says that it is intended.
func evaluateAccess(f *facts) Result {
	c := f.config
	switch alarm := c.NoListAlarm(); {
	case alarm != "":
		cause, repair, _ := strings.Cut(alarm, "; ")
		return Result{Status: Warning, Detail: c.Access().String(), Cause: cause, Repair: []string{repair}}
	case c.ListMode == config.Audit:
		return ok(c.Access().String() + "; audit mode refuses nothing")
	case c.Limited():
		return ok(c.Access().String() + ", " + counted(len(c.AllowedMailboxes)) + groupNote(c))
	}
	return ok(c.Access().String())
}

// groupNote returns text with the number of groups whose members are on the
// allow-list, or "" if no groups are configured.
func groupNote(c *config.Config) string {
	if c.AllowedGroups == nil {
		return ""
	}
	return " and " + plural(len(c.AllowedGroups), "group", "groups")
}

func counted(entries int) string {
	if entries == 1 {
		return "one entry"
	}
	return strconv.Itoa(entries) + " entries"
}

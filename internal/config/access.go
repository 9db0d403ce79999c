package config

// An Access says which mailboxes clients can open. Its texts are for people.
type Access int

// The kinds of access.
const (
	AccessUnlimited Access = iota // no allow-list: every mailbox, which is an alarm
	AccessEvery                   // HMA_ALLOWED_MAILBOXES=*: every mailbox, on purpose
	AccessListed                  // those of an allow-list, or of the patterns that every client user has
)

// String returns "every mailbox (no allow-list is set)", "every mailbox, on
// purpose" or "the mailboxes of the allow-list".
func (a Access) String() string {
	switch a {
	case AccessEvery:
		return "every mailbox, on purpose"
	case AccessListed:
		return "the mailboxes of the allow-list"
	}
	return "every mailbox (no allow-list is set)"
}

// Access returns which mailboxes clients can open by this configuration.
func (c *Config) Access() Access {
	switch {
	case c.Allowed() != nil:
		return AccessListed
	case c.EveryMailbox:
		return AccessEvery
	}
	return AccessUnlimited
}

// NoListAlarm returns the text of the alarm that no allow-list is set and nothing
// says that every mailbox is meant; "" when there is no such alarm. The text is
// one line, for logs, /ready, the status page and doctor.
func (c *Config) NoListAlarm() string {
	const meant = "set HMA_ALLOWED_MAILBOXES (to * where every mailbox is meant)"
	switch {
	case c.Access() != AccessUnlimited:
		return ""
	case c.ClientUsers != nil:
		return "no allow-list is set, and users in HMA_CLIENT_USERS_FILE have no mailbox patterns: they can open every mailbox of the organisation; " + meant + ", or patterns for each user"
	}
	return "no allow-list is set: clients can open every mailbox of the organisation; " + meant
}

package config

// An Access says which mailboxes clients can open. String describes it for
// people.
type Access int

// The kinds of access.
const (
	AccessUnlimited Access = iota // no allow-list: clients can open every mailbox, which raises an alarm
	AccessEvery                   // HMA_ALLOWED_MAILBOXES=*: every mailbox, on purpose
	AccessListed                  // the mailboxes of an allow-list, or of the users' patterns if every client user has some
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

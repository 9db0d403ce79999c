// Package policy decides which mailboxes a request may act on and which
// operations it may call. It decides from the values of package ews, does no
// I/O, reads no clock and writes no log: equal values give equal decisions.
//
// The access token opens every mailbox of the organisation, so these decisions
// are usually the only protection of the other mailboxes. A decision is a
// sequence of checks, each of which may refuse the request. If the list has an
// entry for exactly the mailbox, the mailbox is sent in the spelling of that entry,
// not of the client. If only a wildcard matches, it is sent in lower case.
//
// Start with [ParsePatterns] and [New]. For each request call [Policy.Decide].
// Call [Policy.DecideReference] for each mailbox that the Body names, and
// [Policy.DecideAnchor] and [Policy.Allows] for the mailboxes that HTTP headers
// name. [Policy.Narrow] makes the policy of one client. A Policy never changes
// and is safe for concurrent use.
//
// Errors of this package have no package prefix and never contain the faulty
// text. The caller adds the name of the setting or of the file; the errors
// contain the numbers of the line and of the entry.
package policy

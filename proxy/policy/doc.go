// Package policy decides whose mailbox a request may act on. It judges what
// package soap found in a request, and nothing else: no I/O, no clock, no log,
// the same answer for the same values.
//
// The access token opens every mailbox of the organisation, so this judgement
// is very likely all that stands between a client and the others' mail. It is
// a run of refusals that ends in an identity made of the list's own spelling:
// what goes upstream is what the operator wrote, not what the client wrote.
//
// Start with [ParsePatterns] and [New]; for each request call [Policy.Decide],
// for each mailbox that its Body names [Policy.DecideReference], and for its
// HTTP headers [Policy.DecideAnchor] and [Policy.Allows]. [Policy.Narrow] makes
// the policy of one client. A Policy never changes and is safe for concurrent
// use.
//
// Errors of this package come without its name in front: they are shown beside
// the variable or the file that holds the text, with line and entry, and never
// repeat the text itself.
package policy

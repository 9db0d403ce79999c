// Package autodiscover reads Autodiscover requests and writes the responses to
// them, in the three forms that clients of Exchange use: SOAP (MS-OXWSADISC),
// POX (MS-OXDSCLI, plain XML) and JSON (Autodiscover version 2).
//
// The package makes no decisions. [Parse] and [ParseJSON] return the mailboxes of a
// request; the caller decides about each and passes the [Result] to a writer.
// No part of a request is sent to Exchange, so no second parser could find a
// different mailbox. As a precaution, the readers nevertheless accept only a
// narrow profile.
package autodiscover

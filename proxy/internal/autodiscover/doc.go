// Package autodiscover reads Autodiscover requests and writes the responses to
// them, in the three forms that clients of Exchange use: SOAP (MS-OXWSADISC),
// POX (MS-OXDSCLI, plain XML) and JSON (Autodiscover version 2).
//
// It decides nothing. [Parse] and [ParseJSON] return which mailboxes a request
// asks for; the caller decides about each and passes the [Result] to a writer.
// Nothing of a request is sent to Exchange, so that there is no second parser
// that could read another mailbox; all the same the readers accept only a narrow
// profile.
package autodiscover

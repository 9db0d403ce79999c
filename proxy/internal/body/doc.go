// Package body owns the body of one client request on its way to Exchange: how
// slowly it may arrive (Reader), where it is kept in memory and how much of it
// (Buffer, Budget), and how it is sent (Payload).
//
// The package knows nothing of SOAP. An Inspector decides which bytes may be
// sent.
package body

// Package body owns the body of one client request on its way to Exchange: the
// time that it may take to arrive (Reader), the memory that holds it (Buffer,
// Budget), and the way it is sent (Payload).
//
// The package does not know SOAP. An Inspector decides which bytes may be sent.
package body

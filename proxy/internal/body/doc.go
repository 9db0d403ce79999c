// Package body reads the body of a client request and sends it to Exchange. A
// Reader limits the time that the body takes to arrive. A Buffer keeps the body
// in memory, within a Budget. A Payload is the body as it is sent.
//
// The package does not parse SOAP. An Inspector decides which bytes may be sent.
package body

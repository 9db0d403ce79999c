// Package soap reads EWS requests so strictly that no later reader can find
// another mailbox in them, and writes their heads from the values that it read.
//
// Bytes are pushed into a Scanner as they arrive. Request returns what the head
// says as soon as that is known; Forwardable says up to where bytes may be
// forwarded. AppendHead writes a head from values, not from the client's bytes;
// from "<Body" on the client's bytes follow unchanged.
//
// The package checks XML and the envelope. Which mailboxes, operations and
// header blocks are allowed is decided by package policy.
package soap

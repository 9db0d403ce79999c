// Package soap reads EWS requests so strictly that no later reader can find a
// different mailbox in them. It writes their heads from the values that it read.
//
// Bytes are pushed into a Scanner as they arrive. Request returns the header
// blocks, the mailbox and the operation when all of them are known. Forwardable
// returns the number of bytes that may be forwarded. The head is the part of the
// document before Body. AppendHead writes a new head from the values of the header
// blocks and not from the client's bytes. After the new head, the client's bytes
// from "<Body" on are sent unchanged.
//
// The package checks XML and the envelope. Package policy decides which
// mailboxes, operations and header blocks are allowed.
package soap

// Package soap reads EWS requests so strictly that nobody who reads them after
// it can find another mailbox in them, and writes their heads anew.
//
// Scanner is what you want: bytes are pushed into it as they arrive, it tells
// what the head says as soon as it knows (Request), and up to where bytes may be
// passed on (Forwardable). What was judged is written by AppendHead, from values
// and not from the client's bytes; from "<Body" on these follow unchanged.
//
// It judges XML and the envelope, and nothing else: which mailboxes, operations
// and header blocks are allowed is for the policy package to say.
package soap

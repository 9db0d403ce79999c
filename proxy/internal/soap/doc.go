// Package soap reads EWS requests so strictly that nobody who reads them after
// it can find another mailbox in them, and writes their heads anew.
//
// Scanner is what you want: bytes are pushed into it as they arrive, it tells
// what the head says as soon as it knows, and up to where bytes may be passed
// on.
package soap

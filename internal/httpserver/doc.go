// Package httpserver is an HTTP/1.1 server for one endpoint. It runs an
// http.Handler as net/http's server does, with less: no HTTP/2, no hijacking, no
// interim responses but 100 Continue, no guessed Content-Type.
//
// Its grammar is a strict subset of net/http's. A request that it accepts,
// http.ReadRequest accepts with the same method, target, header and body. What
// real clients do not send is refused: bare line feeds, repeated lengths, transfer
// codings other than chunked.
//
// One goroutine serves a connection. It reads a head, calls the handler, writes
// the response, and reads the next head. A second goroutine reads the connection
// only while a handler takes longer than watchDelay, to notice that the client
// has left.
package httpserver

import "time"

// Limits, each with its reason.
const (
	readSize   = 4 << 10 // most requests fit, so that one read brings them
	writeSize  = 8 << 10 // most responses fit, so that one write sends them
	maxLines   = 4096    // header lines; handlers have lower bounds of their own
	maxTrailer = 4000    // bytes of the trailer section, which is dropped; net/http takes what fits its buffer
	maxChunk   = 256     // bytes of the longest chunk-size line

	watchDelay  = 100 * time.Millisecond // until a connection is watched; most handlers end before
	lingerTime  = 5 * time.Second        // for what a client still sends after a response that ends the connection
	refuseTime  = 10 * time.Second       // for a client to take the refusal of its request
	minAcceptIn = 5 * time.Millisecond   // until the next try after Accept has failed, and twice as long each time,
	maxAcceptIn = time.Second            // up to this
)

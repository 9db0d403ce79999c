// Package httpserver is an HTTP/1.1 server for one endpoint. It runs an
// http.Handler as net/http's server does. It has fewer features: no HTTP/2, no
// hijacking, no interim responses except 100 Continue, no guessed Content-Type.
//
// Its grammar is a strict subset of net/http's. http.ReadRequest accepts every
// request that this package accepts, with the same method, target, header and
// body. Only one header differs: to a request with Pragma: no-cache and without
// Cache-Control, net/http adds Cache-Control: no-cache. Of a body that is
// incomplete or malformed, a handler gets a beginning of the bytes that net/http
// reads. The package refuses forms that real clients do not send: bare line
// feeds, repeated lengths, transfer codings other than chunked.
//
// One goroutine serves a connection. It reads a head, calls the handler, writes
// the response, and reads the next head. A second goroutine reads the connection
// only while a handler takes longer than watchDelay, to notice that the client
// has left. Before a body was read to its end, the client's departure is looked for
// without reading; see watch.
package httpserver

import "time"

// Limits, each with its reason.
const (
	readSize   = 4 << 10 // most requests fit, so one read suffices
	writeSize  = 8 << 10 // most responses fit, so one write suffices
	maxLines   = 4096    // header lines; handlers have lower bounds of their own
	maxTrailer = 4000    // bytes of the trailer section; net/http accepts as much as fits into its buffer
	maxChunk   = 256     // bytes of the longest chunk-size line

	watchDelay    = 3 * time.Second        // time until a connection is watched; most handlers return earlier, even those that refuse a request after a wait of two seconds during an overload
	flushedDelay  = 100 * time.Millisecond // time from the first flush of a response until the connection is watched; most responses end earlier
	checkInterval = time.Second            // time between two checks whether the client has left in the middle of its body
	leaveWait     = 10 * time.Millisecond  // wait for the end of the connection of a client that may have left during a long pause of the handler; on the same machine it arrives together with the end of the body
	lingerTime    = 5 * time.Second        // time to read further bytes of a client after a response that ends the connection
	refuseTime    = 10 * time.Second       // time for a client to read the refusal of its request
	minAcceptIn   = 5 * time.Millisecond   // time until the next try after Accept has failed; it doubles with each failure
	maxAcceptIn   = time.Second            // longest time until the next try
	acceptBatch   = 16                     // connections that are accepted before other goroutines run
)

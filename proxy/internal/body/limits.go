package body

import "time"

// Limits on what one body may cost, each with its reason.
const (
	MaxBuffered = 256 << 10 // a body up to this size is buffered whole and can be replayed
	MaxDrained  = 64 << 20  // bytes of a refused body that are read, so that the client reads the response
	DrainTime   = 10 * time.Second

	chunk   = 96 << 10  // bytes per read of a body that is streamed: what a client's connection receives while the previous ones are sent
	maxTail = 128 << 10 // inspected bytes that are held back: a tag, a chunk, or everything after the operation

	readPause  = 30 * time.Second // longest pause within a body
	graceTime  = 60 * time.Second // a body may be slow for this time;
	minPerSec  = 4 << 10          // after graceTime, the average rate must be at least this many bytes per second
	pageBody   = 4 << 10          // bytes of a page for the body, enough for most bodies
	pageHead   = 2 << 10          // bytes of a page for the head, enough for most rewritten heads
	streamSize = MaxBuffered      // room for maxTail and a chunk

	// A body larger than shortBody is sent in pieces, which need further memory
	// in the transport and the system: 193 KiB for a piece and its TLS records,
	// and the content of the send buffer, up to 128 KiB of which are unsent.
	shortBody  = 32 << 10
	sendMemory = 320 << 10
)

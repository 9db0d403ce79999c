package body

import "time"

// Limits on what one body may cost, each with its reason.
const (
	MaxBuffered = 256 << 10 // a body up to this size is buffered whole and can be replayed
	MaxDrained  = 64 << 20  // read of a refused body, so that its sender reads the response
	DrainTime   = 10 * time.Second

	chunk   = 64 << 10  // one read of a body that is streamed
	maxTail = 128 << 10 // inspected bytes that wait: a tag, a chunk, what follows the operation

	readPause  = 30 * time.Second // longest silence within a body
	graceTime  = 60 * time.Second // a body may be slow for this long;
	minPerSec  = 4 << 10          // after that it must have had this many bytes a second on average
	pageBody   = 4 << 10          // most bodies fit
	pageHead   = 2 << 10          // most rewritten heads fit
	streamSize = maxTail + 2*chunk

	// A body over shortBody is sent in pieces, for which the transport and the
	// system have memory of their own: 130 KiB for a piece and its TLS records, and
	// what is in the send buffer, where the transport lets 128 KiB wait unsent.
	shortBody  = 32 << 10
	sendMemory = 256 << 10
)

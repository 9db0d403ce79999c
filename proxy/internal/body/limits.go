package body

import "time"

// Limits on what one body may cost, each with its reason.
const (
	MaxBuffered = 256 << 10 // a body up to this size is buffered whole and can be replayed
	MaxDrained  = 64 << 20  // bytes of a refused body that are read, so that the client can read the response
	DrainTime   = 10 * time.Second

	chunk   = 96 << 10  // bytes per read of a streamed body: about as many as the client's connection receives while the previous chunk is sent
	maxTail = 128 << 10 // limit of the inspected bytes that may not be sent yet, such as an XML tag that is not complete or everything after the operation

	readPause  = 30 * time.Second // longest pause within a body
	graceTime  = 60 * time.Second // time that all reads of a body together may take, however small the body is
	minPerSec  = 4 << 10          // each time this many bytes have been read, the reads may take one second longer
	pageBody   = 4 << 10          // size of the field body of a page, enough for most bodies
	pageHead   = 2 << 10          // size of the field head of a page, enough for most rewritten heads
	streamSize = MaxBuffered      // size of the memory of a streamed body, enough for maxTail and a chunk

	// A body larger than shortBody is sent in pieces. This needs 321 KiB, which
	// sendMemory rounds: 193 KiB in the transport for a piece and its TLS records, and up to 128 KiB
	// of unsent bytes in the system's send buffer.
	shortBody  = 32 << 10
	sendMemory = 320 << 10
)

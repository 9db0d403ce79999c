package proxy

import "time"

// Limits of sizes, numbers and times. Package proxy/internal/body has the limits
// of a request's body.
const (
	maxHeaders     = 100       // header lines; EWS clients send a dozen
	maxHeaderBytes = 64 << 10  // bytes of names and values; IIS accepts 16 KiB per line
	serverHeaders  = 128 << 10 // limit of the HTTP server, which is higher than maxHeaderBytes, so that the response to most large headers explains the problem

	bufferedTotal = 32 << 20 // default of Config.BufferBudget, in bytes
	chunk         = 64 << 10 // bytes per read of a long response

	hintRead     = 8 << 10  // bytes of a page that are read to find its title
	keptRead     = 8 << 10  // bytes of an error response that are kept to find its code
	streamRead   = 4 << 10  // bytes of a response in which the element of a notification stream is looked for
	streamParts  = 32       // parts of a response in which it is looked for, because each part is decompressed together with the previous ones
	rootRead     = 512      // bytes of a response after decompression that usually show its root element
	inflatedRead = 32 << 10 // bytes that are read of a page or a response after decompression
	hintText     = 80       // bytes of a text from a device that are logged

	busyWindow   = 5 * time.Second        // a peer that repeats a failing request within this time gets a delayed response
	minBusyDelay = 250 * time.Millisecond // first delay of such a response; each further delay is twice as long
	maxBusyDelay = 2 * time.Second        // longest delay of such a response, because clients have timeouts
	maxBusyPeers = 1024

	maxSchedulerDelay = 3 * time.Millisecond   // longest scheduler delay that does not count as an overload; a request waits for a processor about ten times, so it takes about 30 ms longer
	maxAdmissionWait  = 2 * time.Second        // longest wait in the queue until a request is admitted or will be refused, because clients have timeouts
	admissionInterval = 100 * time.Millisecond // interval between checks of the scheduler delay
	minAdmitted       = 64                     // number of requests in progress that are always admitted
	batchTime         = 5 * time.Millisecond   // time in which a batch of requests may begin without a check that the processors keep up
	batchPause        = time.Millisecond       // pause after a batch for network events; each of them makes a goroutine runnable
	minBatch          = 16                     // number of requests that may always begin at the same time; they take about 20 ms if each opens a connection to Exchange
	minRefusals       = 4                      // number of requests that may always be refused at the same time, because a refusal needs a processor, too

	headerTimeout = 10 * time.Second // limit for the whole head of a request
	idleTimeout   = 3 * time.Minute  // limit for an idle client connection, above IIS's own 2 minutes
	writePause    = 60 * time.Second // longest time in which a client reads nothing of a response
	stuckSize     = 32 << 10         // bytes of a body that the system's buffer takes
	stuckTime     = 2 * time.Minute  // longest time in which Exchange reads nothing of a long body; IIS has the same limit

	gateWait    = 5 * time.Second  // wait for the rest of a response's head if the response has begun before the body was sent
	expectPause = 24 * time.Hour   // pause after which "Expect: 100-continue" is sent again to an upstream that has refused it
	discardTime = time.Second      // limit for reading the body of a response that refuses the token, and of a page whose title is logged
	tokenWait   = 4 * time.Second  // wait for the first token, so that the client gets a response within 5 s
	replaceWait = 20 * time.Second // wait for a new token after a refusal: one request to Entra ID and a margin
	backOff     = 10 * time.Second // back-off for clients when nothing better is known
	maxBackOff  = 5 * time.Minute  // longest back-off of Exchange that is passed on to clients
)

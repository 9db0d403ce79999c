package proxy

import "time"

// Limits on everything that comes from outside, each with its reason. Those of
// a request's body are in internal/body.
const (
	maxHeaders     = 100       // header lines; EWS clients send a dozen
	maxHeaderBytes = 64 << 10  // names and values; IIS takes 16 KiB a line
	serverHeaders  = 128 << 10 // where net/http gives up by itself, above the limit that we explain

	bufferedTotal = 32 << 20 // buffered bodies of all requests together
	chunk         = 64 << 10 // one read of a long response

	hintRead     = 8 << 10  // read of a page to find its title
	keptRead     = 8 << 10  // kept of an error response to find its code
	inflatedRead = 32 << 10 // read of either after inflating it
	hintText     = 80       // of a text that a device has chosen

	busyWindow   = 5 * time.Second        // a peer that repeats a failing request sooner is slowed
	minBusyDelay = 250 * time.Millisecond // and more each time,
	maxBusyDelay = 2 * time.Second        // up to this: clients have timeouts
	maxBusyPeers = 1024

	maxSchedulerDelay = 10 * time.Millisecond  // a request waits for a processor some ten times
	maxAdmissionWait  = 2 * time.Second        // clients have timeouts, and the next ones wait too
	admissionInterval = 100 * time.Millisecond // between two looks at the delay
	minAdmitted       = 64                     // requests in progress that are admitted in any case

	headerTimeout = 10 * time.Second // a client's whole head
	idleTimeout   = 3 * time.Minute  // an idle client connection, above IIS's own 2 minutes
	writePause    = 60 * time.Second // longest time in which a client takes nothing of a response
	stuckTime     = 2 * time.Minute  // longest time in which Exchange takes nothing of a long body, IIS's own

	gateWait    = 5 * time.Second  // for the rest of a response's head that has begun before the body was sent
	expectPause = 24 * time.Hour   // until an upstream that has refused an expectation is asked again
	discardTime = time.Second      // for the text of a refusal, before the next attempt
	tokenWait   = 4 * time.Second  // for the first token, so that the client gets a response within 5 s
	replaceWait = 20 * time.Second // for another token after a refusal: one attempt at Entra and a little
	backOff     = 10 * time.Second // what a client is asked to wait when nothing better is known
	maxBackOff  = 5 * time.Minute  // longest wait that an upstream may impose through us
)

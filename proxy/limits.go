package proxy

import "time"

// Everything from outside is bounded here, each bound with its reason.
const (
	maxHeaders     = 100       // header lines; EWS clients send a dozen
	maxHeaderBytes = 64 << 10  // names and values; IIS takes 16 KiB a line
	serverHeaders  = 128 << 10 // where net/http gives up by itself, above the line that we explain

	heldBody  = 256 << 10 // a body up to this is held whole and can be sent again
	heldTotal = 32 << 20  // held for all requests together
	heldTail  = 128 << 10 // scanned bytes that wait for the decision: a tag, a chunk, what follows the operation
	chunk     = 64 << 10  // read at once from a long body

	headerTimeout = 10 * time.Second // a client's whole head
	idleTimeout   = 3 * time.Minute  // a client's silent keep-alive connection, above IIS's own 2 minutes
	readPause     = 30 * time.Second // longest silence within a body
	bodyGrace     = 60 * time.Second // a body may be slow for this long, then it must have come
	bodyRate      = 4 << 10          // with at least this many bytes a second on average
	writePause    = 60 * time.Second // longest time in which a client takes nothing of an answer
	takePause     = 2 * time.Minute  // longest time in which Exchange takes nothing of a long body, IIS's own

	drainBytes = 64 << 20         // read of a refused request, so that its sender gets to read the answer
	drainTime  = 10 * time.Second // and for no longer than this

	gateWait    = 5 * time.Second  // for the rest of an answer's head, before a body goes all the same
	discardTime = time.Second      // for the text of a refusal, before the next attempt
	tokenWait   = 4 * time.Second  // for the first token, so that the client hears within 5 s
	replaceWait = 20 * time.Second // for another token after a refusal: one attempt at Entra and a little
	backOff     = 10 * time.Second // what a client is told to wait when nothing better is known
	maxBack     = 5 * time.Minute  // longest wait that an upstream may impose through us
)

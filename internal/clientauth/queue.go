package clientauth

import (
	"context"
	"errors"
	"net/netip"
	"time"
)

// Limits for the work of comparing passwords. bcrypt keeps a processor busy for
// tens of milliseconds, and other requests must be served during that time. So
// comparisons wait in two queues, and each queue runs one comparison at a time.
// After a wrong password a queue pauses for a multiple of the comparison's
// duration. So guesses use at most a fifth of a processor in one queue and a
// tenth in the other. They use more only if a comparison takes longer than 1.25 s
// or 0.56 s, because maxRest then shortens the rest.
const (
	freshRest   = 4 // pause of the queue for peers without a wrong password, in multiples of the comparison's duration
	suspectRest = 9 // pause of the queue for peers with a wrong password in the last minute, in multiples of the comparison's duration

	// comparisonWait is how long a request waits for its comparison to begin.
	comparisonWait = 10 * time.Second

	// maxRest limits the pause of a queue after a wrong password. Even after a
	// comparison at a high cost, the pause is shorter than comparisonWait.
	maxRest = comparisonWait / 2

	suspectTime = time.Minute
	maxSuspects = 1024 // limit for the number of suspects
)

// errBusy is the error for credentials that could not be compared in time.
var errBusy = errors.New("too many passwords are waiting to be compared")

// A queue does one comparison at a time.
type queue struct {
	slot chan struct{}
	rest time.Duration // factor, not a duration: the pause after a wrong password is this factor times the duration of the comparison
}

func newQueue(rest time.Duration) *queue {
	return &queue{slot: make(chan struct{}, 1), rest: rest}
}

// compare runs a comparison. It blocks while another comparison is in progress
// or the queue pauses. It returns errBusy if the comparison cannot begin within
// comparisonWait.
func (q *queue) compare(ctx context.Context, matches func() bool) (bool, error) {
	timeout := time.NewTimer(comparisonWait)
	defer timeout.Stop()
	select {
	case q.slot <- struct{}{}:
	case <-timeout.C:
		return false, errBusy
	case <-ctx.Done():
		return false, ctx.Err()
	}
	start := time.Now()
	if matches() {
		<-q.slot
		return true, nil
	}
	time.AfterFunc(min(q.rest*time.Since(start), maxRest), func() { <-q.slot })
	return false, nil
}

// peerOf returns the identity of a peer: its address without the port, or the
// user of a Unix socket. On loopback, where all clients share an address, it
// includes the port.
func peerOf(remote string) string {
	addr, err := netip.ParseAddrPort(remote)
	if err != nil || addr.Addr().Unmap().IsLoopback() {
		return remote
	}
	return addr.Addr().String()
}

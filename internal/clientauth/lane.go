package clientauth

import (
	"context"
	"errors"
	"net/netip"
	"time"
)

// How the work of comparing passwords is bounded. bcrypt keeps a processor busy
// for tens of milliseconds, and mail must flow at the same time. So comparisons
// wait in two lanes, each of which does one at a time. After a wrong password a
// lane rests for a multiple of the time that the comparison took, so that guesses
// use at most a fifth and a tenth of a processor.
const (
	freshRest   = 4 // times the comparison, for peers without a wrong password
	suspectRest = 9 // the same for peers that had one in the last minute

	// comparisonWait is how long a request waits for its comparison to begin.
	comparisonWait = 10 * time.Second

	// maxRest keeps the rest after a comparison at a high cost below comparisonWait.
	maxRest = comparisonWait / 2

	suspectTime = time.Minute
	maxSuspects = 1024 // peers
)

// errBusy is the error for credentials that could not be compared in time.
var errBusy = errors.New("too many passwords are waiting to be compared")

// A lane does one comparison at a time.
type lane struct {
	slot chan struct{}
	rest time.Duration // after a wrong password, times the comparison
}

func newLane(rest time.Duration) *lane {
	return &lane{slot: make(chan struct{}, 1), rest: rest}
}

// compare runs a comparison. It blocks while others are in progress or the lane
// rests, and returns errBusy if it cannot begin within comparisonWait.
func (l *lane) compare(ctx context.Context, matches func() bool) (bool, error) {
	timeout := time.NewTimer(comparisonWait)
	defer timeout.Stop()
	select {
	case l.slot <- struct{}{}:
	case <-timeout.C:
		return false, errBusy
	case <-ctx.Done():
		return false, ctx.Err()
	}
	start := time.Now()
	if matches() {
		<-l.slot
		return true, nil
	}
	time.AfterFunc(min(l.rest*time.Since(start), maxRest), func() { <-l.slot })
	return false, nil
}

// peerOf returns what identifies a peer: its address without the port, or the
// user of a Unix socket. On loopback all clients share an address, so the port
// belongs to it.
func peerOf(remote string) string {
	addr, err := netip.ParseAddrPort(remote)
	if err != nil || addr.Addr().Unmap().IsLoopback() {
		return remote
	}
	return addr.Addr().String()
}

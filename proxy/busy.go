package proxy

import (
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// A busyDelay slows clients that repeat a failing request without a pause. It is
// safe for concurrent use.
type busyDelay struct {
	mu    sync.Mutex
	peers map[string]busyPeer
}

// A busyPeer is a peer that has got ErrorServerBusy.
type busyPeer struct {
	last  time.Time     // time at which the latest response is sent, after its delay
	delay time.Duration // delay of that response, before the random reduction
}

// next returns the delay of the next ErrorServerBusy to a peer. The delay is
// zero unless the peer got an ErrorServerBusy within busyWindow. The delays of
// responses that wait at the same time differ by up to a quarter, because otherwise
// thousands of clients on one host would get their responses, and come back, at the
// same time.
func (b *busyDelay) next(peer string, now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	p, known := b.peers[peer]
	if !known && len(b.peers) >= maxBusyPeers && !b.forget(now) {
		return 0
	}
	switch {
	case !known || now.Sub(p.last) > busyWindow:
		p.delay = 0
	case p.delay == 0:
		p.delay = minBusyDelay
	default:
		p.delay = min(2*p.delay, maxBusyDelay)
	}
	delay := p.delay
	if p.last.After(now) && delay > 0 {
		delay -= rand.N(delay / 4)
	}
	p.last = now.Add(delay)
	if b.peers == nil {
		b.peers = make(map[string]busyPeer)
	}
	b.peers[peer] = p
	return delay
}

// forget removes the peers that got no ErrorServerBusy within busyWindow. It
// reports whether there is room for another peer.
func (b *busyDelay) forget(now time.Time) bool {
	for peer, p := range b.peers {
		if now.Sub(p.last) > busyWindow {
			delete(b.peers, peer)
		}
	}
	return len(b.peers) < maxBusyPeers
}

// peerOf returns the key of a request's peer: the host of remote and the name
// of the authenticated user.
func peerOf(remote, user string) string {
	if host, _, err := net.SplitHostPort(remote); err == nil {
		remote = host
	}
	return remote + " " + user
}

package proxy

import (
	"fmt"
	"testing"
	"time"
)

// TestBusyWindow checks both sides of the time in which a repeated request is
// delayed.
func TestBusyWindow(t *testing.T) {
	now := time.Now()
	for pause, want := range map[time.Duration]time.Duration{0: 250 * time.Millisecond, 5 * time.Second: 250 * time.Millisecond, 5*time.Second + 1: 0} {
		var b busyDelay
		if d := b.next("peer", now); d != 0 {
			t.Errorf("the first response is delayed by %v", d)
		}
		if d := b.next("peer", now.Add(pause)); d != want {
			t.Errorf("after %v: a delay of %v, want %v", pause, d, want)
		}
		if d := b.next("another", now.Add(pause)); d != 0 {
			t.Errorf("the first response to another peer is delayed by %v", d)
		}
	}
}

// TestBusyPeers checks the limit for the number of peers. A peer beyond the limit is
// delayed only after another peer has sent no request for more than five seconds.
func TestBusyPeers(t *testing.T) {
	var b busyDelay
	now := time.Now()
	for i := range 1024 {
		b.next(fmt.Sprint(i), now)
	}
	for range 2 {
		if d := b.next("beyond the limit", now); d != 0 || len(b.peers) != 1024 {
			t.Errorf("a delay of %v, %d peers", d, len(b.peers))
		}
	}
	if d := b.next("1023", now); d == 0 {
		t.Error("a peer within the limit is not delayed")
	}
	now = now.Add(5 * time.Second)
	if b.next("beyond the limit", now); len(b.peers) != 1024 {
		t.Errorf("%d peers after five seconds", len(b.peers))
	}
	if b.next("beyond the limit", now.Add(1)); len(b.peers) != 2 { // the new one, and the one that was delayed
		t.Errorf("%d peers after more than five seconds", len(b.peers))
	}
	if d := b.next("beyond the limit", now.Add(1)); d == 0 {
		t.Error("the new peer is not delayed")
	}
}

// TestBackOffVaries checks the back-off of a response for which hmaproxy has no
// memory or time: 10 s on average, with a random part.
func TestBackOffVaries(t *testing.T) {
	least, most := time.Hour, time.Duration(0)
	for range 10_000 {
		d := proxyBusy("").backOff()
		least, most = min(least, d), max(most, d)
	}
	if least < 5*time.Second || least > 6*time.Second || most >= 15*time.Second || most < 14*time.Second {
		t.Errorf("from %v to %v", least, most)
	}
}

func TestPeerOf(t *testing.T) {
	for _, c := range []struct{ remote, user, want string }{
		{"127.0.0.1:50000", "crm", "127.0.0.1 crm"}, {"[2001:db8::1]:50000", "", "2001:db8::1 "}, {"@uid=1000", "crm", "@uid=1000 crm"},
	} {
		if got := peerOf(c.remote, c.user); got != c.want {
			t.Errorf("%q, %q: %q, want %q", c.remote, c.user, got, c.want)
		}
	}
}

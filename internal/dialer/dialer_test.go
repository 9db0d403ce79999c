package dialer

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const address = "mail.contoso.com:443"

var (
	addrA = netip.MustParseAddr("192.0.2.1")
	addrB = netip.MustParseAddr("192.0.2.2")
	addrC = netip.MustParseAddr("2001:db8::3")

	errRefused  = errors.New("connection refused")
	errNotFound = &net.DNSError{Err: "no such host", Name: "mail.contoso.com", IsNotFound: true}
)

// A testNetwork is a DNS server and hosts. An address that is in neither map
// drops packets.
type testNetwork struct {
	mu       sync.Mutex
	names    []netip.Addr
	dnsErr   error
	lost     int           // number of queries that get no response
	slow     time.Duration // the time in which DNS responds
	open     map[netip.Addr]bool
	refuses  map[netip.Addr]bool
	queries  int
	attempts []netip.Addr
}

func (n *testNetwork) lookup(ctx context.Context, _ string) ([]netip.Addr, error) {
	n.mu.Lock()
	n.queries++
	lost, slow := n.queries <= n.lost, n.slow
	names, err := n.names, n.dnsErr
	n.mu.Unlock()
	time.Sleep(slow)
	if lost {
		<-ctx.Done()
		return nil, &net.DNSError{Err: ctx.Err().Error(), IsTimeout: true}
	}
	return names, err
}

// A testConn is a connection to an address.
type testConn struct {
	net.Conn
	to netip.AddrPort
}

func (c testConn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.to) }
func (c testConn) Close() error         { return nil }

func (n *testNetwork) connect(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	n.mu.Lock()
	n.attempts = append(n.attempts, to.Addr())
	open, refuses := n.open[to.Addr()], n.refuses[to.Addr()]
	n.mu.Unlock()
	switch {
	case open:
		return testConn{to: to}, nil
	case refuses:
		return nil, errRefused
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

func (n *testNetwork) dialer() *Dialer { return &Dialer{Lookup: n.lookup, Connect: n.connect} }

// dial opens a connection. It returns the address that it connected to and how
// long it took.
func dial(t *testing.T, d *Dialer) (netip.Addr, time.Duration, error) {
	t.Helper()
	began := time.Now()
	conn, err := d.DialContext(t.Context(), "tcp", address)
	took := time.Since(began)
	if err != nil {
		var op *net.OpError
		if !errors.As(err, &op) || op.Op != "dial" {
			t.Errorf("%v is not a dial error", err)
		}
		return netip.Addr{}, took, err
	}
	return conn.(testConn).to.Addr(), took, nil
}

func TestDial(t *testing.T) {
	set := func(addrs ...netip.Addr) map[netip.Addr]bool {
		m := map[netip.Addr]bool{}
		for _, a := range addrs {
			m[a] = true
		}
		return m
	}
	for name, c := range map[string]struct {
		network *testNetwork
		want    netip.Addr // zero if an error is expected
		took    time.Duration
	}{
		"one address":                     {&testNetwork{names: []netip.Addr{addrA}, open: set(addrA)}, addrA, 0},
		"first address drops packets":     {&testNetwork{names: []netip.Addr{addrA, addrB}, open: set(addrB)}, addrB, parallelDelay},
		"first two addresses drop":        {&testNetwork{names: []netip.Addr{addrA, addrC, addrB}, open: set(addrB)}, addrB, 2 * parallelDelay},
		"first address refuses":           {&testNetwork{names: []netip.Addr{addrA, addrB}, open: set(addrB), refuses: set(addrA)}, addrB, 0},
		"all addresses refuse":            {&testNetwork{names: []netip.Addr{addrA, addrB}, refuses: set(addrA, addrB)}, netip.Addr{}, 0},
		"all addresses drop packets":      {&testNetwork{names: []netip.Addr{addrA, addrB}}, netip.Addr{}, timeout},
		"no such host":                    {&testNetwork{dnsErr: errNotFound}, netip.Addr{}, 0},
		"host without addresses":          {&testNetwork{}, netip.Addr{}, 0},
		"query lost once":                 {&testNetwork{names: []netip.Addr{addrA}, open: set(addrA), lost: 1}, addrA, resend},
		"DNS server drops packets":        {&testNetwork{lost: 9}, netip.Addr{}, timeout},
		"query lost, first address drops": {&testNetwork{names: []netip.Addr{addrA, addrB}, open: set(addrB), lost: 1}, addrB, resend + parallelDelay},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got, took, err := dial(t, c.network.dialer())
				if got != c.want || (err == nil) != c.want.IsValid() || took != c.took {
					t.Errorf("connected to %v, %v after %v; want %v after %v", got, err, took, c.want, c.took)
				}
			})
		})
	}
}

func TestTimeoutIsATimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testNetwork{names: []netip.Addr{addrA}}
		_, _, err := dial(t, n.dialer())
		var timeout net.Error
		if !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("%v is not a timeout", err)
		}
	})
}

func TestCancelledDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testNetwork{names: []netip.Addr{addrA}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if _, err := n.dialer().DialContext(ctx, "tcp", address); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

func TestAddressThatWorkedLastIsTriedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testNetwork{names: []netip.Addr{addrA, addrB}, open: map[netip.Addr]bool{addrB: true}}
		d := n.dialer()
		dial(t, d)
		if got, took, _ := dial(t, d); got != addrB || took != 0 {
			t.Errorf("connected to %v after %v", got, took)
		}
		n.open = map[netip.Addr]bool{addrA: true} // now A is open and B is not
		if got, took, _ := dial(t, d); got != addrA || took != parallelDelay {
			t.Errorf("connected to %v after %v", got, took)
		}
	})
}

func TestBurstMakesOneQuery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testNetwork{names: []netip.Addr{addrA}, open: map[netip.Addr]bool{addrA: true}}
		d := n.dialer()
		var burst sync.WaitGroup
		for range 20 {
			burst.Go(func() { dial(t, d) })
		}
		burst.Wait()
		time.Sleep(reuse - 1)
		dial(t, d)
		if n.queries != 1 {
			t.Errorf("%d queries within %v", n.queries, reuse)
		}
		time.Sleep(time.Nanosecond)
		dial(t, d)
		if n.queries != 2 {
			t.Errorf("%d queries, want another one after %v", n.queries, reuse)
		}
	})
}

// TestChangedDNS checks that a failed connection to a known address leads
// immediately to a new query.
func TestChangedDNS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testNetwork{names: []netip.Addr{addrA}, open: map[netip.Addr]bool{addrA: true, addrB: true}}
		d := n.dialer()
		dial(t, d)
		n.names, n.open, n.refuses = []netip.Addr{addrB}, map[netip.Addr]bool{addrB: true}, map[netip.Addr]bool{addrA: true}
		if got, took, err := dial(t, d); got != addrB || took != 0 {
			t.Errorf("connected to %v, %v after %v", got, err, took)
		}
	})
}

func TestLastKnownAddressesWithoutDNS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testNetwork{names: []netip.Addr{addrA}, open: map[netip.Addr]bool{addrA: true}}
		d := n.dialer()
		dial(t, d)
		time.Sleep(time.Hour)
		n.names, n.dnsErr = nil, &net.DNSError{Err: "server misbehaving", IsTemporary: true}
		if got, _, err := dial(t, d); got != addrA {
			t.Errorf("connected to %v, %v", got, err)
		}
	})
}

// TestLastKnownAddressesWithSilentDNS checks that a DNS server that drops queries, or
// responds late, does not take away the known addresses.
func TestLastKnownAddressesWithSilentDNS(t *testing.T) {
	for _, slow := range []time.Duration{0, 5 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			n := testNetwork{names: []netip.Addr{addrA}, open: map[netip.Addr]bool{addrA: true}}
			d := n.dialer()
			dial(t, d)
			time.Sleep(time.Hour)
			if n.slow = slow; slow == 0 {
				n.lost = 1000
			}
			n.names, n.open = []netip.Addr{addrB}, map[netip.Addr]bool{addrA: true, addrB: true}
			if got, took, err := dial(t, d); got != addrA || took != patience {
				t.Errorf("connected to %v after %v, %v; want %v after %v", got, took, err, addrA, patience)
			}
			time.Sleep(time.Second) // the query is still in progress
			if got, took, err := dial(t, d); got != addrA || took != 0 {
				t.Errorf("connected to %v after %v, %v; want %v at once", got, took, err, addrA)
			}
			if n.lost = 0; slow == 0 {
				time.Sleep(lookupTimeout)
			} else {
				time.Sleep(slow)
			}
			if got, took, err := dial(t, d); got != addrB || took != 0 {
				t.Errorf("connected to %v after %v, %v; want %v from the new query", got, took, err, addrB)
			}
		})
	}
}

// TestChangedSlowDNS checks that a dial uses the result of a slow DNS server if the
// known address does not work, and tries no address twice.
func TestChangedSlowDNS(t *testing.T) {
	for _, c := range []struct {
		name    string
		age     time.Duration // of the known address
		slow    time.Duration // until DNS responds
		fails   time.Duration // until the known address fails
		took    time.Duration
		queries int
	}{
		{"refuses", time.Hour, 5 * time.Second, 0, 5 * time.Second, 2},
		{"drops packets", time.Hour, 2 * time.Second, time.Hour, 2 * time.Second, 2},
		{"unreachable after the response", time.Hour, 2 * time.Second, 3 * time.Second, 2 * time.Second, 2},
		{"the known address is new", time.Second, 5 * time.Second, 0, 5 * time.Second, 2},
	} {
		synctest.Test(t, func(t *testing.T) {
			n := testNetwork{names: []netip.Addr{addrA}, open: map[netip.Addr]bool{addrA: true}}
			d := n.dialer()
			dial(t, d)
			time.Sleep(c.age)
			n.slow, n.names, n.queries = c.slow, []netip.Addr{addrB}, 0
			tried := map[netip.Addr]int{}
			d.Connect = func(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
				n.mu.Lock()
				tried[to.Addr()]++
				n.mu.Unlock()
				if to.Addr() == addrB {
					return testConn{to: to}, nil
				}
				select {
				case <-time.After(c.fails):
					return nil, errRefused
				case <-ctx.Done():
					return nil, ctx.Err()
				}
			}
			if got, took, err := dial(t, d); got != addrB || took != c.took {
				t.Errorf("%s: connected to %v after %v, %v; want %v after %v", c.name, got, took, err, addrB, c.took)
			}
			if tried[addrA] != 1 || tried[addrB] != 1 || n.queries > c.queries {
				t.Errorf("%s: attempts %v, %d queries", c.name, tried, n.queries)
			}
			time.Sleep(time.Minute) // lets the queries end
		})
	}
}

// TestUselessAddressIsTriedLast checks that an address whose connection was useless
// is tried after the others, until those were useless, too.
func TestUselessAddressIsTriedLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testNetwork{names: []netip.Addr{addrA, addrB, addrC}, open: map[netip.Addr]bool{addrA: true, addrB: true, addrC: true}}
		d := n.dialer()
		failed := d.Failed(address)
		for _, want := range []netip.Addr{addrA, addrB, addrC, addrA} {
			time.Sleep(time.Millisecond)
			conn, err := d.DialContext(t.Context(), "tcp", address)
			if err != nil || conn.(testConn).to.Addr() != want {
				t.Errorf("connected to %v, %v; want %v", conn, err, want)
			}
			failed(conn)
		}
		n.open = map[netip.Addr]bool{addrA: true}
		if got, took, err := dial(t, d); got != addrA || took != 2*parallelDelay {
			t.Errorf("connected to %v after %v, %v", got, took, err)
		}
		d.Failed("192.0.2.9:443")(testConn{}) // not a name: no effect
	})
}

func TestLiteralAddressNeedsNoQuery(t *testing.T) {
	n := testNetwork{open: map[netip.Addr]bool{addrC: true}}
	d := n.dialer()
	if _, err := d.DialContext(t.Context(), "tcp", "[2001:db8::3]:443"); err != nil || n.queries != 0 {
		t.Errorf("%v, %d queries", err, n.queries)
	}
	if !d.Current("192.0.2.9:443")(testConn{}) {
		t.Error("a connection to a literal address is not current")
	}
}

// TestCurrent checks that a connection is no longer current when a new DNS result
// lacks its address.
func TestCurrent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testNetwork{names: []netip.Addr{addrA, addrB}, open: map[netip.Addr]bool{addrA: true}}
		d := n.dialer()
		current := d.Current(address)
		conn, err := d.DialContext(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		n.names = []netip.Addr{addrB}
		time.Sleep(recheck - 1)
		if !current(conn) {
			t.Error("not current before the result was renewed")
		}
		synctest.Wait()
		if !current(conn) || n.queries != 1 {
			t.Errorf("renewed early: %d queries", n.queries)
		}
		time.Sleep(time.Nanosecond)
		current(conn) // starts a query in the background
		synctest.Wait()
		if current(conn) {
			t.Error("current although DNS no longer names its address")
		}
		if n.queries != 2 || !slices.Equal(n.attempts, []netip.Addr{addrA}) {
			t.Errorf("%d queries, attempts %v", n.queries, n.attempts)
		}
	})
}

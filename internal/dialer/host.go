package dialer

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	// reuse is how long a DNS result is used without another query, so that a burst
	// of new connections makes one query.
	reuse = 5 * time.Second

	// recheck is the age at which a DNS result is renewed if connections that
	// were made with the result are in use.
	recheck = 30 * time.Second

	// resend is the time after which a query without a response is sent again. The
	// system's own resolver waits five seconds.
	resend = time.Second

	// patience is how long a dial waits for a look-up if it knows earlier addresses. It
	// is longer than resend, so that one lost query does not make it use old addresses.
	patience = resend + 500*time.Millisecond

	// lookupTimeout limits a look-up for which several callers wait.
	lookupTimeout = timeout
)

// A host holds the known addresses of one host name. It is safe for concurrent
// use.
type host struct {
	name   string
	lookup func(ctx context.Context, host string) ([]netip.Addr, error)

	mu         sync.Mutex
	addrs      []netip.Addr // the latest successful result
	resolvedAt time.Time
	lastGood   netip.Addr               // the address of the newest connection, unless that connection was useless
	failedAt   map[netip.Addr]time.Time // the last useless connection of each of addrs that had one
	running    *lookup                  // nil while no lookup runs
}

// A lookup is a query in progress. Its callers wait for done.
type lookup struct {
	began time.Time
	done  chan struct{}
	addrs []netip.Addr
	err   error
}

// A resolution holds a host's addresses, and says how recent they are.
type resolution struct {
	addrs   []netip.Addr
	cached  bool         // addrs are from an earlier query, and no new one was necessary
	pending *lookup      // addrs are from an earlier query, because this one takes long; nil: it has ended
	failed  []netip.Addr // addresses that were tried a moment ago
}

// addresses returns the host's addresses. Addresses older than reuse are renewed by a
// query. If it fails, or takes longer than patience, addresses returns the last known
// ones. If there are none, it waits for the query, and returns its error.
func (h *host) addresses(ctx context.Context) (resolution, error) {
	h.mu.Lock()
	if len(h.addrs) > 0 && time.Since(h.resolvedAt) < reuse {
		defer h.mu.Unlock()
		return resolution{addrs: h.addrs, cached: true}, nil
	}
	l, known := h.start(ctx), h.addrs
	h.mu.Unlock()
	var impatient <-chan time.Time // nil: never
	if len(known) > 0 {
		timer := time.NewTimer(time.Until(l.began.Add(patience)))
		defer timer.Stop()
		impatient = timer.C
	}
	select {
	case <-l.done:
	case <-impatient:
		return resolution{addrs: known, pending: l}, nil
	case <-ctx.Done():
		return resolution{}, context.Cause(ctx)
	}
	if l.err != nil && len(known) == 0 {
		return resolution{}, l.err
	}
	return resolution{addrs: l.orElse(known)}, nil
}

// orElse returns the result of a query that has ended, or known if it has failed.
func (l *lookup) orElse(known []netip.Addr) []netip.Addr {
	if l.err != nil {
		return known
	}
	return l.addrs
}

// start returns the lookup in progress, or starts a lookup that is independent
// of ctx. It must be called with h.mu locked.
func (h *host) start(ctx context.Context) *lookup {
	if h.running != nil {
		return h.running
	}
	l := &lookup{began: time.Now(), done: make(chan struct{})}
	h.running = l
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookupTimeout)
		defer cancel()
		l.addrs, l.err = lookupTwice(ctx, h.name, h.lookup)
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.running = nil; l.err == nil {
			h.addrs, h.resolvedAt = l.addrs, time.Now()
			maps.DeleteFunc(h.failedAt, func(a netip.Addr, _ time.Time) bool { return !slices.Contains(l.addrs, a) })
		}
		close(l.done)
	}()
	return l
}

// lookupTwice sends a query, and sends it again if there is no response within the
// time resend. It returns the first response.
func lookupTwice(ctx context.Context, name string, query func(context.Context, string) ([]netip.Addr, error)) ([]netip.Addr, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		addrs []netip.Addr
		err   error
	}
	results := make(chan result, 2)
	ask := func() {
		addrs, err := query(ctx, name)
		if err == nil && len(addrs) == 0 {
			err = &net.DNSError{Err: "no address", Name: name, IsNotFound: true}
		}
		results <- result{addrs, err}
	}
	go ask()
	again := time.NewTimer(resend)
	defer again.Stop()
	for pending := 1; ; {
		select {
		case <-again.C:
			go ask()
			pending++
		case r := <-results:
			if pending--; r.err == nil || pending == 0 || !isTimeout(r.err) {
				return r.addrs, r.err
			}
		}
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

func systemLookup(ctx context.Context, name string) ([]netip.Addr, error) {
	// Each lookup has its own Resolver. One Resolver shares its queries between
	// concurrent lookups of the same name, so a second lookup would wait for the
	// lost query of the first.
	addrs, err := new(net.Resolver).LookupNetIP(ctx, "ip", name)
	for i := range addrs {
		addrs[i] = addrs[i].Unmap()
	}
	return addrs, err
}

// inOrder returns addrs in their order, but lastGood comes first, and addresses of
// useless connections come last, the latest of them at the end.
func (h *host) inOrder(addrs []netip.Addr) []netip.Addr {
	h.mu.Lock()
	defer h.mu.Unlock()
	ordered := slices.Clone(addrs)
	slices.SortStableFunc(ordered, func(a, b netip.Addr) int { return h.failedAt[a].Compare(h.failedAt[b]) })
	if i := slices.Index(ordered, h.lastGood); i > 0 {
		copy(ordered[1:i+1], ordered[:i])
		ordered[0] = h.lastGood
	}
	return ordered
}

func (h *host) worked(addr netip.Addr) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lastGood = addr
}

func (h *host) failed(addr netip.Addr) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.failedAt == nil {
		h.failedAt = map[netip.Addr]time.Time{}
	}
	h.failedAt[addr] = time.Now()
	if h.lastGood == addr {
		h.lastGood = netip.Addr{}
	}
}

// forget marks the latest DNS result as outdated, so that the next call of
// h.addresses sends a query.
func (h *host) forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.resolvedAt = time.Time{}
}

// names reports whether the latest DNS result contains addr. Without a result
// it returns true. A result older than recheck is renewed in the background.
func (h *host) names(addr netip.Addr) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.addrs) == 0 {
		return true
	}
	if time.Since(h.resolvedAt) >= recheck {
		h.start(context.Background())
	}
	return slices.Contains(h.addrs, addr)
}

// Current returns a function that reports whether DNS still names the remote
// address of an open connection. address is the host:port that was dialled for
// the connection. The function is cheap, never waits, and may be called
// concurrently.
func (d *Dialer) Current(address string) func(net.Conn) bool {
	h := d.named(address)
	if h == nil {
		return func(net.Conn) bool { return true }
	}
	return func(c net.Conn) bool {
		addr, ok := remote(c)
		return !ok || h.names(addr)
	}
}

// Failed returns a function that records that a new connection was useless, for
// example because its TLS handshake failed. Later dials try the host's other
// addresses first. address is the host:port that was dialled for the connection.
// The function may be called concurrently.
func (d *Dialer) Failed(address string) func(net.Conn) {
	h := d.named(address)
	return func(c net.Conn) {
		if addr, ok := remote(c); ok && h != nil {
			h.failed(addr)
		}
	}
}

// named returns the state of the host in address, a host:port. It returns nil if
// the host is not a name.
func (d *Dialer) named(address string) *host {
	name, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return nil
	}
	return d.host(name)
}

// remote returns the address to which a connection was opened.
func remote(c net.Conn) (addr netip.Addr, ok bool) {
	tcp, ok := c.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return addr, false
	}
	return tcp.AddrPort().Addr().Unmap(), true
}

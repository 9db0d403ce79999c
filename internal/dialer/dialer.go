// Package dialer opens TCP connections to hosts by name. It is made for a process
// that connects to a few hosts for a long time, over networks that lose packets:
//
//   - It first tries the address that worked last, and shortly after tries the
//     others in parallel. An address that drops packets costs a fraction of a second.
//     An address whose last connection was useless is tried after the others.
//   - A DNS query that was lost is repeated after a second. If DNS is silent, the
//     addresses that it named last are used.
//   - A connection whose peer vanished fails about a minute later. See
//     socket.LimitSilence.
package dialer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"hmaproxy/internal/socket"
)

const (
	// timeout limits look-up and connecting together. A system resends a SYN
	// after 1, 3 and 7 seconds.
	timeout = 9 * time.Second

	// parallelDelay is the time after which the next address is tried in parallel.
	// RFC 8305 recommends 250 ms.
	parallelDelay = 300 * time.Millisecond
)

// A Dialer opens connections. It is safe for concurrent use. The zero value
// uses the system's resolver and network.
type Dialer struct {
	// Lookup returns a host's addresses. It may be called concurrently. nil means
	// the system's resolver.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)

	// Connect opens a connection to one address. It may be called concurrently. nil
	// means the system's network.
	Connect func(ctx context.Context, address netip.AddrPort) (net.Conn, error)

	mu    sync.Mutex
	hosts map[string]*host
}

// DialContext connects to an address of the form host:port. It supports only
// the network "tcp" and returns a *net.OpError with Op "dial" when it fails.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errTimeout)
	defer cancel()
	name, port, err := splitHostPort(address)
	if err != nil {
		return nil, dialError(nil, err)
	}
	if addr, err := netip.ParseAddr(name); err == nil {
		return d.connect(ctx, netip.AddrPortFrom(addr, port))
	}
	h := d.host(name)
	found, err := h.addresses(ctx)
	if err != nil {
		return nil, dialError(nil, err)
	}
	conn, err := d.connectAny(ctx, h, found, port)
	if err == nil || !found.cached || ctx.Err() != nil {
		return conn, err
	}
	h.forget() // the addresses are from an earlier query; DNS may return other addresses
	renewed, lookupErr := h.addresses(ctx)
	if lookupErr != nil {
		return nil, err
	}
	renewed.failed = found.addrs
	conn, renewedErr := d.connectAny(ctx, h, renewed, port)
	if errors.Is(renewedErr, errNoAddress) {
		return nil, err
	}
	return conn, renewedErr
}

// errTimeout is the error of a dial that takes longer than the constant timeout.
var errTimeout error = timeoutError{}

type timeoutError struct{}

func (timeoutError) Error() string   { return fmt.Sprintf("no connection within %v", timeout) }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }

func splitHostPort(address string) (host string, port uint16, err error) {
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, err
	}
	n, err := net.LookupPort("tcp", service)
	return host, uint16(n), err
}

func dialError(addr net.Addr, err error) error {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return err
	}
	return &net.OpError{Op: "dial", Net: "tcp", Addr: addr, Err: err}
}

// host returns the state of the host called name. It adds the host at the first
// call.
func (d *Dialer) host(name string) *host {
	d.mu.Lock()
	defer d.mu.Unlock()
	h := d.hosts[name]
	if h == nil {
		if d.hosts == nil {
			d.hosts = map[string]*host{}
		}
		lookup := d.Lookup
		if lookup == nil {
			lookup = systemLookup
		}
		h = &host{name: name, lookup: lookup}
		d.hosts[name] = h
	}
	return h
}

// connectAny connects to one of the addresses. It tries the next address when
// an attempt has failed, or after parallelDelay. The addresses of a pending look-up are
// added when it ends.
func (d *Dialer) connectAny(ctx context.Context, h *host, found resolution, port uint16) (net.Conn, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(errSuperseded)
	type result struct {
		addr netip.Addr
		conn net.Conn
		err  error
	}
	results := make(chan result)
	start := func(addr netip.Addr) {
		conn, err := d.connect(ctx, netip.AddrPortFrom(addr, port))
		select {
		case results <- result{addr, conn, err}:
		case <-ctx.Done():
			if conn != nil {
				conn.Close()
			}
		}
	}
	var renewed <-chan struct{} // nil: there are no further addresses
	if found.pending != nil {
		renewed = found.pending.done
	}
	isTried := func(a netip.Addr) bool { return slices.Contains(found.failed, a) }
	waiting, pending := slices.DeleteFunc(h.inOrder(found.addrs), isTried), 0
	next := time.NewTimer(0)
	defer next.Stop()
	var firstErr error
	for len(waiting) > 0 || pending > 0 || renewed != nil {
		select {
		case <-next.C:
			if len(waiting) > 0 {
				go start(waiting[0])
				waiting, pending = waiting[1:], pending+1
				next.Reset(parallelDelay)
			}
		case r := <-results:
			if r.err == nil {
				h.worked(r.addr)
				return r.conn, nil
			}
			pending--
			if firstErr == nil {
				firstErr = r.err
			}
			next.Reset(0)
		case <-renewed:
			renewed = nil
			for _, addr := range found.pending.orElse(nil) {
				if !slices.Contains(found.addrs, addr) && !isTried(addr) {
					waiting = append(waiting, addr)
				}
			}
			next.Reset(0)
		case <-ctx.Done():
			return nil, dialError(tcpAddr(found.addrs[0], port), context.Cause(ctx))
		}
	}
	if firstErr == nil {
		firstErr = errNoAddress
	}
	return nil, dialError(nil, firstErr)
}

var errNoAddress = errors.New("the host has no address")

var errSuperseded = errors.New("another address was faster")

func tcpAddr(addr netip.Addr, port uint16) net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(addr, port))
}

func (d *Dialer) connect(ctx context.Context, address netip.AddrPort) (net.Conn, error) {
	connect := d.Connect
	if connect == nil {
		connect = systemConnect
	}
	conn, err := connect(ctx, address)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return nil, dialError(net.TCPAddrFromAddrPort(address), err)
	}
	return conn, nil
}

func systemConnect(ctx context.Context, address netip.AddrPort) (net.Conn, error) {
	dialer := net.Dialer{KeepAliveConfig: socket.KeepAlive(), Control: socket.LimitSilence}
	return dialer.DialContext(ctx, "tcp", address.String())
}

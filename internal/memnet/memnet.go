// Package memnet is an in-memory network for tests: listeners and connections
// that need no socket, so that tests run inside testing/synctest and without
// ports. Connections are synchronous like net.Pipe. It imports the standard
// library only, because the emulator uses it.
package memnet

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
)

// A Network maps addresses to listeners. It is safe for concurrent use.
type Network struct {
	mu        sync.Mutex
	listeners map[string]*Listener
}

// New returns a network without listeners.
func New() *Network { return &Network{listeners: make(map[string]*Listener)} }

// Listen opens a listener. For the network "tcp", address is an IP address and a
// port. For other networks it is any text.
func (n *Network) Listen(_ context.Context, network, address string) (net.Listener, error) {
	var addr net.Addr = &net.UnixAddr{Name: address, Net: network}
	if network == "tcp" {
		where, err := netip.ParseAddrPort(address)
		if err != nil {
			return nil, err
		}
		addr = net.TCPAddrFromAddrPort(where)
	}
	l := NewListener(addr)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.listeners[address] = l
	return l, nil
}

// DialContext connects to the listener at address. It returns ECONNREFUSED if the
// address has no listener, or if its listener is closed.
func (n *Network) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	n.mu.Lock()
	l := n.listeners[address]
	n.mu.Unlock()
	if l == nil {
		return nil, refused(network)
	}
	return l.DialContext(ctx, network, address)
}

func refused(network string) error {
	return &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
}

// A Listener is a net.Listener whose connections come from DialContext.
type Listener struct {
	addr  net.Addr
	conns chan net.Conn
	done  chan struct{}
	close func()
}

// NewListener returns a listener with the address addr, outside any Network.
func NewListener(addr net.Addr) *Listener {
	done := make(chan struct{})
	return &Listener{addr: addr, conns: make(chan net.Conn), done: done, close: sync.OnceFunc(func() { close(done) })}
}

// Accept waits for the next connection. It returns net.ErrClosed after Close.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close ends the listener. Connections that it accepted stay open.
func (l *Listener) Close() error { l.close(); return nil }

// Addr returns the listener's address.
func (l *Listener) Addr() net.Addr { return l.addr }

// Done returns a channel that is closed when the listener is.
func (l *Listener) Done() <-chan struct{} { return l.done }

// DialContext connects to the listener and waits until Accept has returned the
// connection. It ignores network and address, so that it can replace any
// dialer. It returns ECONNREFUSED after Close.
func (l *Listener) DialContext(ctx context.Context, network, _ string) (net.Conn, error) {
	client, server := l.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.done:
		return nil, refused(network)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Pipe returns the two ends of a new connection, without a call of Accept. The
// server's end has the listener's address and a loopback peer.
func (l *Listener) Pipe() (client, server net.Conn) {
	near, far := net.Pipe()
	peer := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 50000}
	nearClosed, farClosed := new(atomic.Bool), new(atomic.Bool)
	return conn{near, peer, l.addr, nearClosed, farClosed}, conn{far, l.addr, peer, farClosed, nearClosed}
}

// A conn is an end of a pipe with addresses.
type conn struct {
	net.Conn
	local, remote      net.Addr
	closed, peerClosed *atomic.Bool
}

func (c conn) Close() error {
	c.closed.Store(true)
	return c.Conn.Close()
}

// PeerClosed reports whether the other end is closed. Package httpserver calls
// PeerClosed.
func (c conn) PeerClosed() bool { return c.peerClosed.Load() }

func (c conn) LocalAddr() net.Addr  { return c.local }
func (c conn) RemoteAddr() net.Addr { return c.remote }

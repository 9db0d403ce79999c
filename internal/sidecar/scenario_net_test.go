package sidecar

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"

	"hmaproxy/internal/httpclient"
)

// memoryNet is where clients and product meet without sockets.
type memoryNet struct {
	mu   sync.Mutex
	open map[string]*memoryListener
}

func (n *memoryNet) listen(_ context.Context, _, address string) (net.Listener, error) {
	where, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, err
	}
	l := &memoryListener{addr: net.TCPAddrFromAddrPort(where), conns: make(chan net.Conn), done: make(chan struct{})}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.open[address] = l
	return l, nil
}

func (n *memoryNet) dial(ctx context.Context, _, address string) (net.Conn, error) {
	n.mu.Lock()
	l := n.open[address]
	n.mu.Unlock()
	if l == nil {
		return nil, fmt.Errorf("nobody listens at %s, but at %v", address, slices.Collect(maps.Keys(n.open)))
	}
	near, far := net.Pipe()
	select {
	case l.conns <- memoryConn{far}:
		return near, nil
	case <-l.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

type memoryListener struct {
	addr  net.Addr
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *memoryListener) Close() error   { l.once.Do(func() { close(l.done) }); return nil }
func (l *memoryListener) Addr() net.Addr { return l.addr }

// memoryConn comes from this machine.
type memoryConn struct{ net.Conn }

func (memoryConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 50000} }

// A staleNet opens connections that can die as a firewall lets them: nobody
// hears of it before writing.
type staleNet struct {
	next     httpclient.Dialer
	swallows bool // what is written to the dead first, as a kernel does
	mu       sync.Mutex
	conns    []*staleConn
}

type staleConn struct {
	net.Conn
	network *staleNet
	dead    bool // guarded by the network's lock
}

func (n *staleNet) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := n.next(ctx, network, address)
	if err != nil {
		return nil, err
	}
	stale := &staleConn{Conn: c, network: n}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.conns = append(n.conns, stale)
	return stale, nil
}

// kill kills all connections that there are.
func (n *staleNet) kill() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range n.conns {
		c.dead = true
	}
}

func (c *staleConn) Write(p []byte) (int, error) {
	c.network.mu.Lock()
	dead := c.dead
	c.network.mu.Unlock()
	if dead {
		c.Conn.Close()
		if c.network.swallows {
			return len(p), nil
		}
		return 0, &net.OpError{Op: "write", Net: "tcp", Err: syscall.ECONNRESET}
	}
	return c.Conn.Write(p)
}

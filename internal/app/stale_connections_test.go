package app

import (
	"context"
	"net"
	"sync"
	"syscall"

	"hmaproxy/internal/httpclient"
)

// A staleNet opens connections that can break silently, as behind a firewall that
// dropped their state: only a write shows the error.
type staleNet struct {
	next     httpclient.Dialer
	swallows bool // whether the first write to a broken connection succeeds, as it does when the kernel buffers the bytes
	mu       sync.Mutex
	conns    []*staleConn
}

type staleConn struct {
	net.Conn
	network *staleNet
	dead    bool // guarded by staleNet.mu
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

// kill breaks all open connections.
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

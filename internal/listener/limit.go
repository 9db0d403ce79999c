package listener

import (
	"net"
	"sync"
)

// Bounds on the connections that clients may hold open at once.
const (
	maxConnections  = 16 << 10 // three times the 5,000 notification streams of a large installation
	minConnections  = 64       // however few files the process may open
	reservedFiles   = 512      // files other than connections of clients and their connections to Exchange
	filesPerRequest = 2        // the client's connection and the one to Exchange
)

// connectionLimit returns how many connections clients may hold open: no more
// than the process may open files for, so that clients cannot keep it from
// reaching Entra ID and Exchange.
func connectionLimit() int {
	limit := (openFileLimit() - reservedFiles) / filesPerRequest
	return int(max(minConnections, min(maxConnections, limit)))
}

// A limited listener shares a number of connection slots with other listeners.
// When all are taken, the next connection waits for one, and later ones wait in
// the system's queue.
type limited struct {
	net.Listener
	slots  chan struct{} // one value for each open connection
	once   sync.Once
	closed chan struct{}
}

func newLimited(l net.Listener, slots chan struct{}) *limited {
	return &limited{Listener: l, slots: slots, closed: make(chan struct{})}
}

// Accept returns the next connection, without TLS. A Unix socket's has the
// peer's user id as its remote address.
func (l *limited) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	select {
	case l.slots <- struct{}{}: // after Accept, so that a listener without clients takes no slot
	case <-l.closed:
		c.Close()
		return nil, net.ErrClosed
	}
	return newConn(c, func() { <-l.slots }), nil
}

// Close closes the listener and ends the wait for a slot.
func (l *limited) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

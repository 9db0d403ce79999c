package sidecar

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"

	"hmaproxy/internal/config"
)

// A Listen opens a listener; tests put their own network here.
type Listen func(ctx context.Context, network, address string) (net.Listener, error)

// listenAll opens every listener for clients or none. An IPv6 default address
// is skipped on a machine without IPv6. TCP listeners speak TLS where server is
// not nil.
func listenAll(ctx context.Context, listen Listen, c *config.Config, server *tls.Config) ([]net.Listener, error) {
	slots := make(chan struct{}, connectionLimit())
	var open []net.Listener
	for _, where := range c.Listen {
		l, err := listenOne(ctx, listen, where)
		if err != nil && where.Optional && noIPv6(err) && len(open) > 0 {
			continue
		}
		if err != nil {
			closeAll(open)
			return nil, fmt.Errorf("HMA_LISTEN: %w", err)
		}
		l = &clientListener{Listener: l, slots: slots, closed: make(chan struct{})}
		if server != nil && where.Unix == "" {
			l = tls.NewListener(l, server)
		}
		open = append(open, l)
	}
	return open, nil
}

func listenOne(ctx context.Context, listen Listen, where config.Listener) (net.Listener, error) {
	if where.Unix != "" {
		return listenUnix(ctx, listen, where.Unix)
	}
	return listen(ctx, "tcp", where.TCP.String())
}

func noIPv6(err error) bool {
	return errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT)
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		l.Close()
	}
}

// Bounds on the connections that clients may hold open at once.
const (
	maxConnections  = 16 << 10 // 5,000 streams of notifications and room to spare
	fewConnections  = 64       // whatever the limit on files says
	filesForOthers  = 512      // files that are no connection of a client or to Exchange for it
	filesPerRequest = 2        // the client's connection and the one to Exchange
)

// connectionLimit is how many connections clients may hold open: no more than
// the process may have files for, or a crowd at the door would keep it from
// reaching Entra and Exchange.
func connectionLimit() int {
	limit := (openFiles() - filesForOthers) / filesPerRequest
	return int(max(fewConnections, min(maxConnections, limit)))
}

// A clientListener bounds how many clients are inside at once, together with
// the listeners that it shares its slots with. The next one waits at the door,
// others behind it in the system's queue.
type clientListener struct {
	net.Listener
	slots  chan struct{}
	once   sync.Once
	closed chan struct{}
}

// Accept returns the next client's connection, in plain, and who is at its
// other end.
func (l *clientListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	select {
	case l.slots <- struct{}{}: // after Accept: a listener without clients takes no slot from the others
	case <-l.closed:
		c.Close()
		return nil, net.ErrClosed
	}
	return newClientConn(c, func() { <-l.slots }), nil
}

func (l *clientListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

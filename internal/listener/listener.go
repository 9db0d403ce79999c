// Package listener opens the listeners that clients connect to: TCP with or
// without TLS, and Unix sockets. These listeners share one limit of connections.
// The package also opens the admin listener, which has a limit of its own.
package listener

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"syscall"

	"hmaproxy/internal/config"
)

// A Listen opens a listener, like net.ListenConfig.Listen. Tests use
// memnet.Network.Listen.
type Listen func(ctx context.Context, network, address string) (net.Listener, error)

// Config says how to open listeners.
type Config struct {
	Listen Listen       // nil: open sockets
	TLS    *tls.Config  // certificates of the clients' TCP listeners; nil: plain HTTP
	Memory int64        // number of bytes that the process may use; 0: no limit
	Bodies int64        // number of these bytes that the bodies of all requests may take; they are not available to connections
	Log    *slog.Logger // required
	Failed func()       // called for each connection that cannot be accepted; nil: no call
}

// OpenAll opens all listeners for clients, or none. An optional address that
// the machine does not have, such as IPv6 loopback, is left out if an earlier
// address could be opened. The HTTP server that uses the listeners must call
// ConnState when the state of a connection changes.
func OpenAll(ctx context.Context, c Config, addresses config.Listeners) ([]net.Listener, error) {
	slots := newSlots(connectionLimit(openFileLimit(), cmp.Or(c.Memory, math.MaxInt64), c.Bodies))
	slots.minIdle = minIdle
	var open []net.Listener
	for _, address := range addresses {
		l, err := openOne(ctx, c.listen(), address)
		if err != nil && address.Optional && isMissingAddress(err) && len(open) > 0 {
			continue
		}
		if err != nil {
			CloseAll(open)
			return nil, fmt.Errorf("HMA_LISTEN: %w", err)
		}
		l = newLimited(l, slots, c)
		if c.TLS != nil && address.Unix == "" {
			l = tlsListener{tls.NewListener(l, c.TLS), slots}
		}
		open = append(open, l)
	}
	return open, nil
}

// OpenAdmin opens the admin listener. The HTTP server that uses the listener
// must call ConnState when the state of a connection changes.
func OpenAdmin(ctx context.Context, c Config, address string) (net.Listener, error) {
	l, err := c.listen()(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("HMA_ADMIN_LISTEN: %w", err)
	}
	return newLimited(l, newSlots(maxAdminConnections), c), nil
}

func (c Config) listen() Listen {
	if c.Listen == nil {
		return ListenNetwork
	}
	return c.Listen
}

// CloseAll closes listeners.
func CloseAll(listeners []net.Listener) {
	for _, l := range listeners {
		l.Close()
	}
}

// CloseIdle closes the connections of OpenAll's listeners that have no request,
// including those that have not sent their first request. It may be called
// after the listeners are closed.
func CloseIdle(listeners []net.Listener) {
	for _, l := range listeners {
		if l, ok := l.(interface{ closeIdle() }); ok {
			l.closeIdle()
		}
	}
}

// A tlsListener adds TLS to the connections of a limited listener.
type tlsListener struct {
	net.Listener
	slots *slots
}

func (l tlsListener) closeIdle() { l.slots.closeIdle() }

func openOne(ctx context.Context, listen Listen, address config.Listener) (net.Listener, error) {
	if address.Unix != "" {
		return listenUnix(ctx, listen, address.Unix)
	}
	return listen(ctx, "tcp", address.TCP.String())
}

func isMissingAddress(err error) bool {
	return errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT)
}

// Package listener opens the listeners that clients connect to: TCP with or
// without TLS, and Unix sockets. It bounds the connections of all of them
// together.
package listener

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"syscall"

	"hmaproxy/internal/config"
)

// A Listen opens a listener, like net.ListenConfig.Listen. Tests pass that of a
// memnet.Network.
type Listen func(ctx context.Context, network, address string) (net.Listener, error)

// OpenAll opens every listener for clients, or none. An optional address that
// the machine does not have, such as that of IPv6, is left out. TCP listeners
// speak TLS where server is not nil. A nil listen opens sockets.
func OpenAll(ctx context.Context, listen Listen, addresses config.Listeners, server *tls.Config) ([]net.Listener, error) {
	if listen == nil {
		listen = ListenNetwork
	}
	slots := make(chan struct{}, connectionLimit())
	var open []net.Listener
	for _, address := range addresses {
		l, err := openOne(ctx, listen, address)
		if err != nil && address.Optional && isMissingAddress(err) && len(open) > 0 {
			continue
		}
		if err != nil {
			CloseAll(open)
			return nil, fmt.Errorf("HMA_LISTEN: %w", err)
		}
		l = newLimited(l, slots)
		if server != nil && address.Unix == "" {
			l = tls.NewListener(l, server)
		}
		open = append(open, l)
	}
	return open, nil
}

// CloseAll closes listeners.
func CloseAll(listeners []net.Listener) {
	for _, l := range listeners {
		l.Close()
	}
}

func openOne(ctx context.Context, listen Listen, address config.Listener) (net.Listener, error) {
	if address.Unix != "" {
		return listenUnix(ctx, listen, address.Unix)
	}
	return listen(ctx, "tcp", address.TCP.String())
}

func isMissingAddress(err error) bool {
	return errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT)
}

package sidecar

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"

	"golang.org/x/net/netutil"

	"hmaproxy/internal/config"
)

// maxConnections bounds what clients may hold open at once: 5,000 streams of
// notifications and room to spare.
const maxConnections = 16 << 10

// A Listen opens a listener; tests put their own network here.
type Listen func(ctx context.Context, network, address string) (net.Listener, error)

// listenAll opens every listener or none. An IPv6 default address is skipped
// on a machine without IPv6.
func listenAll(ctx context.Context, listen Listen, c *config.Config) ([]net.Listener, error) {
	var open []net.Listener
	for _, where := range c.Listen {
		l, err := listen(ctx, where.Network(), where.String())
		if err != nil && where.Optional && noIPv6(err) && len(open) > 0 {
			continue
		}
		if err != nil {
			closeAll(open)
			return nil, fmt.Errorf("HMA_LISTEN: %w", err)
		}
		open = append(open, netutil.LimitListener(l, maxConnections))
	}
	return open, nil
}

func noIPv6(err error) bool {
	return errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT)
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		l.Close()
	}
}

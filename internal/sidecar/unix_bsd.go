//go:build unix && !linux

package sidecar

import (
	"context"
	"net"

	"golang.org/x/sys/unix"
)

// listenNetwork opens a listener on the network. The mode of a Unix socket is
// set by the umask, which is the whole process's: at start nothing else creates
// files.
func listenNetwork(ctx context.Context, network, address string) (net.Listener, error) {
	if network == "unix" {
		before := unix.Umask(0o177)
		defer unix.Umask(before)
	}
	return new(net.ListenConfig).Listen(ctx, network, address)
}

// peerOf says who is at the other end: "@" for a Unix socket, nil for others.
func peerOf(c net.Conn) net.Addr {
	if _, ok := c.(*net.UnixConn); ok {
		return peerAddr("@")
	}
	return nil
}

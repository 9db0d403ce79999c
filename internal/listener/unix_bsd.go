//go:build unix && !linux

package listener

import (
	"context"
	"net"

	"golang.org/x/sys/unix"
)

// ListenNetwork opens a listener on the network. The umask sets the mode of a
// Unix socket. It applies to the whole process, which creates no other files
// during the start.
func ListenNetwork(ctx context.Context, network, address string) (net.Listener, error) {
	if network == "unix" {
		before := unix.Umask(0o177)
		defer unix.Umask(before)
	}
	return new(net.ListenConfig).Listen(ctx, network, address)
}

// peerOf returns "@" for a Unix socket and nil for other connections.
func peerOf(c net.Conn) net.Addr {
	if _, ok := c.(*net.UnixConn); ok {
		return peerAddr("@")
	}
	return nil
}

//go:build unix && !linux

package listener

import (
	"context"
	"net"

	"golang.org/x/sys/unix"
)

// ListenNetwork opens a listener on the network. It sets the mode of a Unix
// socket through the umask. The umask applies to the whole process, but during
// the start the process creates no other files.
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

package listener

import (
	"context"
	"errors"
	"io/fs"
	"net"
)

// ListenNetwork opens a listener on the network. It returns an error for a Unix
// socket, because Unix sockets on Windows have no mode that could protect them.
func ListenNetwork(ctx context.Context, network, address string) (net.Listener, error) {
	if network == "unix" {
		return nil, errors.New("Unix sockets have no mode on Windows that would protect them; use a loopback address, and HMA_CLIENT_USERS_FILE")
	}
	return new(net.ListenConfig).Listen(ctx, network, address)
}

func peerOf(net.Conn) net.Addr { return nil }

func ownedByUs(fs.FileInfo) bool { return true }

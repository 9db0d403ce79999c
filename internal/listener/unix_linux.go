package listener

import (
	"context"
	"net"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// ListenNetwork opens a listener on the network. A Unix socket has its mode
// from its creation on, independent of the umask: bind gives the file the mode
// of the socket descriptor.
func ListenNetwork(ctx context.Context, network, address string) (net.Listener, error) {
	var config net.ListenConfig
	if network == "unix" {
		config.Control = func(_, _ string, c syscall.RawConn) error {
			var failed error
			err := c.Control(func(fd uintptr) { failed = unix.Fchmod(int(fd), uint32(socketMode)) })
			if err != nil {
				return err
			}
			return failed
		}
	}
	return config.Listen(ctx, network, address)
}

// peerOf returns the peer of a Unix socket with the user id that the kernel
// reports: "@uid=1000". It returns nil for other connections.
func peerOf(c net.Conn) net.Addr {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return nil
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return peerAddr("@")
	}
	peer := peerAddr("@")
	_ = raw.Control(func(fd uintptr) {
		if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			peer = peerAddr("@uid=" + strconv.FormatUint(uint64(cred.Uid), 10))
		}
	})
	return peer
}

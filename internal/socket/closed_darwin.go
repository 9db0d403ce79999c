package socket

import (
	"net"

	"golang.org/x/sys/unix"
)

// States of a TCP connection whose peer has closed its sending side
// (netinet/tcp_fsm.h), and of one that was reset.
const (
	tcpClosed    = 0
	tcpCloseWait = 5
	tcpClosing   = 7
	tcpLastACK   = 8
	tcpTimeWait  = 10
)

// PeerClosed reports whether the peer of c, a TCP connection, has closed its
// sending side or has reset the connection. It reads nothing, and unread data
// does not prevent it from finding out. It may be called while another goroutine
// reads.
//
// PeerClosed returns false if the system cannot know: the end of what a peer sends
// arrives after its data, so not while the receive buffer is full. It also
// returns false if c is closed by this program or is not a TCP connection.
func PeerClosed(c net.Conn) (closed bool) {
	raw := rawConn(c)
	if raw == nil {
		return false
	}
	_ = raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPConnectionInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_CONNECTION_INFO)
		if err != nil {
			return // a Unix socket
		}
		switch info.State {
		case tcpClosed, tcpCloseWait, tcpClosing, tcpLastACK, tcpTimeWait:
			closed = true
		}
	})
	return closed
}

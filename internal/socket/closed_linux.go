package socket

import (
	"net"

	"golang.org/x/sys/unix"
)

// PeerClosed reports whether c's peer has closed its sending side or has reset
// the connection. It reads nothing, and unread data does not prevent it from
// finding out. It may be called while another goroutine reads.
//
// PeerClosed returns false if the system cannot know: the end of what a TCP peer
// sends arrives after its data, so not while the receive buffer is full. It also
// returns false if c is closed by this program or has no file descriptor.
func PeerClosed(c net.Conn) (closed bool) {
	control(c, func(fd int) error {
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		n, err := unix.Poll(p, 0)
		closed = n > 0 && p[0].Revents&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0
		return err
	})
	return closed
}

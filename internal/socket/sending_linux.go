package socket

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// SendingOf returns what the system reports about c. ok is false if c is closed
// or has no file descriptor, or if the system has no such report.
func SendingOf(c net.Conn) (s Sending, ok bool) {
	ok = control(c, func(fd int) error {
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			return err
		}
		s.Pending = info.Unacked > 0 || info.Notsent_bytes > 0
		s.Silence = time.Duration(info.Last_ack_recv) * time.Millisecond
		return nil
	})
	return s, ok
}

// relaxedSilence is the system's limit for a connection whose silence the
// program itself limits.
const relaxedSilence = time.Hour

// Relax disables, in practice, the system's limit for the silence of c's peer.
// The caller must limit the silence instead. Restore restores the system's limit.
//
// The system's clock runs from the first retransmission until every
// retransmission was acknowledged. On a line whose queue is full, the clock runs
// for minutes although acknowledgements arrive all the time. The clock also runs
// while the peer acknowledges bytes but its receive buffer is full.
func Relax(c net.Conn) { setUserTimeout(c, relaxedSilence) }

// Restore sets the system's limit to MaxSilence.
func Restore(c net.Conn) { setUserTimeout(c, MaxSilence) }

func setUserTimeout(c net.Conn, d time.Duration) {
	control(c, func(fd int) error {
		return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(d.Milliseconds()))
	})
}

// control calls f with c's file descriptor, and reports whether that succeeded.
func control(c net.Conn, f func(fd int) error) bool {
	raw := rawConn(c)
	if raw == nil {
		return false
	}
	var callErr error
	err := raw.Control(func(fd uintptr) { callErr = f(int(fd)) })
	return err == nil && callErr == nil
}

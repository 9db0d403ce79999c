package socket

import (
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"
)

// MaxSilence is the time after which a connection fails if its peer acknowledges
// neither sent bytes nor keep-alive probes. An outage of the network of one
// minute breaks no connection. A peer that acknowledges but takes long to respond
// is not affected.
const MaxSilence = 63500 * time.Millisecond

// A connection on which nothing is sent or received has a keep-alive probe after
// keepAliveIdle. If it is not acknowledged, there is another one after each
// keepAliveInterval. Linux counts MaxSilence from the last acknowledgement, and ends
// the connection when the next probe is due. So a connection survives an outage of
// MaxSilence - keepAliveIdle - keepAliveInterval at least.
const (
	keepAliveIdle     = 2 * time.Second
	keepAliveInterval = time.Second
	keepAliveCount    = int((MaxSilence - keepAliveIdle) / keepAliveInterval)
)

// Doubtful is the time without any acknowledgement after which the peer of an idle
// connection may be lost: four keep-alive probes were not acknowledged.
const Doubtful = keepAliveIdle + 4*keepAliveInterval

// maxUnsent is the limit of unsent bytes in the system's buffer, where the system
// has such a limit. On a slow line a larger buffer would take minutes to send,
// during which Write makes no progress.
const maxUnsent = 128 << 10

// KeepAlive returns the keep-alive settings of outgoing connections.
func KeepAlive() net.KeepAliveConfig {
	return net.KeepAliveConfig{Enable: true, Idle: keepAliveIdle, Interval: keepAliveInterval, Count: keepAliveCount}
}

// LimitSilence is a Control function for net.Dialer. It limits the time for
// which sent bytes may stay unacknowledged, and the number of unsent bytes in
// the system's buffer. Windows has no setting for unsent bytes. On systems without
// a setting for the time only keep-alive detects a silent peer.
func LimitSilence(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) { limitSilence(fd) })
}

// ErrSilent is the error of a connection that the program closed because its
// peer acknowledged nothing for MaxSilence.
var ErrSilent = fmt.Errorf("the peer acknowledged nothing for %v", MaxSilence)

// PeerLost reports whether err means that the network has lost the peer of a
// connection or the route to it. A peer that closes or resets the connection is
// not lost.
func PeerLost(err error) bool {
	var errno syscall.Errno
	return errors.Is(err, ErrSilent) || errors.As(err, &errno) && isPeerLost(errno)
}

package socket

import (
	"errors"
	"net"
	"syscall"
	"time"
)

// A connection whose peer has vanished fails after maxSilence: the peer has
// acknowledged nothing for that long, neither sent bytes nor keep-alive probes.
// A network that comes back after a minute loses no connection. A peer that
// acknowledges but takes its time to respond is not affected.
const maxSilence = 63 * time.Second

// Keep-alive probes begin after keepAliveIdle. They are close together, so that
// one of them is sent between the end of an outage of a minute and maxSilence.
const (
	keepAliveIdle     = 30 * time.Second
	keepAliveInterval = 2 * time.Second
	keepAliveCount    = int((maxSilence - keepAliveIdle) / keepAliveInterval)
)

// KeepAlive returns the keep-alive settings of outgoing connections.
func KeepAlive() net.KeepAliveConfig {
	return net.KeepAliveConfig{Enable: true, Idle: keepAliveIdle, Interval: keepAliveInterval, Count: keepAliveCount}
}

// LimitSilence is a Control function for net.Dialer. It bounds the time for
// which sent bytes may stay unacknowledged, and the bytes that wait unsent in the
// system's buffer, where the system has such settings. Without them the peer's
// silence is bounded by keep-alive alone.
func LimitSilence(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) { limitSilence(fd) })
}

// PeerLost reports whether err says that the network lost the peer of a
// connection, or the way to it. A peer that closes or resets the connection is
// not lost.
func PeerLost(err error) bool {
	var errno syscall.Errno
	return errors.As(err, &errno) && isPeerLost(errno)
}

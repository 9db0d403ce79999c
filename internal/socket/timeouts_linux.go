package socket

import (
	"golang.org/x/sys/unix"
)

const (
	tcpRTOMaxMS = 44 // number of the socket option TCP_RTO_MAX_MS, which Linux has since 6.15; the option's value is in milliseconds

	// maxRTO is the longest pause between two retransmissions, in milliseconds.
	// By default the pause grows up to two minutes, during which a connection
	// stays silent after an outage.
	maxRTO = 4000
)

// limitSilence ignores errors: an older kernel lacks some of the options.
func limitSilence(fd uintptr) {
	_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(MaxSilence.Milliseconds()))
	_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, tcpRTOMaxMS, maxRTO)
	_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, maxUnsent)
}

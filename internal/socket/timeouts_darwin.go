package socket

import "golang.org/x/sys/unix"

const tcpRxtConnDropTime = 0x80 // number of the socket option TCP_RXT_CONNDROPTIME (netinet/tcp.h); the option's value is in seconds

func limitSilence(fd uintptr) {
	_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, tcpRxtConnDropTime, int(MaxSilence.Seconds()))
	_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, maxUnsent)
}

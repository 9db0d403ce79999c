package socket

import "golang.org/x/sys/unix"

const tcpRxtConnDropTime = 0x80 // TCP_RXT_CONNDROPTIME of netinet/tcp.h, in seconds

func limitSilence(fd uintptr) {
	_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, tcpRxtConnDropTime, int(MaxSilence.Seconds()))
}

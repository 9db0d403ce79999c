package socket

import "golang.org/x/sys/windows"

const tcpMaxRT = 5 // TCP_MAXRT of ws2ipdef.h, in seconds

func limitSilence(fd uintptr) {
	_ = windows.SetsockoptInt(windows.Handle(fd), windows.IPPROTO_TCP, tcpMaxRT, int(MaxSilence.Seconds()))
}

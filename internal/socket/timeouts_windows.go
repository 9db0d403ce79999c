package socket

import "golang.org/x/sys/windows"

const tcpMaxRT = 5 // number of the socket option TCP_MAXRT (ws2ipdef.h); the option's value is in seconds

func limitSilence(fd uintptr) {
	_ = windows.SetsockoptInt(windows.Handle(fd), windows.IPPROTO_TCP, tcpMaxRT, int(MaxSilence.Seconds()))
}

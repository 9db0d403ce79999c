package socket

import (
	"fmt"
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

func TestLimitSilenceSetsTheOptions(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialer := net.Dialer{KeepAliveConfig: KeepAlive(), Control: LimitSilence}
	c, err := dialer.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []struct {
		name         string
		option, want int
	}{
		{"TCP_USER_TIMEOUT", unix.TCP_USER_TIMEOUT, 63500},
		{"TCP_KEEPIDLE", unix.TCP_KEEPIDLE, 2},
		{"TCP_KEEPINTVL", unix.TCP_KEEPINTVL, 1},
		{"TCP_KEEPCNT", unix.TCP_KEEPCNT, 61},
		{"TCP_NOTSENT_LOWAT", unix.TCP_NOTSENT_LOWAT, 128 << 10},
		{"TCP_RTO_MAX_MS", tcpRTOMaxMS, 4000},
	} {
		if o.option == tcpRTOMaxMS && !hasRTOMax(t) {
			t.Log("NOT CHECKED: the kernel is older than 6.15 and has no TCP_RTO_MAX_MS")
			continue
		}
		_ = raw.Control(func(fd uintptr) {
			if got, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, o.option); got != o.want || err != nil {
				t.Errorf("%s is %d, %v; want %d", o.name, got, err, o.want)
			}
		})
	}
}

// hasRTOMax reports whether the kernel is new enough for TCP_RTO_MAX_MS.
func hasRTOMax(t *testing.T) bool {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		t.Fatal(err)
	}
	var major, minor int
	if _, err := fmt.Sscanf(unix.ByteSliceToString(name.Release[:]), "%d.%d", &major, &minor); err != nil {
		t.Fatal(err)
	}
	return major > 6 || major == 6 && minor >= 15
}

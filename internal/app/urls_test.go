package app

import (
	"net"
	"testing"
)

func TestURLOf(t *testing.T) {
	tcp := func(s string) net.Addr {
		addr, err := net.ResolveTCPAddr("tcp", s)
		if err != nil {
			t.Fatal(err)
		}
		return addr
	}
	for _, tc := range []struct {
		scheme string
		addr   net.Addr
		want   string
	}{
		{"http", tcp("127.0.0.1:8080"), "http://127.0.0.1:8080/x"},
		{"https", tcp("[::1]:8443"), "https://[::1]:8443/x"},
		{"http", tcp("0.0.0.0:8080"), "http://localhost:8080/x"},
		{"http", tcp("[::]:8080"), "http://localhost:8080/x"},
		{"http", &net.UnixAddr{Name: "/run/hmaproxy/ews.sock", Net: "unix"}, "unix:/run/hmaproxy/ews.sock"},
	} {
		if got := urlOf(tc.scheme, tc.addr, "/x"); got != tc.want {
			t.Errorf("urlOf(%s, %v) = %s, want %s", tc.scheme, tc.addr, got, tc.want)
		}
	}
}

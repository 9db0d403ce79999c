package listener

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
)

func TestInherit(t *testing.T) {
	listen := func(t *testing.T, network, address string) net.Listener {
		t.Helper()
		l, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		return l
	}
	t.Run("the address of a setting", func(t *testing.T) {
		socket := listen(t, "tcp", "127.0.0.1:0")
		own := socket.Addr().String()
		open, err := inherit([]net.Listener{socket}, []string{"127.0.0.1:1", own})
		if err != nil {
			t.Fatal(err)
		}
		first, err := open(t.Context(), "tcp", own)
		if first != socket || err != nil {
			t.Errorf("got %v, %v, want the socket that was passed", first, err)
		}
		if second, err := open(t.Context(), "tcp", own); err == nil {
			second.Close()
			t.Error("the socket was returned twice, or its address is free")
		}
		other, err := open(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		other.Close()
	})
	for _, tc := range []struct {
		name    string
		sockets func(t *testing.T) []net.Listener
		want    string
	}{
		{"every network", func(t *testing.T) []net.Listener { return []net.Listener{listen(t, "tcp", "0.0.0.0:0")} }, "which neither HMA_LISTEN nor HMA_ADMIN_LISTEN names"},
		{"another port", func(t *testing.T) []net.Listener { return []net.Listener{listen(t, "tcp", "127.0.0.1:0")} }, "which neither HMA_LISTEN nor HMA_ADMIN_LISTEN names"},
		{"a Unix socket", func(t *testing.T) []net.Listener {
			return []net.Listener{listen(t, "unix", filepath.Join(t.TempDir(), "s"))}
		}, "hmaproxy opens Unix sockets itself"},
		{"no listening socket", func(*testing.T) []net.Listener { return []net.Listener{nil} }, "does not listen"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			sockets := tc.sockets(t)
			_, err := inherit(sockets, []string{"127.0.0.1:8080", "127.0.0.1:8081"})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
			for _, socket := range sockets {
				if socket == nil {
					continue
				}
				if _, err := socket.Accept(); err == nil {
					t.Error("a refused socket is still open")
				}
			}
		})
	}
}

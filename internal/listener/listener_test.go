package listener

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"testing/synctest"

	"hmaproxy/internal/config"
	"hmaproxy/internal/memnet"
)

var loopback = net.TCPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:8080"))

func TestListenersShareTheirSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slots := make(chan struct{}, 2)
		var accepted []chan net.Conn
		var listeners []*limited
		var inner []*memnet.Listener
		for range 2 {
			in := memnet.NewListener(loopback)
			l := newLimited(in, slots)
			out := make(chan net.Conn, 10)
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						close(out)
						return
					}
					out <- c
				}
			}()
			inner, listeners, accepted = append(inner, in), append(listeners, l), append(accepted, out)
		}
		connect := func(i int) {
			t.Helper()
			if _, err := inner[i].DialContext(t.Context(), "tcp", ""); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		connect(0)
		connect(0) // the second listener has no client and takes no slot
		first := <-accepted[0]
		<-accepted[0]
		connect(1)
		if len(accepted[1]) != 0 {
			t.Fatal("a third connection was accepted")
		}
		first.Close()
		first.Close() // a second Close frees no second slot
		synctest.Wait()
		if len(accepted[1]) != 1 || len(slots) != 2 {
			t.Errorf("%d connections accepted, %d slots taken", len(accepted[1]), len(slots))
		}
		connect(0) // waits for a slot until the listener is closed
		for i, l := range listeners {
			l.Close()
			for range accepted[i] {
			}
		}
	})
}

func TestOpenAllOrNone(t *testing.T) {
	four, six := netip.MustParseAddrPort("127.0.0.1:8080"), netip.MustParseAddrPort("[::1]:8080")
	cases := []struct {
		name     string
		optional bool
		err      error
		want     int // listeners
	}{
		{"both", true, nil, 2},
		{"no IPv6 at all", true, syscall.EAFNOSUPPORT, 1},
		{"no address of IPv6", true, syscall.EADDRNOTAVAIL, 1},
		{"address in use", true, syscall.EADDRINUSE, 0},
		{"not optional", false, syscall.EADDRNOTAVAIL, 0},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			var opened []*memnet.Listener
			listen := func(_ context.Context, _, address string) (net.Listener, error) {
				if address == six.String() && tc.err != nil {
					return nil, &net.OpError{Op: "listen", Err: tc.err}
				}
				opened = append(opened, memnet.NewListener(loopback))
				return opened[len(opened)-1], nil
			}
			got, err := OpenAll(t.Context(), listen, config.Listeners{{TCP: four}, {TCP: six, Optional: tc.optional}}, nil)
			if len(got) != tc.want || (err == nil) != (tc.want > 0) {
				t.Fatalf("%d listeners, %v", len(got), err)
			}
			if err != nil {
				if !errors.Is(err, tc.err) {
					t.Errorf("error %v", err)
				}
				select {
				case <-opened[0].Done():
				default:
					t.Error("the first listener is still open")
				}
			}
			CloseAll(got)
		})
	}
}

func TestConnectionLimit(t *testing.T) {
	if n := connectionLimit(); n < minConnections || n > maxConnections {
		t.Errorf("limit %d", n)
	}
}

package sidecar

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"

	"hmaproxy/internal/config"
)

// pipes is a listener in memory.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (l *pipes) dial(ctx context.Context) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case l.conns <- there:
		return here, nil
	case <-l.done:
		return nil, syscall.ECONNREFUSED
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Close() error { l.once.Do(func() { close(l.done) }); return nil }
func (*pipes) Addr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:8080"))
}

func TestConnectionsAreBoundedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slots := make(chan struct{}, 2)
		var accepted []chan net.Conn
		var listeners []*clientListener
		var inner []*pipes
		for range 2 {
			in := newPipes()
			l := &clientListener{Listener: in, slots: slots, closed: make(chan struct{})}
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
		enter := func(i int) {
			t.Helper()
			if _, err := inner[i].dial(t.Context()); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		enter(0)
		enter(0) // the second listener has no client, and takes no place from the first
		first := <-accepted[0]
		<-accepted[0]
		enter(1)
		if len(accepted[1]) != 0 {
			t.Fatal("a third client came in")
		}
		first.Close()
		first.Close() // a second time frees nothing more
		synctest.Wait()
		if len(accepted[1]) != 1 || len(slots) != 2 {
			t.Errorf("%d came in, %d slots taken", len(accepted[1]), len(slots))
		}
		enter(0) // and is sent away when the house closes
		for i, l := range listeners {
			l.Close()
			for range accepted[i] {
			}
			_ = inner[i].Close()
		}
	})
}

func TestListenAllOrNone(t *testing.T) {
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
		{"taken by another", true, syscall.EADDRINUSE, 0},
		{"asked for by name", false, syscall.EADDRNOTAVAIL, 0},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			var opened []*pipes
			listen := func(_ context.Context, _, address string) (net.Listener, error) {
				if address == six.String() && tc.err != nil {
					return nil, &net.OpError{Op: "listen", Err: tc.err}
				}
				opened = append(opened, newPipes())
				return opened[len(opened)-1], nil
			}
			c := &config.Config{Listen: config.Listeners{{TCP: four}, {TCP: six, Optional: tc.optional}}}
			got, err := listenAll(t.Context(), listen, c, nil)
			if len(got) != tc.want || (err == nil) != (tc.want > 0) {
				t.Fatalf("%d listeners, %v", len(got), err)
			}
			if err != nil {
				if !errors.Is(err, tc.err) {
					t.Errorf("error %v", err)
				}
				<-opened[0].done // closed again, or this test never ends
			}
			closeAll(got)
		})
	}
}

func TestConnectionLimit(t *testing.T) {
	if n := connectionLimit(); n < fewConnections || n > maxConnections {
		t.Errorf("limit %d", n)
	}
}

package listener

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"syscall"
	"testing"

	"hmaproxy/internal/config"
	"hmaproxy/internal/memnet"
)

var loopback = net.TCPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:8080"))

func TestOpenAllOrNone(t *testing.T) {
	four, six := netip.MustParseAddrPort("127.0.0.1:8080"), netip.MustParseAddrPort("[::1]:8080")
	cases := []struct {
		name     string
		optional bool
		err      error
		want     int // number of listeners
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
			got, err := OpenAll(t.Context(), Config{Listen: listen, Log: slog.New(slog.DiscardHandler)}, config.Listeners{{TCP: four}, {TCP: six, Optional: tc.optional}})
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
	const mib = 1 << 20
	for _, tc := range []struct {
		name          string
		files, memory int64 // the bodies take a quarter of memory
		want          int
	}{
		{"no limits", math.MaxInt32, math.MaxInt64, maxConnections},
		{"1,024 files", 1024, math.MaxInt64, 256},
		{"few files", 100, math.MaxInt64, minConnections},
		{"96 MiB, GOMEMLIMIT in deploy/", math.MaxInt32, 96 * mib, 320},
		{"128 MiB", math.MaxInt32, 128 * mib, 576},
		{"128 MiB and a page", math.MaxInt32, 128*mib + 4096, 576},
		{"256 MiB", math.MaxInt32, 256 * mib, 1344},
		{"384 MiB, GOMEMLIMIT of the gateway", math.MaxInt32, 384 * mib, 2112},
		{"512 MiB", math.MaxInt32, 512 * mib, 2880},
		{"1 GiB", math.MaxInt32, 1024 * mib, 5952},
		{"4 GiB", math.MaxInt32, 4096 * mib, maxConnections},
		{"less memory than the process needs", math.MaxInt32, 32 * mib, minConnections},
		{"both", 1024, 128 * mib, 256},
	} {
		bodies := tc.memory / 4
		n := connectionLimit(tc.files, tc.memory, bodies)
		if n != tc.want {
			t.Errorf("%s: %d connections, want %d", tc.name, n, tc.want)
		}
		if sum := int64(n)*memoryPerConnection + bodies + processMemory; n > minConnections && sum > tc.memory {
			t.Errorf("%s: connections, bodies and process may take %d MiB", tc.name, sum/mib)
		}
	}
}

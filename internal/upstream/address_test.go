package upstream

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// An addressedConn is a connection with a remote address.
type addressedConn struct {
	net.Conn
	to net.Addr
}

func (c addressedConn) RemoteAddr() net.Addr { return c.to }

// TestUselessAddresses checks which addresses are reported as useless, and that
// classical groups are only chosen for ever because of two hellos to one address.
func TestUselessAddresses(t *testing.T) {
	certificate, roots := newCertificate()
	serve := func(c net.Conn) {
		respondToAll(tls.Server(c, &tls.Config{Certificates: []tls.Certificate{certificate}}))
	}
	end := func(c net.Conn) { _, _ = c.Read(make([]byte, 1)); c.Close() }
	silent := func(c net.Conn) { _, _ = io.Copy(io.Discard, c); c.Close() }
	// A peer is the server at the address of one connection.
	type peer struct {
		address string
		serve   func(net.Conn)
	}
	for _, test := range []struct {
		name    string
		peers   []peer        // of the connections, in their order
		leaves  time.Duration // time after which the client leaves; 0: never
		succeed bool
		useless []string // addresses, in their order
		classic bool     // classical groups are used for ever
	}{
		{"works", []peer{{"192.0.2.1:443", serve}}, 0, true, nil, false},
		{"a device ends hybrid hellos", []peer{{"192.0.2.1:443", end}, {"192.0.2.1:443", serve}}, 0, true, nil, true},
		{"one address ends hellos", []peer{{"192.0.2.1:443", end}, {"192.0.2.2:443", serve}}, 0, true, []string{"192.0.2.1:443"}, false},
		{"one address is silent", []peer{{"192.0.2.1:443", silent}, {"192.0.2.2:443", serve}}, 0, true, []string{"192.0.2.1:443"}, false},
		{"all hellos are ended", []peer{{"192.0.2.1:443", end}, {"192.0.2.1:443", end}}, 0, false, []string{"192.0.2.1:443"}, false},
		{"the client leaves soon", []peer{{"192.0.2.1:443", silent}}, time.Second, false, nil, false},
		{"the client waits", []peer{{"192.0.2.1:443", silent}}, 3 * time.Second, false, []string{"192.0.2.1:443"}, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			next := 0
			var useless []string
			config := newConfig(roots, func(context.Context, string, string) (net.Conn, error) {
				p := test.peers[next]
				next++
				ours, theirs := net.Pipe()
				go p.serve(theirs)
				return addressedConn{ours, net.TCPAddrFromAddrPort(netip.MustParseAddrPort(p.address))}, nil
			})
			config.Failed = func(c net.Conn) { useless = append(useless, c.RemoteAddr().String()) }
			config.HandshakeTimeout = 9 * time.Second
			tr, err := New(config)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if test.leaves > 0 {
				time.AfterFunc(test.leaves, cancel)
			}
			if _, err = roundTrip(tr, post("short").WithContext(ctx)); (err == nil) != test.succeed {
				t.Errorf("%s: %v", test.name, err)
			}
			synctest.Wait()
			if !slices.Equal(useless, test.useless) {
				t.Errorf("%s: useless are %v, want %v", test.name, useless, test.useless)
			}
			if classic := tr.connector.keyExchange.classicOnly.Load(); classic != test.classic {
				t.Errorf("%s: classical groups for ever: %v", test.name, classic)
			}
			tr.CloseIdleConnections()
		})
	}
}

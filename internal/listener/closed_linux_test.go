package listener

import (
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"hmaproxy/internal/config"
)

// TestPeerClosed checks PeerClosed of the connections that the listeners accept,
// while data of the client is unread.
func TestPeerClosed(t *testing.T) {
	files := newPairFiles(t)
	files.renew(t, 1)
	certificate, err := tls.LoadX509KeyPair(files.certificate, files.key)
	if err != nil {
		t.Fatal(err)
	}
	socketPath := filepath.Join(t.TempDir(), "s")
	tcp := config.Listener{TCP: netip.MustParseAddrPort("127.0.0.1:0")}
	plain := func(l net.Listener) (net.Conn, error) { return net.Dial(l.Addr().Network(), l.Addr().String()) }
	for _, c := range []struct {
		name    string
		address config.Listener
		tls     *tls.Config
		dial    func(l net.Listener) (net.Conn, error)
	}{
		{"TCP", tcp, nil, plain},
		{"TLS", tcp, &tls.Config{Certificates: []tls.Certificate{certificate}}, func(l net.Listener) (net.Conn, error) {
			return tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true})
		}},
		{"Unix socket", config.Listener{Unix: socketPath}, nil, plain},
	} {
		t.Run(c.name, func(t *testing.T) {
			listeners, err := OpenAll(t.Context(), Config{TLS: c.tls, Log: slog.New(slog.DiscardHandler)}, config.Listeners{c.address})
			if err != nil {
				t.Fatal(err)
			}
			defer CloseAll(listeners)
			dialled := make(chan net.Conn, 1)
			go func() {
				client, err := c.dial(listeners[0])
				if err == nil {
					_, err = io.WriteString(client, "unread")
				}
				if err != nil {
					t.Error(err)
				}
				dialled <- client
			}()
			ours, err := listeners[0].Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer ours.Close()
			first := make([]byte, 1)
			if _, err := io.ReadFull(ours, first); err != nil {
				t.Fatal(err)
			}
			client := <-dialled
			if secure, ok := ours.(*tls.Conn); ok {
				ours = secure.NetConn()
			}
			report := ours.(interface{ PeerClosed() bool })
			if report.PeerClosed() {
				t.Error("reported as closed while the client is connected")
			}
			client.Close()
			for began := time.Now(); !report.PeerClosed(); time.Sleep(time.Millisecond) {
				if time.Since(began) > 10*time.Second {
					t.Fatal("not reported as closed")
				}
			}
		})
	}
}

package socket

import (
	"io"
	"net"
	"runtime"
	"testing"
	"time"
)

// TestPeerClosed checks PeerClosed before and after the peer has ended the
// connection, with and without unread data.
func TestPeerClosed(t *testing.T) {
	closeWrite := func(c net.Conn) { c.(interface{ CloseWrite() error }).CloseWrite() }
	reset := func(c net.Conn) {
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
	for _, c := range []struct {
		name, network string
		end           func(theirs net.Conn)
	}{
		{"the peer closes a TCP connection", "tcp", func(c net.Conn) { c.Close() }},
		{"the peer closes the sending side of a TCP connection", "tcp", closeWrite},
		{"the peer resets a TCP connection", "tcp", reset},
		{"the peer closes a Unix connection", "unix", func(c net.Conn) { c.Close() }},
		{"the peer closes the sending side of a Unix connection", "unix", closeWrite},
	} {
		for name, unread := range map[string]string{"": "", ", unread data": "unread"} {
			t.Run(c.name+name, func(t *testing.T) {
				if runtime.GOOS != "linux" && (runtime.GOOS != "darwin" || c.network != "tcp") {
					t.Skip("NOT CHECKED: this system has no call for it")
				}
				ours, theirs := pair(t, c.network)
				if _, err := io.WriteString(theirs, unread); err != nil {
					t.Fatal(err)
				}
				if PeerClosed(ours) || PeerClosed(theirs) {
					t.Fatal("reported as closed before anything was closed")
				}
				c.end(theirs)
				for began := time.Now(); !PeerClosed(ours); time.Sleep(time.Millisecond) {
					if time.Since(began) > 10*time.Second {
						t.Fatal("not reported as closed")
					}
				}
				if got, err := io.ReadAll(ours); err == nil && string(got) != unread {
					t.Errorf("read %q afterwards, want %q", got, unread)
				}
			})
		}
	}
}

// TestPeerClosedOfOthers checks connections about which PeerClosed cannot report
// anything.
func TestPeerClosedOfOthers(t *testing.T) {
	ours, _ := pair(t, "tcp")
	ours.Close()
	pipe, other := net.Pipe()
	other.Close()
	defer pipe.Close()
	for name, c := range map[string]net.Conn{"closed by this program": ours, "no descriptor": pipe} {
		if PeerClosed(c) {
			t.Errorf("%s: reported as closed", name)
		}
	}
}

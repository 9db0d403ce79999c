//go:build unix

package sdnotify

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// newTestSocket returns a Notifier and a function that returns the datagrams
// received since its last call.
func newTestSocket(t *testing.T) (*Notifier, func() []string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return New(path), func() (received []string) {
		t.Helper()
		// When Send has returned, the datagram is in the receiver's queue, so the end
		// marker is the last datagram.
		const end = "END=1"
		if err := New(path).Send(end); err != nil {
			t.Fatal(err)
		}
		for b := make([]byte, 1024); ; {
			n, err := conn.Read(b)
			if err != nil {
				t.Fatal(err)
			}
			if string(b[:n]) == end {
				return received
			}
			received = append(received, string(b[:n]))
		}
	}
}

func TestSend(t *testing.T) {
	notifier, received := newTestSocket(t)
	if err := notifier.Send(Stopping, Status("not ready:\n two  lines\n"), ExtendTimeout(1500*time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	// In sd_notify(3) line breaks separate the assignments, so a value must not
	// contain one.
	want := "STOPPING=1\nSTATUS=not ready: two lines\nEXTEND_TIMEOUT_USEC=1500000"
	if got := received(); len(got) != 1 || got[0] != want {
		t.Errorf("received %q, want %q", got, want)
	}
}

func TestSendWithoutServiceManager(t *testing.T) {
	if err := New("").Send(Ready); err != nil {
		t.Error(err)
	}
	err := New(filepath.Join(t.TempDir(), "none")).Send(Ready)
	if err == nil || !strings.HasPrefix(err.Error(), "NOTIFY_SOCKET: ") {
		t.Errorf("socket that does not exist: %v", err)
	}
}

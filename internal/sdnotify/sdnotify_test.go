//go:build unix

package sdnotify_test

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hmaproxy/internal/sdnotify"
)

func TestSend(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	err = sdnotify.New(path).Send(sdnotify.Stopping, sdnotify.Status("not ready:\n two  lines\n"), sdnotify.ExtendTimeout(1500*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1024)
	n, err := conn.Read(b)
	// sd_notify(3): newline-separated assignments, so a value holds no newline.
	if want := "STOPPING=1\nSTATUS=not ready: two lines\nEXTEND_TIMEOUT_USEC=1500000"; err != nil || string(b[:n]) != want {
		t.Errorf("received %q, %v; want %q", b[:n], err, want)
	}
}

func TestSendWithoutServiceManager(t *testing.T) {
	if err := sdnotify.New("").Send(sdnotify.Ready); err != nil {
		t.Error(err)
	}
	err := sdnotify.New(filepath.Join(t.TempDir(), "none")).Send(sdnotify.Ready)
	if err == nil || !strings.HasPrefix(err.Error(), "NOTIFY_SOCKET: ") {
		t.Errorf("socket that does not exist: %v", err)
	}
}

//go:build unix

package sidecar

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestNotifierSpeaksToASocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	err = NewNotifier(path).tell("STOPPING=1", assignStatus("not ready:\n two  lines\n"), assignDuration("EXTEND_TIMEOUT_USEC", 1500*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1024)
	n, err := conn.Read(b)
	// sd_notify(3): newline-separated assignments, so that a value has none
	if want := "STOPPING=1\nSTATUS=not ready: two lines\nEXTEND_TIMEOUT_USEC=1500000"; err != nil || string(b[:n]) != want {
		t.Errorf("told %q, %v; want %q", b[:n], err, want)
	}
}

func TestNotifierWithoutSupervisor(t *testing.T) {
	if err := NewNotifier("").tell("READY=1"); err != nil {
		t.Error(err)
	}
	err := NewNotifier(filepath.Join(t.TempDir(), "none")).tell("READY=1")
	if err == nil || !strings.HasPrefix(err.Error(), "NOTIFY_SOCKET: ") {
		t.Errorf("a supervisor that is gone: %v", err)
	}
}

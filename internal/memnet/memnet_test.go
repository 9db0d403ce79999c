package memnet_test

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"

	"hmaproxy/internal/memnet"
)

func TestNetworkConnectsByAddress(t *testing.T) {
	n := memnet.New()
	l, err := n.Listen(t.Context(), "tcp", "127.0.0.1:8080")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = io.WriteString(c, c.LocalAddr().String()+" "+c.RemoteAddr().String())
		c.Close()
	}()
	c, err := n.DialContext(t.Context(), "tcp", "127.0.0.1:8080")
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(c)
	if err != nil || string(text) != "127.0.0.1:8080 127.0.0.1:50000" {
		t.Errorf("%q, %v", text, err)
	}
}

func TestDialWithoutListener(t *testing.T) {
	n := memnet.New()
	if _, err := n.DialContext(t.Context(), "tcp", "127.0.0.1:8080"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("no listener: %v", err)
	}
	l, err := n.Listen(t.Context(), "tcp", "127.0.0.1:8080")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	l.Close()
	if _, err := n.DialContext(t.Context(), "tcp", "127.0.0.1:8080"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("closed listener: %v", err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept after Close: %v", err)
	}
}

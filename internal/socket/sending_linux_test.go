package socket

import (
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestSendingOf(t *testing.T) {
	ours, theirs := pair(t, "tcp")
	waitFor := func(pending bool) {
		t.Helper()
		for began := time.Now(); ; time.Sleep(time.Millisecond) {
			s, ok := SendingOf(ours)
			if ok && s.Pending == pending {
				return
			}
			if !ok || time.Since(began) > 10*time.Second {
				t.Fatalf("%+v, %t, want pending %t", s, ok, pending)
			}
		}
	}
	waitFor(false)
	written := make(chan error)
	go func() {
		_, err := ours.Write(make([]byte, 32<<20)) // more than all buffers
		written <- err
	}()
	waitFor(true)
	go io.Copy(io.Discard, theirs)
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	waitFor(false)
}

func TestSendingOfOthers(t *testing.T) {
	ours, _ := pair(t, "tcp")
	ours.Close()
	pipe, other := net.Pipe()
	defer pipe.Close()
	defer other.Close()
	for name, c := range map[string]net.Conn{"closed": ours, "no descriptor": pipe} {
		if _, ok := SendingOf(c); ok {
			t.Errorf("%s: got a report", name)
		}
		Relax(c) // must not panic
		Restore(c)
	}
}

func TestRelax(t *testing.T) {
	ours, _ := pair(t, "tcp")
	timeout := func() (ms int) {
		control(ours, func(fd int) (err error) {
			ms, err = unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)
			return err
		})
		return ms
	}
	Relax(ours)
	if got := timeout(); got != 3600000 {
		t.Errorf("relaxed: %d ms", got)
	}
	Restore(ours)
	if got := timeout(); got != 63500 {
		t.Errorf("restored: %d ms", got)
	}
}

package socket

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

// pair returns the two ends of a connection.
func pair(t *testing.T, network string) (ours, theirs net.Conn) {
	t.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		address = filepath.Join(t.TempDir(), "s")
	}
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	accepted := make(chan net.Conn, 1)
	go func() {
		c, _ := l.Accept()
		accepted <- c
	}()
	if ours, err = net.Dial(network, l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	theirs = <-accepted
	t.Cleanup(func() { ours.Close(); theirs.Close() })
	return ours, theirs
}

var ports = regexp.MustCompile(`127\.0\.0\.1:\d+|/\S+/s\b|@`)

// describe returns the properties of an error that a caller can observe.
func describe(err error) string {
	if err == nil {
		return "ok"
	}
	var op *net.OpError
	var timeout net.Error
	return fmt.Sprintf("%s; eof %t, closed %t, deadline %t, OpError %t, timeout %t", ports.ReplaceAllString(err.Error(), "X"),
		err == io.EOF, errors.Is(err, net.ErrClosed), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &op), errors.As(err, &timeout) && timeout.Timeout())
}

// scripts use a connection and return a description of the results.
var scripts = map[string]func(ours, theirs net.Conn) string{
	"read into an empty buffer": func(ours, _ net.Conn) string {
		n, err := ours.Read(nil)
		return fmt.Sprint(n, describe(err))
	},
	"write of an empty buffer": func(ours, _ net.Conn) string {
		n, err := ours.Write(nil)
		return fmt.Sprint(n, describe(err))
	},
	"short read": func(ours, theirs net.Conn) string {
		theirs.Write([]byte("part"))
		b := make([]byte, 100)
		n, err := ours.Read(b)
		return fmt.Sprintf("%q %s", b[:n], describe(err))
	},
	"read waits for data": func(ours, theirs net.Conn) string {
		time.AfterFunc(20*time.Millisecond, func() { theirs.Write([]byte("late")) })
		b := make([]byte, 100)
		n, err := ours.Read(b)
		return fmt.Sprintf("%q %s", b[:n], describe(err))
	},
	"end of file": func(ours, theirs net.Conn) string {
		theirs.Close()
		n, err := ours.Read(make([]byte, 9))
		m, err2 := ours.Read(make([]byte, 9))
		return fmt.Sprint(n, describe(err), m, describe(err2))
	},
	"write after the peer closed": func(ours, theirs net.Conn) string { // must not raise SIGPIPE
		theirs.Close()
		var err error
		for range 100 {
			if _, err = ours.Write([]byte("x")); err != nil {
				break
			}
			time.Sleep(time.Millisecond)
		}
		return describe(err)
	},
	"deadline expires during a read": func(ours, _ net.Conn) string {
		ours.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		n, err := ours.Read(make([]byte, 9))
		return fmt.Sprint(n, describe(err))
	},
	"deadline is in the past": func(ours, theirs net.Conn) string {
		theirs.Write([]byte("there"))
		ours.SetDeadline(time.Unix(1, 0))
		n, err := ours.Read(make([]byte, 9))
		m, err2 := ours.Write(make([]byte, 9))
		ours.SetDeadline(time.Time{})
		k, err3 := ours.Read(make([]byte, 9))
		return fmt.Sprint(n, describe(err), m, describe(err2), k, describe(err3))
	},
	"deadline set during a read": func(ours, _ net.Conn) string {
		time.AfterFunc(20*time.Millisecond, func() { ours.SetReadDeadline(time.Unix(1, 0)) })
		n, err := ours.Read(make([]byte, 9))
		return fmt.Sprint(n, describe(err))
	},
	"close during a read": func(ours, _ net.Conn) string {
		time.AfterFunc(20*time.Millisecond, func() { ours.Close() })
		n, err := ours.Read(make([]byte, 9))
		m, err2 := ours.Write(make([]byte, 9))
		return fmt.Sprint(n, describe(err), m, describe(err2))
	},
	"peer reads nothing": func(ours, _ net.Conn) string {
		text := make([]byte, 64<<20)
		ours.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
		n, err := ours.Write(text)
		return fmt.Sprint(0 < n && n < len(text), describe(err))
	},
	"long transfers in both directions": func(ours, theirs net.Conn) string {
		text := bytes.Repeat([]byte("0123456789abcdef"), 1<<18) // 4 MiB, more than any buffer
		go func() {
			io.CopyN(theirs, theirs, int64(len(text)))
			theirs.Close()
		}()
		sent := make(chan string, 1)
		go func() {
			n, err := ours.Write(text)
			sent <- fmt.Sprint(n, describe(err))
		}()
		sum := sha256.New()
		n, err := io.Copy(sum, struct{ io.Reader }{ours})
		return fmt.Sprintf("%s %d %x %s", <-sent, n, sum.Sum(nil), describe(err))
	},
	"reset": func(ours, theirs net.Conn) string {
		tcp, ok := theirs.(*net.TCPConn)
		if !ok {
			return "only TCP has resets"
		}
		tcp.SetLinger(0)
		tcp.Close()
		n, err := ours.Read(make([]byte, 9))
		return fmt.Sprint(n, describe(err))
	},
}

// TestSameResultsAsPackageNet checks that reads and writes on Of(c) have the same
// results as on c, a connection of package net.
func TestSameResultsAsPackageNet(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		for name, script := range scripts {
			t.Run(network+"/"+name, func(t *testing.T) {
				plain, theirs := pair(t, network)
				want := script(plain, theirs)
				ours, theirs := pair(t, network)
				if got := script(Of(ours), theirs); got != want {
					t.Errorf("got  %s\nwant %s", got, want)
				}
			})
		}
	}
}

func TestConnectionWithoutDescriptor(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if Of(a) != a || TryReader(a) != nil {
		t.Error("a pipe has no descriptor, but was wrapped or has a TryReader")
	}
}

func TestNoAllocations(t *testing.T) {
	raw, theirs := pair(t, "tcp")
	ours, tryRead := Of(raw), TryReader(raw)
	b := make([]byte, 64)
	if n := testing.AllocsPerRun(100, func() {
		ours.Write(b)
		io.ReadFull(theirs, b)
		theirs.Write(b)
		ours.Read(b)
		if tryRead != nil {
			tryRead(b)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestTryReader(t *testing.T) {
	ours, theirs := pair(t, "tcp")
	tryRead := TryReader(ours)
	if tryRead == nil {
		t.Skip("NOT CHECKED: this system has no call for it")
	}
	ours.SetReadDeadline(time.Unix(1, 0)) // has no effect on tryRead
	b := make([]byte, 2)
	waitFor := func(want string, wantErr error) {
		t.Helper()
		for began := time.Now(); ; time.Sleep(time.Millisecond) {
			n, err := tryRead(b)
			if string(b[:n]) == want && errors.Is(err, wantErr) {
				return
			}
			if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) > 5*time.Second {
				t.Fatalf("%q, %v; want %q, %v", b[:n], err, want, wantErr)
			}
		}
	}
	waitFor("", os.ErrDeadlineExceeded)
	theirs.Write([]byte("xyz"))
	waitFor("xy", nil)
	waitFor("z", nil)
	waitFor("", os.ErrDeadlineExceeded)
	theirs.Close()
	waitFor("", io.EOF)
	ours.Close()
	if n, err := tryRead(b); n != 0 || !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %d, %v", n, err)
	}
}

func TestTryReaderReset(t *testing.T) {
	ours, theirs := pair(t, "tcp")
	tryRead := TryReader(ours)
	if tryRead == nil {
		t.Skip("NOT CHECKED: this system has no call for it")
	}
	theirs.(*net.TCPConn).SetLinger(0)
	theirs.Close()
	_, err := tryRead(make([]byte, 1))
	for began := time.Now(); errors.Is(err, os.ErrDeadlineExceeded) && time.Since(began) < 5*time.Second; _, err = tryRead(make([]byte, 1)) {
		time.Sleep(time.Millisecond)
	}
	if err == nil || err == io.EOF || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after a reset: %v", err)
	}
}

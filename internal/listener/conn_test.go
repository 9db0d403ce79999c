package listener

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// A deadlineCounter counts the read deadlines that are set in the system.
type deadlineCounter struct {
	net.Conn
	set int
}

func (c *deadlineCounter) SetReadDeadline(t time.Time) error {
	c.set++
	return c.Conn.SetReadDeadline(t)
}

// inBubble runs a test in a synctest bubble and passes it both ends of a
// connection.
func inBubble(t *testing.T, test func(t *testing.T, c *conn, system *deadlineCounter, client net.Conn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		system := &deadlineCounter{Conn: server}
		s := newSlots(1)
		s.acquire(nil)
		c := newConn(system, s)
		test(t, c, system, client)
		c.Close()
		c.Close()
		client.Close()
		if s.open != 0 {
			t.Errorf("%d slots taken after two calls of Close", s.open)
		}
	})
}

// reads returns the duration and the result of a read.
func reads(c net.Conn, size int) (took time.Duration, n int, err error) {
	began := time.Now()
	n, err = c.Read(make([]byte, size))
	return time.Since(began), n, err
}

func TestConnDeadlines(t *testing.T) {
	const s = time.Second
	for _, test := range []struct {
		name   string
		before []time.Duration // deadlines that are set before the read; 0: none
		during []time.Duration // deadlines that are set during the read, one each second
		want   time.Duration   // duration of the read until it times out
	}{
		{"one", []time.Duration{10 * s}, nil, 10 * s},
		{"moved to sooner", []time.Duration{10 * s, 2 * s}, nil, 2 * s},
		{"moved to later", []time.Duration{2 * s, 10 * s}, nil, 10 * s},
		{"moved to later twice", []time.Duration{2 * s, 5 * s, 10 * s}, nil, 10 * s},
		{"taken away and set again", []time.Duration{2 * s, 0, 10 * s}, nil, 10 * s},
		{"moved to sooner while reading", []time.Duration{10 * s}, []time.Duration{3 * s}, 4 * s},
		{"moved to later while reading", []time.Duration{3 * s}, []time.Duration{10 * s}, 11 * s},
		{"set while reading", nil, []time.Duration{3 * s}, 4 * s},
		{"taken away and set while reading", []time.Duration{3 * s}, []time.Duration{0, 10 * s}, 12 * s},
		{"over already", []time.Duration{-s}, nil, 0},
		{"over while reading", []time.Duration{10 * s}, []time.Duration{-s}, s},
		{"over and set again", []time.Duration{-s, 2 * s}, nil, 2 * s},
	} {
		for size, extra := range map[int]string{64: "", 1: ", a single byte"} {
			t.Run(test.name+extra, func(t *testing.T) {
				inBubble(t, func(t *testing.T, c *conn, _ *deadlineCounter, _ net.Conn) {
					set := func(d time.Duration) {
						if d == 0 {
							c.SetReadDeadline(time.Time{})
							return
						}
						c.SetReadDeadline(time.Now().Add(d))
					}
					for _, d := range test.before {
						set(d)
					}
					go func() {
						for _, d := range test.during {
							time.Sleep(s)
							set(d)
						}
					}()
					took, n, err := reads(c, size)
					var timeout net.Error
					if n != 0 || !errors.As(err, &timeout) || !timeout.Timeout() {
						t.Errorf("read %d bytes, %v; want a timeout", n, err)
					}
					if took < test.want || took > test.want+readDelay {
						t.Errorf("after %v, want %v", took, test.want)
					}
					synctest.Wait()
					time.Sleep(5 * s)
				})
			})
		}
	}
}

// TestConnSavesDeadlines makes the calls that net/http makes for each request.
func TestConnSavesDeadlines(t *testing.T) {
	inBubble(t, func(t *testing.T, c *conn, system *deadlineCounter, client net.Conn) {
		const requests = 100
		for range requests {
			c.SetReadDeadline(time.Now().Add(3 * time.Minute))
			c.SetReadDeadline(time.Time{})
			c.SetReadDeadline(time.Now().Add(10 * time.Second))
			go client.Write([]byte("request"))
			if _, n, err := reads(c, 64); n != len("request") || err != nil {
				t.Fatalf("read %d bytes, %v", n, err)
			}
			c.SetReadDeadline(time.Time{})
			watched := make(chan error)
			go func() {
				_, _, err := reads(c, 1)
				watched <- err
			}()
			time.Sleep(time.Millisecond) // time in the handler
			c.SetReadDeadline(time.Unix(1, 0))
			if err := <-watched; !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("the watch ended with %v", err)
			}
			c.SetReadDeadline(time.Time{})
		}
		if system.set > 2 {
			t.Errorf("%d deadlines were set in the system in %d requests", system.set, requests)
		}
	})
}

// TestConnNoticesThatTheClientLeft covers a client that leaves
// during a handler. Bytes that it sent before are not lost.
func TestConnNoticesThatTheClientLeft(t *testing.T) {
	inBubble(t, func(t *testing.T, c *conn, _ *deadlineCounter, client net.Conn) {
		time.AfterFunc(time.Second, func() { client.Close() })
		if took, _, err := reads(c, 1); err != io.EOF || took > time.Second+readDelay {
			t.Errorf("noticed after %v: %v", took, err)
		}
	})
	inBubble(t, func(t *testing.T, c *conn, _ *deadlineCounter, client net.Conn) {
		go client.Write([]byte("x"))
		if took, n, err := reads(c, 1); n != 1 || err != nil || took > readDelay {
			t.Errorf("%d bytes after %v: %v", n, took, err)
		}
	})
	inBubble(t, func(t *testing.T, c *conn, _ *deadlineCounter, client net.Conn) {
		time.AfterFunc(readDelay/2, func() { c.Close() })
		if took, _, err := reads(c, 1); err == nil || took > readDelay/2 {
			t.Errorf("a closed connection was read for %v: %v", took, err)
		}
	})
}

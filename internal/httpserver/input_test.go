package httpserver

import (
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// inBubble runs a test of an input under synctest.
func inBubble(t *testing.T, test func(t *testing.T, in *input, client net.Conn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		test(t, &input{conn: server}, client)
		server.Close()
		client.Close()
	})
}

func TestReadDeadlines(t *testing.T) {
	const s = time.Second
	for _, test := range []struct {
		name   string
		before []time.Duration // deadlines set before the read; 0: none
		during []time.Duration // deadlines set during the read, one each second; 0: none
		want   time.Duration   // time until the read times out
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
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, in *input, _ net.Conn) {
				set := func(d time.Duration) {
					if d == 0 {
						in.setDeadline(time.Time{})
						return
					}
					in.setDeadline(time.Now().Add(d))
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
				began := time.Now()
				n, err := in.readConn(make([]byte, 64))
				took := time.Since(began)
				if n != 0 || !isTimeout(err) {
					t.Errorf("read %d bytes, %v; want a timeout", n, err)
				}
				if took != test.want {
					t.Errorf("after %v, want %v", took, test.want)
				}
				synctest.Wait()
				time.Sleep(5 * s)
			})
		})
	}
}

func TestInterruptedReads(t *testing.T) {
	inBubble(t, func(t *testing.T, in *input, client net.Conn) {
		time.AfterFunc(time.Second, in.interrupt)
		began := time.Now()
		if _, err := in.readConn(make([]byte, 1)); err == nil || time.Since(began) != time.Second {
			t.Errorf("the read that was under way ended after %v: %v", time.Since(began), err)
		}
		_ = in.conn.SetReadDeadline(time.Time{}) // as the listener does when the connection begins to linger
		began = time.Now()
		if _, err := in.readConn(make([]byte, 1)); !errors.Is(err, errStopped) || time.Since(began) != 0 {
			t.Errorf("a further read ended after %v: %v", time.Since(began), err)
		}
		in.resume()
		go client.Write([]byte("x"))
		if n, err := in.readConn(make([]byte, 1)); n != 1 || err != nil {
			t.Errorf("a read afterwards: %d, %v", n, err)
		}
		in.interrupt()
		in.resume()
		in.setDeadline(time.Now().Add(time.Minute))
		began = time.Now()
		if _, err := in.readConn(make([]byte, 1)); !isTimeout(err) || time.Since(began) != time.Minute {
			t.Errorf("a read that nothing interrupts ended after %v: %v", time.Since(began), err)
		}
	})
}

func TestLinesAreBounded(t *testing.T) {
	for _, tc := range []struct {
		name, data string
		limit      int
		want       string
		ok         bool
	}{
		{"empty", "\r\n", 2, "", true},
		{"as long as may be", "abc\r\n", 5, "abc", true},
		{"too long", "abcd\r\n", 5, "", false},
		{"too long, without an end", "abcdefgh", 5, "", false},
		{"a line feed alone", "ab\n", 5, "", false},
		{"a line feed first", "\n", 5, "", false},
		{"cut", "ab", 5, "", false},
	} {
		for size := range len(tc.data) {
			in := &input{conn: &pieceConn{data: []byte(tc.data), splits: []byte{byte(size)}}}
			line, err := in.line(tc.limit)
			if string(line) != tc.want || (err == nil) != tc.ok {
				t.Errorf("%s in pieces of %d: %q, %v", tc.name, size, line, err)
			}
		}
	}
}

// TestRefusedHeadIsNotKept checks that a connection has released its buffer while
// the client reads the response to a refused head.
func TestRefusedHeadIsNotKept(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	c := newConn(&Server{}, near)
	c.in.buf = make([]byte, 100<<10)
	c.in.w = len(c.in.buf)
	go c.refuse(errHeadTime)
	if _, err := far.Read(make([]byte, 1<<10)); err != nil {
		t.Fatal(err)
	}
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	if c.in.buf != nil {
		t.Errorf("the connection keeps %d bytes", len(c.in.buf))
	}
}

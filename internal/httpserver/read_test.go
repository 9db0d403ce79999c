package httpserver

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestBodyHasNoDeadline checks that the time limits for a head do not apply to the
// body. The handler sets deadlines for the body.
func TestBodyHasNoDeadline(t *testing.T) {
	for _, pieces := range [][]string{
		{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n", "hello"},
		{"POST / HTTP/1.1\r\nHost", ": a\r\nContent-Length: 5\r\n\r\n", "hello"},
	} {
		inMemory(t, ok, func(s *testServer) {
			c, in := s.dial()
			go func() {
				for i, p := range pieces {
					if i == len(pieces)-1 {
						time.Sleep(time.Hour)
					}
					_, _ = io.WriteString(c, p)
				}
			}()
			resp := s.receive(in)
			if body, err := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK || string(body) != "hello" || err != nil {
				t.Errorf("%d, %q, %v", resp.StatusCode, body, err)
			}
			c.Close()
		})
	}
}

// An endingConn is a connection whose last Read returns bytes together with io.EOF,
// as io.Reader permits.
type endingConn struct{ *pieceConn }

func (c endingConn) Read(p []byte) (int, error) {
	n, err := c.pieceConn.Read(p)
	if err == nil && len(c.data) == 0 {
		err = io.EOF
	}
	return n, err
}

// TestBytesWithAnEnd checks that bytes which arrive together with the end of the
// connection are not lost.
func TestBytesWithAnEnd(t *testing.T) {
	for _, splits := range [][]byte{nil, {1}, {7}} {
		for _, request := range []string{getRequest, postRequest, strings.Repeat(postRequest, 3)} {
			c := endingConn{&pieceConn{data: []byte(request), splits: splits}}
			n := 0
			handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if see(r).Whole {
					n++
				}
			})
			newConn(&Server{Handler: handler, HeadTimeout: time.Minute, IdleTimeout: time.Minute, watchDelay: time.Hour}, c).serve()
			if want := strings.Count(request, "HTTP/1.1"); n != want {
				t.Errorf("%d of %d requests, in pieces of %v bytes", n, want, splits)
			}
		}
	}
}

// TestEndWithTheLastBytes checks that a Read returns io.EOF together with the last
// bytes if the end of the body has arrived.
func TestEndWithTheLastBytes(t *testing.T) {
	for _, c := range []struct {
		name, body string
		size       int // of the buffer
		n          int
		err        error
	}{
		{"a length", "Content-Length: 5\r\n\r\nhello", 5, 5, io.EOF},
		{"a length, a larger buffer", "Content-Length: 5\r\n\r\nhello", 50, 5, io.EOF},
		{"a length, a smaller buffer", "Content-Length: 5\r\n\r\nhello", 4, 4, nil},
		{"a chunk", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 5, 5, io.EOF},
		{"a chunk, a larger buffer", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 50, 5, io.EOF},
		{"a chunk, a smaller buffer", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 4, 4, nil},
		{"two chunks", "Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", 5, 5, io.EOF},
		{"no room", "Content-Length: 5\r\n\r\nhello", 0, 0, nil},
	} {
		called := false
		respond("POST / HTTP/1.1\r\nHost: a\r\n"+c.body, func(_ http.ResponseWriter, r *http.Request) {
			called = true
			if n, err := r.Body.Read(make([]byte, c.size)); n != c.n || err != c.err {
				t.Errorf("%s: %d, %v, want %d, %v", c.name, n, err, c.n, c.err)
			}
		})
		if !called {
			t.Errorf("%s: the request was refused", c.name)
		}
	}
}

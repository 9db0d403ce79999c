package httpserver

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
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

// TestErrorsOfChunks checks the error of a body in chunks that is cut, late or
// malformed. Handlers distinguish the three.
func TestErrorsOfChunks(t *testing.T) {
	const head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	for _, body := range []string{"", "5", "5\r\n", "5\r\nhell", "5\r\nhello", "5\r\nhello\r", "5\r\nhello\r\n", "5\r\nhello\r\n0\r\n", "5\r\nhello\r\n0\r\nX: y"} {
		respond(head+body, func(_ http.ResponseWriter, r *http.Request) {
			if _, err := io.ReadAll(r.Body); err != io.ErrUnexpectedEOF {
				t.Errorf("cut after %q: %v", body, err)
			}
		})
		inMemory(t, func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(time.Second))
			if _, err := io.ReadAll(r.Body); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("late after %q: %v", body, err)
			}
		}, func(s *testServer) {
			c, in := s.dial()
			send(c, head+body)
			s.receive(in)
			c.Close()
		})
	}
	for _, body := range []string{"\r\n", "x\r\n", "5\r\nhello5\r\n", "5\r\nhellox\r\n", "5\r\nhello\n\r\n", "5\nhello", "5 \r\nhello"} {
		respond(head+body, func(_ http.ResponseWriter, r *http.Request) {
			if _, err := io.ReadAll(r.Body); err != errChunk {
				t.Errorf("malformed %q: %v", body, err)
			}
		})
	}
}

// TestPlainPaths compares the paths that are not parsed with the result of net/url,
// for each byte.
func TestPlainPaths(t *testing.T) {
	for c := range 0x100 {
		for _, path := range []string{"/" + string([]byte{byte(c)}), "/a" + string([]byte{byte(c), 'b'})} {
			if !isPlainPath(path) {
				continue
			}
			if u, err := url.ParseRequestURI(path); err != nil || *u != (url.URL{Path: path}) {
				t.Errorf("%q: net/url returns %#v, %v", path, u, err)
			}
		}
	}
	for path, want := range map[string]bool{"": false, "a": false, "/": true, "//a": false, "/a//b": true, "/EWS/Exchange.asmx": true, "/a-b_c.d": true, "/a?b": false, "/%41": false} {
		if got := isPlainPath(path); got != want {
			t.Errorf("%q: %v, want %v", path, got, want)
		}
	}
}

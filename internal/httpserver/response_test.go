package httpserver

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// respond serves one request with a handler and returns the bytes of the response.
func respond(request string, h http.HandlerFunc) string {
	c := &pieceConn{data: []byte(request)}
	newConn(&Server{Handler: h, HeadTimeout: time.Minute, IdleTimeout: time.Minute, watchDelay: time.Hour}, c).serve()
	return c.out.String()
}

// TestFinalStatus checks which statuses WriteHeader accepts: those of final
// responses with three digits (RFC 9110, section 15).
func TestFinalStatus(t *testing.T) {
	for status, want := range map[int]bool{-1: false, 0: false, 100: false, 199: false, 200: true, 201: true, 599: true, 999: true, 1000: false} {
		accepted := false
		respond(getRequest, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			accepted = true
		})
		if accepted != want {
			t.Errorf("%d: accepted %v", status, accepted)
		}
	}
}

// TestWriteResults checks the results of Write that http.ResponseWriter and io.Writer
// prescribe.
func TestWriteResults(t *testing.T) {
	head := strings.Replace(getRequest, "GET", "HEAD", 1)
	for _, c := range []struct {
		name, request string
		status        int
		length        string
		writes        []string
		n             []int
		errs          []error
		body          string
	}{
		{"without a length", getRequest, 200, "", []string{"abc", "", "d"}, []int{3, 0, 1}, []error{nil, nil, nil}, "abcd"},
		{"as declared", getRequest, 200, "4", []string{"abc", "d"}, []int{3, 1}, []error{nil, nil}, "abcd"},
		{"more than declared", getRequest, 200, "4", []string{"abcde", "abcd", "e"}, []int{0, 4, 0}, []error{http.ErrContentLength, nil, http.ErrContentLength}, "abcd"},
		{"more than nothing", getRequest, 200, "0", []string{"a", ""}, []int{0, 0}, []error{http.ErrContentLength, nil}, ""},
		{"a length that is no number", getRequest, 200, "x", []string{"abc"}, []int{3}, []error{nil}, "abc"},
		{"204", getRequest, 204, "", []string{"abc", ""}, []int{0, 0}, []error{http.ErrBodyNotAllowed, nil}, ""},
		{"304", getRequest, 304, "", []string{"abc"}, []int{0}, []error{http.ErrBodyNotAllowed}, ""},
		{"HEAD", head, 200, "", []string{"abc"}, []int{3}, []error{nil}, ""},
	} {
		out := respond(c.request, func(w http.ResponseWriter, _ *http.Request) {
			if c.length != "" {
				w.Header().Set("Content-Length", c.length)
			}
			w.WriteHeader(c.status)
			for i, p := range c.writes {
				if n, err := io.WriteString(w, p); n != c.n[i] || err != c.errs[i] {
					t.Errorf("%s: Write(%q) = %d, %v, want %d, %v", c.name, p, n, err, c.n[i], c.errs[i])
				}
			}
		})
		resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(out)), &http.Request{Method: strings.Fields(c.request)[0]})
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(resp.Body); string(body) != c.body || err != nil {
			t.Errorf("%s: the body is %q, %v", c.name, body, err)
		}
	}
}

// TestHeaderFields checks the fields that the server takes from the handler's header
// and those that it writes itself.
func TestHeaderFields(t *testing.T) {
	out := respond(getRequest, func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Date", "the handler's")
		h.Set("Transfer-Encoding", "gzip")
		h.Set("Connection", "x")
		for c := range byte(0x80) {
			h.Add("X-Bytes", "<"+string([]byte{c})+">")
		}
	})
	head, _, _ := strings.Cut(out, "\r\n\r\n")
	want := "HTTP/1.1 200 OK\r\nDate: the handler's\r\n"
	for c := range byte(0x80) {
		value := string([]byte{c})
		if c == '\r' || c == '\n' {
			value = " " // a line end would begin another field
		}
		want += "X-Bytes: <" + value + ">\r\n"
	}
	if want += "Content-Length: 0"; head != want {
		t.Errorf("%q, want %q", head, want)
	}
}

// TestBodiesOfEverySize writes bodies in parts whose sizes are near the size of the
// output buffer. The client must get the same bytes, whichever framing the server
// chooses.
func TestBodiesOfEverySize(t *testing.T) {
	sizes := []int{1, 2, 15, 16, 17}
	for n := writeSize - 300; n <= writeSize+4; n++ {
		sizes = append(sizes, n)
	}
	for _, size := range sizes {
		for _, declared := range []bool{false, true} {
			for _, flush := range []bool{false, true} {
				text := strings.Repeat("x", size-1) + "y"
				out := respond(getRequest, func(w http.ResponseWriter, _ *http.Request) {
					if declared {
						w.Header().Set("Content-Length", fmt.Sprint(3*size))
					}
					for range 3 {
						_, _ = io.WriteString(w, text)
						if flush {
							_ = http.NewResponseController(w).Flush()
						}
					}
				})
				resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(out)), nil)
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(resp.Body)
				if err != nil || string(body) != strings.Repeat(text, 3) {
					t.Fatalf("3 parts of %d bytes, declared %v, flushed %v: %d bytes, %v", size, declared, flush, len(body), err)
				}
			}
		}
	}
}

// TestRequestBody checks that a handler can see that a request has no body, as with
// net/http.
func TestRequestBody(t *testing.T) {
	for request, want := range map[string]bool{
		getRequest: false, postRequest: true,
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n":                   false,
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n": true,
	} {
		respond(request, func(_ http.ResponseWriter, r *http.Request) {
			if got := r.Body != http.NoBody; got != want {
				t.Errorf("%q: a body %v, want %v", request, got, want)
			}
		})
	}
}

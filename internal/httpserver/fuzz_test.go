package httpserver

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"
)

// A pieceConn is a connection on which a client sends its bytes in pieces and then
// closes its sending side.
type pieceConn struct {
	data   []byte
	splits []byte // sizes of the reads in turn; 0: 256 bytes
	reads  int
	out    bytes.Buffer
}

func (c *pieceConn) Read(p []byte) (int, error) {
	if len(c.data) == 0 {
		return 0, io.EOF
	}
	n := len(c.data)
	if len(c.splits) > 0 {
		if n = int(c.splits[c.reads%len(c.splits)]); n == 0 {
			n = 256
		}
		c.reads++
	}
	n = copy(p[:min(n, len(p))], c.data)
	c.data = c.data[n:]
	return n, nil
}

func (c *pieceConn) Write(p []byte) (int, error)      { return c.out.Write(p) }
func (c *pieceConn) Close() error                     { return nil }
func (c *pieceConn) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *pieceConn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *pieceConn) SetDeadline(time.Time) error      { return nil }
func (c *pieceConn) SetReadDeadline(time.Time) error  { return nil }
func (c *pieceConn) SetWriteDeadline(time.Time) error { return nil }

// A seen is a request as a handler sees it.
type seen struct {
	Method, Target, Proto, Host string
	Major, Minor                int
	URL                         url.URL // without User, which %#v would print as a pointer
	User                        string
	Header, Trailer             http.Header
	Length                      int64
	Coding                      []string
	Close                       bool
	Body                        string
	Whole                       bool // the body was read to its proper end
}

// see reads a request's body and describes the request.
func see(r *http.Request) seen {
	body, err := io.ReadAll(r.Body)
	header := maps.Clone(r.Header)
	delete(header, "Host") // without effect: this package and http.ReadRequest have removed this header
	target := *r.URL
	target.User = nil
	return seen{
		Method: r.Method, Target: r.RequestURI, Proto: r.Proto, Host: r.Host, Major: r.ProtoMajor, Minor: r.ProtoMinor,
		URL: target, User: fmt.Sprint(r.URL.User), Header: header, Trailer: r.Trailer, Length: r.ContentLength, Coding: r.TransferEncoding, Close: r.Close,
		Body: string(body), Whole: err == nil,
	}
}

// serveBytes serves the bytes that a client sends. It returns the requests for which
// the handler was called, and the bytes that the client received.
func serveBytes(data, splits []byte) (all []seen, out string) {
	return serveWithin(data, splits, 16<<10)
}

func serveWithin(data, splits []byte, maxHead int) (all []seen, out string) {
	c := &pieceConn{data: bytes.Clone(data), splits: splits}
	s := &Server{
		Handler:     http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { all = append(all, see(r)) }),
		HeadTimeout: time.Minute, IdleTimeout: time.Minute, MaxHeadBytes: maxHead,
		watchDelay: time.Hour, // no watch: the client closes its sending side, which a watch would report as a client that left
	}
	newConn(s, c).serve()
	return all, c.out.String()
}

// referenceSeen reads n requests from data with net/http.
func referenceSeen(data []byte, n int) (all []seen, err error) {
	in := bufio.NewReaderSize(bytes.NewReader(data), 64<<10)
	for range n {
		if len(all) > 0 && all[len(all)-1].Method == http.MethodPost {
			skipEmptyLines(in) // as http.Server does
		}
		r, err := http.ReadRequest(in)
		if err != nil {
			return all, err
		}
		all = append(all, see(r))
	}
	return all, nil
}

func skipEmptyLines(in *bufio.Reader) {
	for range 4 {
		if b, err := in.Peek(1); err != nil || b[0] != '\r' && b[0] != '\n' {
			return
		}
		_, _ = in.Discard(1)
	}
}

// withCacheControl adds the header that net/http adds to a request with Pragma:
// no-cache and without Cache-Control.
func withCacheControl(s seen) seen {
	if p := s.Header["Pragma"]; len(p) > 0 && p[0] == "no-cache" && s.Header["Cache-Control"] == nil {
		s.Header = maps.Clone(s.Header)
		s.Header.Set("Cache-Control", "no-cache")
	}
	return s
}

// checkSubset checks that http.ReadRequest finds in data the requests that this
// package found there. If a body is incomplete or was refused, the bytes that the
// handler got must be a prefix of the bytes that net/http reads.
func checkSubset(t *testing.T, data []byte, ours []seen) {
	t.Helper()
	theirs, err := referenceSeen(data, len(ours))
	for i, a := range ours {
		if i >= len(theirs) {
			t.Fatalf("request %d, %q: net/http refuses it: %v", i, a.Target, err)
		}
		b := theirs[i]
		if !a.Whole { // the body is incomplete or was refused
			if !strings.HasPrefix(b.Body, a.Body) {
				t.Fatalf("request %d: the handler got %q of an incomplete body, with net/http %q", i, a.Body, b.Body)
			}
			a.Body, b.Body, b.Whole, a.Trailer, b.Trailer = "", "", false, nil, nil
		}
		if x, y := fmt.Sprintf("%#v", withCacheControl(a)), fmt.Sprintf("%#v", b); x != y {
			t.Fatalf("request %d:\n%s\nnet/http:\n%s", i, x, y)
		}
		if !a.Whole && i+1 < len(ours) {
			t.Fatalf("request %d has an incomplete body, and another request follows", i)
		}
	}
}

// requestSeeds is the seed corpus of FuzzRequests. go test also runs it without
// fuzzing.
var requestSeeds = []string{
	"POST /EWS/Exchange.asmx HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml; charset=utf-8\r\nContent-Length: 5\r\n\r\nhello",
	"POST /a HTTP/1.1\r\nHost: localhost:8080\r\nContent-Length: 1\r\n\r\nxGET /b?c=d%20e HTTP/1.1\r\nHost: [::1]\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3;x=y\r\nabc\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\nTrailer: X-A, X-B\r\n\r\n1\r\nx\r\n0\r\nX-A: 1\r\nX-C: 2\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nTrailer: X-A\r\nContent-Length: 1\r\n\r\nx",
	"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n",
	"GET http://evil/x HTTP/1.1\r\nHost: a\r\n\r\nOPTIONS * HTTP/1.1\r\nHost: a\r\n\r\nCONNECT b:443 HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET http://user:password@evil/x HTTP/1.1\r\nHost: a\r\n\r\nGET http://@evil/x HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nPragma: no-cache\r\nConnection: close, x\r\nX-Y: a\r\nX-y:\tb \r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok",
	"GET //a/../b/./c%2f HTTP/1.1\r\nHost: a\r\nCookie: a=b; \xc3\xa9\r\n\r\n",

	// The server refuses the following requests.
	"GET / HTTP/1.1\nHost: a\n\n",
	"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
	"GET / HTTP/1.1\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx",
	"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX\r\n0\r\n\r\n",
	"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	"GET / HTTP/1.2\r\nHost: a\r\n\r\n",
	"GET /\r\n\r\n", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "\x16\x03\x01\x02\x00\x01", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET / HTTP/1.1\r\nHost : a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n",
	"GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", "GET a HTTP/1.1\r\nHost: a\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nExpect: x\r\nContent-Length: 2\r\n\r\nok",
	"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: Content-Length\r\n\r\n0\r\n\r\n",
}

// FuzzRequests checks that this server's grammar is a subset of net/http's. It also
// checks that the result does not depend on how the bytes are divided into reads.
func FuzzRequests(f *testing.F) {
	for i, seed := range requestSeeds {
		f.Add([]byte(seed), []byte{byte(i%7 + 1), byte(i), 1})
	}
	f.Fuzz(func(t *testing.T, data, splits []byte) {
		if len(data) > 32<<10 {
			return
		}
		whole, out := serveBytes(data, nil)
		checkSubset(t, data, whole)
		pieces, outPieces := serveBytes(data, splits)
		if a, b := fmt.Sprintf("%#v", whole), fmt.Sprintf("%#v", pieces); a != b {
			t.Fatalf("in one piece:\n%s\nin pieces:\n%s", a, b)
		}
		if a, b := withoutDates(out), withoutDates(outPieces); a != b {
			t.Fatalf("in one piece:\n%s\nin pieces:\n%s", a, b)
		}
		checkResponses(t, out)
	})
}

// TestEveryCut makes the checks of FuzzRequests with every beginning of each seed, and
// with every division of each seed into two and into three reads.
func TestEveryCut(t *testing.T) {
	same := func(seed string, all []seen, out string, splits ...byte) {
		t.Helper()
		pieces, outPieces := serveBytes([]byte(seed), splits)
		if !reflect.DeepEqual(pieces, all) || outPieces != out && withoutDates(outPieces) != withoutDates(out) {
			t.Fatalf("%q in one read:\n%#v\n%s\nin reads of %v bytes:\n%#v\n%s", seed, all, out, splits, pieces, outPieces)
		}
	}
	for _, seed := range requestSeeds {
		if len(seed) > 256 { // the last of three reads returns up to 256 bytes
			t.Fatalf("the seed %q is too long", seed)
		}
		for end := range seed {
			all, out := serveBytes([]byte(seed[:end]), nil)
			checkSubset(t, []byte(seed[:end]), all)
			checkResponses(t, out)
		}
		all, out := serveBytes([]byte(seed), nil)
		for first := 1; first < len(seed); first++ {
			same(seed, all, out, byte(first), 0)
			for second := 1; first+second < len(seed); second++ {
				same(seed, all, out, byte(first), byte(second), 0)
			}
		}
	}
}

// withoutDates removes the Date headers from responses.
func withoutDates(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "Date: ") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// checkResponses checks that the client received only complete HTTP responses.
func checkResponses(t *testing.T, out string) {
	t.Helper()
	in := bufio.NewReader(strings.NewReader(out))
	for {
		if _, err := in.Peek(1); err != nil {
			return
		}
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatalf("%v in %q", err, out)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Fatalf("%v in %q", err, out)
		}
	}
}

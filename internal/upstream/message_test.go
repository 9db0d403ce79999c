package upstream

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hmaproxy/internal/socket"
)

// TestInlineBodies checks which bodies are sent in one piece with their head: those
// of at most 32 KiB that are in memory.
func TestInlineBodies(t *testing.T) {
	for _, c := range []struct {
		size    int
		getBody bool
		want    bool
	}{{1, true, true}, {32 << 10, true, true}, {32<<10 + 1, true, false}, {1, false, false}} {
		r := post(strings.Repeat("x", c.size))
		if !c.getBody {
			r.GetBody = nil
		}
		m, err := newMessage(r, "example.com", new(headerChecker))
		if err != nil {
			t.Fatal(err)
		}
		if inline := !m.streamed; inline != c.want || inline != bytes.HasSuffix(m.text, []byte("x")) {
			t.Errorf("%d bytes, with GetBody %v: inline %v", c.size, c.getBody, inline)
		}
	}
}

// TestFramingOfBodies compares the framing of requests with that of net/http.
// They differ in one case, a POST, PUT or PATCH whose body is empty and whose
// ContentLength is 0. Such a request has Content-Length: 0 here, and
// Transfer-Encoding: chunked in net/http.
func TestFramingOfBodies(t *testing.T) {
	framing := func(head []byte) (lines string) {
		for line := range strings.Lines(string(head)) {
			if strings.HasPrefix(line, "Content-Length:") || strings.HasPrefix(line, "Transfer-Encoding:") {
				lines += line
			}
		}
		return lines
	}
	unnamed := func(text string) io.Reader { return io.MultiReader(strings.NewReader(text)) } // a reader whose length http.NewRequest does not know
	for _, method := range []string{"GET", "HEAD", "DELETE", "POST", "PUT", "PATCH"} {
		for _, c := range []struct {
			name   string
			body   func() io.Reader
			length int64
		}{
			{"no body", func() io.Reader { return nil }, 0},
			{"http.NoBody", func() io.Reader { return http.NoBody }, 0},
			{"a body", func() io.Reader { return unnamed("<a/>") }, 4},
			{"a body of unknown length", func() io.Reader { return unnamed("<a/>") }, -1},
			{"a body whose length is not set", func() io.Reader { return unnamed("<a/>") }, 0},
			{"an empty body whose length is not set", func() io.Reader { return unnamed("") }, 0},
		} {
			request := func() *http.Request {
				r, err := http.NewRequest(method, "https://example.com/EWS", c.body())
				if err != nil {
					t.Fatal(err)
				}
				r.ContentLength = c.length
				return r
			}
			m, err := newMessage(request(), "example.com", new(headerChecker))
			if err != nil {
				t.Fatal(err)
			}
			var theirs bytes.Buffer
			if err := request().Write(&theirs); err != nil {
				t.Fatal(err)
			}
			want := framing(theirs.Bytes())
			if want == "Transfer-Encoding: chunked\r\n" && strings.HasPrefix(c.name, "an empty body") {
				want = "Content-Length: 0\r\n"
			}
			if got := framing(m.text); got != want {
				t.Errorf("%s with %s: %q, want %q", method, c.name, got, want)
			}
		}
	}
}

// TestReadDeadlineOfAnAttempt checks which read deadline a connection has after each
// step of an attempt.
func TestReadDeadlineOfAnAttempt(t *testing.T) {
	const limit = 10 * time.Minute
	type step func(*responseDeadline, *conn)
	var sent step = func(d *responseDeadline, c *conn) { d.requestSent(c, nil) }
	var failed, begun step = (*responseDeadline).requestFailed, (*responseDeadline).responseBegun
	for _, test := range []struct {
		name  string
		limit time.Duration
		steps []step
		left  time.Duration // until the read deadline; 0: there is none
	}{
		{"sent", limit, []step{sent}, limit},
		{"sent without a time limit", 0, []step{sent}, 0},
		{"answered", limit, []step{sent, begun}, 0},
		{"answered before it was sent", limit, []step{begun, sent}, 0},
		{"failed", limit, []step{failed}, time.Second},
		{"failed, then answered", limit, []step{failed, begun}, time.Second},
		{"failed, then sent", limit, []step{failed, sent}, time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			near, far := net.Pipe()
			defer near.Close()
			defer far.Close()
			c := &conn{wire: &wire{Conn: near}, config: &Config{ResponseTimeout: func(*http.Request) time.Duration { return test.limit }}}
			d := new(responseDeadline)
			for _, take := range test.steps {
				take(d, c)
			}
			time.AfterFunc(time.Hour, func() { far.Close() })
			start := time.Now()
			_, err := near.Read(make([]byte, 1))
			took := time.Since(start)
			if timedOut := errors.Is(err, os.ErrDeadlineExceeded); timedOut != (test.left > 0) || timedOut && took != test.left {
				t.Errorf("%s: a read ended after %v with %v, want a timeout after %v", test.name, took, err, test.left)
			}
			if exceeded := d.exceeded(); exceeded != (test.left == limit) {
				t.Errorf("%s: exceeded is %v", test.name, exceeded)
			}
		})
	}
}

// TestCorporateProxyThatTakesNoRequest checks the error of a CONNECT that cannot be
// sent. It must not say that a response is missing.
func TestCorporateProxyThatTakesNoRequest(t *testing.T) {
	p := &corporateProxy{config: &Config{Address: "mail.contoso.com:443", Proxy: &url.URL{Scheme: "http", Host: "proxy.contoso.com"}}}
	c, _ := net.Pipe()
	c.Close()
	if err := p.requestTunnel(c); !errors.Is(err, io.ErrClosedPipe) || strings.Contains(err.Error(), "response") {
		t.Error(err)
	}
}

// TestUploadsShareATimer checks that all uploads together are checked once a second.
func TestUploadsShareATimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		checks := 0
		w := silenceWatch{sockets: sockets{
			sending: func(net.Conn) (socket.Sending, bool) { checks++; return socket.Sending{}, true },
		}}
		conns := []*conn{new(conn), new(conn), new(conn)}
		for _, c := range conns {
			w.begin(c, nil)
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if checks != 10*len(conns) {
			t.Errorf("%d checks of %d uploads in 10 seconds", checks, len(conns))
		}
		for _, c := range conns {
			w.end(c)
		}
		time.Sleep(time.Minute)
	})
}

package upstream

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
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

// TestDeadlineIsKept checks that a response leaves the read deadline of its
// connection unchanged if it was received completely, and only then. The next
// request can then use the deadline, which saves an expensive call.
func TestDeadlineIsKept(t *testing.T) {
	for _, c := range []struct {
		length int64
		kept   bool
	}{{0, true}, {5, true}, {6, false}, {-1, false}} {
		near, far := net.Pipe()
		defer near.Close()
		defer far.Close()
		at := time.Now().Add(time.Hour)
		k := &conn{wire: &wire{Conn: near}, deadline: at, br: bufio.NewReader(strings.NewReader("<ok/>"))}
		if _, err := k.br.Peek(5); err != nil {
			t.Fatal(err)
		}
		new(responseDeadline).responseBegun(k, &http.Response{ContentLength: c.length})
		if kept := k.deadline.Equal(at); kept != c.kept || !kept && !k.deadline.IsZero() {
			t.Errorf("a response of %d bytes, of which 5 have arrived: the deadline is %v", c.length, k.deadline)
		}
	}
}

// TestDeadlineOfARequest checks the read deadline after a request was sent on a
// connection that has a deadline from an earlier request. A request without a time
// limit must remove that deadline. One with a limit keeps it if between nine tenths
// of the limit and the whole limit are left.
func TestDeadlineOfARequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 10 * time.Minute
		for _, c := range []struct{ limit, left, want time.Duration }{
			{0, limit, 0}, {0, 0, 0},
			{limit, limit, limit}, {limit, 9 * time.Minute, 9 * time.Minute}, {limit, 9*time.Minute - 1, limit}, {limit, limit + 1, limit}, {limit, 0, limit},
		} {
			near, far := net.Pipe()
			k := &conn{wire: &wire{Conn: near}, config: &Config{ResponseTimeout: func(*http.Request) time.Duration { return c.limit }}}
			if c.left > 0 {
				k.setDeadline(time.Now().Add(c.left))
			}
			new(responseDeadline).requestSent(k, nil)
			var want time.Time
			if c.want > 0 {
				want = time.Now().Add(c.want)
			}
			if !k.deadline.Equal(want) {
				t.Errorf("a limit of %v with %v left: the deadline is %v, want %v", c.limit, c.left, k.deadline, want)
			}
			near.Close()
			far.Close()
		}
	})
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

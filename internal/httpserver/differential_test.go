package httpserver

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// differentialHandler has a path for each way in which a handler can respond.
func differentialHandler(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	_ = control.EnableFullDuplex()
	w.Header()["Content-Type"] = []string{"text/xml"} // set, because package httpserver does not guess the type as net/http does
	switch r.URL.Path {
	case "/echo":
		body, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s %d %q %v", r.Method, r.Host, r.Proto, r.ContentLength, body, err == nil)
	case "/length":
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Length", "5")
		_, _ = io.WriteString(w, "hello")
	case "/long":
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, strings.Repeat("x", 100_000))
	case "/longlength":
		w.Header().Set("Content-Length", "100000")
		_, _ = io.WriteString(w, strings.Repeat("x", 100_000))
	case "/flush":
		for range 3 {
			_, _ = io.WriteString(w, "part ")
			_ = control.Flush()
		}
	case "/flushfirst":
		w.WriteHeader(500)
		_ = control.Flush()
		_, _ = io.WriteString(w, "late")
	case "/empty":
	case "/status":
		code, _ := strconv.Atoi(r.URL.RawQuery)
		w.WriteHeader(code)
	case "/short":
		w.Header().Set("Content-Length", "10")
		_, _ = io.WriteString(w, "short")
	case "/toolong":
		w.Header().Set("Content-Length", "3")
		_, err := io.WriteString(w, "toolong")
		_, _ = io.WriteString(w, "abc")
		if err != http.ErrContentLength {
			panic("the error is another")
		}
	case "/close":
		w.Header().Set("Connection", "close")
		_, _ = io.WriteString(w, "bye")
	case "/split":
		w.Header().Set("X-Split", "a\r\nX-Evil: b")
		w.Header()["X Y"] = []string{"no name"}
		w.Header()["x-feServer"] = []string{"as written"}
		w.Header().Add("X-Two", "1")
		w.Header().Add("X-Two", "2")
	case "/abort":
		_, _ = io.WriteString(w, "half")
		_ = control.Flush()
		panic(http.ErrAbortHandler)
	case "/abortfirst":
		panic(http.ErrAbortHandler)
	case "/unread":
		w.WriteHeader(http.StatusForbidden)
	case "/twice":
		w.WriteHeader(201)
		w.Header().Set("X-Late", "1")
		_, _ = io.WriteString(w, "x")
	}
}

// A reply is what a client received after it sent a script.
type reply struct {
	responses []string
	kept      bool // the connection was still open at the end
}

func (r reply) String() string {
	return strings.Join(r.responses, "\n") + fmt.Sprintf("\nkept: %v", r.kept)
}

// converse sends a script over a connection of its own and reads all responses.
func converse(t *testing.T, address, script string, heads []string) (got reply) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Error(err)
		return got
	}
	defer c.Close()
	go io.WriteString(c, script)
	in := bufio.NewReader(c)
	for i := 0; ; i++ {
		limit := 20 * time.Second
		if i >= len(heads) {
			limit = time.Second // net/http closes some connections after 500 ms
		}
		_ = c.SetReadDeadline(time.Now().Add(limit))
		method := http.MethodPost
		if i < len(heads) {
			method = heads[i]
		}
		resp, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			timeout, ok := err.(net.Error)
			got.kept = ok && timeout.Timeout()
			return got
		}
		body, err := io.ReadAll(resp.Body)
		resp.Header.Del("Date")
		if resp.StatusCode >= 400 && resp.Close { // the servers' own error texts differ
			body, resp.ContentLength, resp.Header = nil, 0, nil
		}
		length := fmt.Sprint(len(body))
		if len(body) < 200 {
			length = string(body)
		}
		got.responses = append(got.responses, fmt.Sprintf("%d %s %v %d %v close=%v %q %v", resp.StatusCode, resp.Proto, resp.Header, resp.ContentLength,
			resp.TransferEncoding, resp.Close, length, err))
	}
}

// TestLikeNetHTTP checks that this server and net/http's server send equal
// responses to the same bytes, unless the case says why they differ. Both servers
// have the same handler.
func TestLikeNetHTTP(t *testing.T) {
	get := func(path string) string { return "GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\n" }
	post := func(path, rest string) string { return "POST " + path + " HTTP/1.1\r\nHost: a\r\n" + rest }
	const chunks = "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
	cases := []struct {
		name, script string
		methods      string // methods of the requests that get a response
		differs      string // why the responses differ; "": they must be equal
	}{
		{"length", post("/echo", "Content-Length: 5\r\n\r\nhello"), "POST", ""},
		{"chunks", post("/echo", chunks), "POST", ""},
		{"two, pipelined", post("/echo", chunks) + post("/echo", "Content-Length: 5\r\n\r\nhello"), "POST POST", ""},
		{"no body", post("/echo", "\r\n"), "POST", ""},
		{"an empty line after a body", post("/echo", "Content-Length: 1\r\n\r\nx\r\n") + get("/empty"), "POST GET", ""},
		{"declared length", get("/length"), "GET", ""},
		{"HEAD", strings.Replace(get("/length"), "GET", "HEAD", 1) + get("/length"), "HEAD GET", ""},
		{"HEAD without a length", strings.Replace(get("/flush"), "GET", "HEAD", 1) + get("/length"), "HEAD GET", ""},
		{"a long response in chunks", get("/long"), "GET", ""},
		{"a long response with a length", get("/longlength"), "GET", ""},
		{"flushed parts", get("/flush") + get("/flush"), "GET GET", ""},
		{"flushed before the body", get("/flushfirst") + get("/length"), "GET GET", ""},
		{"empty", get("/empty"), "GET", ""},
		{"204", get("/status?204") + get("/length"), "GET GET", ""},
		{"304", get("/status?304") + get("/length"), "GET GET", "net/http removes the Content-Type"},
		{"503", get("/status?503"), "GET", ""},
		{"less than declared", get("/short"), "GET", ""},
		{"more than declared", get("/toolong") + get("/length"), "GET GET", "net/http counts the bytes of the write that it refuses, and closes the connection"},
		{"closed by the handler", get("/close") + get("/length"), "GET", ""},
		{"closed by the client", "GET /length HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "GET", ""},
		{"header injection", get("/split"), "GET", ""},
		{"status twice, header late", get("/twice"), "GET", ""},
		{"aborted", get("/abort"), "GET", ""},
		{"aborted at once", get("/abortfirst"), "", ""},
		{"HTTP/1.0", "GET /length HTTP/1.0\r\nHost: a\r\n\r\n", "GET", ""},
		{"HTTP/1.0, kept", "GET /length HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n" + get("/length"), "GET GET", ""},
		{"HTTP/1.0, no length", "GET /long HTTP/1.0\r\nHost: a\r\n\r\n", "GET", ""},
		{"HTTP/1.0, no length, kept", "GET /long HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n", "GET", ""},
		{"HTTP/1.0, no Host", "GET /length HTTP/1.0\r\n\r\n", "GET", ""},
		{"Expect, read", post("/echo", "Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello"), "POST POST", ""},
		{"Expect, unread", post("/unread", "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n"), "POST", "net/http waits for the body before it closes the connection"},
		{"Expect in HTTP/1.0", "POST /echo HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx", "POST", ""},
		{"another expectation", post("/echo", "Expect: x\r\nContent-Length: 1\r\n\r\nx"), "POST", ""},
		{"absolute form", "GET http://b/echo HTTP/1.1\r\nHost: a\r\n\r\n", "GET", ""},
		{"unread body", post("/unread", "Content-Length: 5\r\n\r\nhello") + get("/length"), "POST", ""},
		{"trailers", post("/echo", "Trailer: X-T\r\n"+strings.TrimSuffix(chunks, "\r\n")+"X-T: 1\r\n\r\n"), "POST", ""},
		{"no Host", "GET /echo HTTP/1.1\r\n\r\n", "GET", ""},
		{"two Hosts", "GET /echo HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "GET", ""},
		{"HTTP/1.2", "GET /echo HTTP/1.2\r\nHost: a\r\n\r\n", "GET", ""},
		{"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET", "net/http calls the handler, which may switch to HTTP/2"},
		{"HTTP/0.9", "GET /echo\r\n\r\n", "GET", ""},
		{"a bad length", post("/echo", "Content-Length: +1\r\n\r\nx"), "POST", ""},
		{"another coding", post("/echo", "Transfer-Encoding: gzip\r\n\r\nx"), "POST", ""},
		{"a long head", "GET /echo HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 70<<10) + "\r\n\r\n", "GET", ""},
		{"a bad chunk", post("/echo", "Transfer-Encoding: chunked\r\n\r\nxyz\r\n"), "POST", "net/http waits for more before it closes the connection"},

		// Requests that this server's stricter grammar refuses, and related requests.
		{"bare LF", "GET /echo HTTP/1.1\nHost: a\n\n", "GET", "bare line feeds are refused"},
		{"folded", "GET /echo HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", "GET", ""},
		{"the same length twice", post("/echo", "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx"), "POST", "repeated lengths are refused"},
		{"length and coding", post("/echo", "Content-Length: 1\r\n"+chunks), "POST", "after a length with a coding the connection ends, as RFC 9112, section 6.1, demands"},
		{"chunks in HTTP/1.0", "POST /echo HTTP/1.0\r\nHost: a\r\n" + chunks, "POST", "net/http ignores the coding"},
	}
	netHTTP, here := startNetHTTP(t), start(t, http.HandlerFunc(differentialHandler))
	replies := make([][2]reply, len(cases))
	var all sync.WaitGroup // run the cases concurrently, because they mostly wait
	for i, tc := range cases {
		methods := strings.Fields(tc.methods)
		all.Go(func() { replies[i][0] = converse(t, here, tc.script, methods) })
		all.Go(func() { replies[i][1] = converse(t, netHTTP, tc.script, methods) })
	}
	all.Wait()
	for i, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			ours, theirs := replies[i][0], replies[i][1]
			if same := ours.String() == theirs.String(); same != (tc.differs == "") {
				t.Errorf("differs: %q; got\n%s\nnet/http:\n%s", tc.differs, ours, theirs)
			}
			if len(ours.responses) < len(strings.Fields(tc.methods)) {
				t.Errorf("%d responses to %s", len(ours.responses), tc.methods)
			}
		})
	}
}

func startNetHTTP(t *testing.T) (address string) {
	t.Helper()
	s := &http.Server{
		Handler: http.HandlerFunc(differentialHandler), DisableGeneralOptionsHandler: true,
		ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 64 << 10, ErrorLog: log.New(io.Discard, "", 0),
	}
	return listen(t, s.Serve, s.Close)
}

// start starts a server on loopback.
func start(t *testing.T, h http.Handler) (address string) {
	t.Helper()
	s := &Server{Handler: h, HeadTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeadBytes: 64 << 10}
	return listen(t, s.Serve, s.Close)
}

func listen(t *testing.T, serve func(net.Listener) error, stop func() error) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go serve(l)
	t.Cleanup(func() { stop() })
	return l.Addr().String()
}

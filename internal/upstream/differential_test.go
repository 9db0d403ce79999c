package upstream_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"hmaproxy/internal/upstream"
)

// A client has the methods that upstream.Transport and http.Transport have in
// common.
type client interface {
	http.RoundTripper
	CloseIdleConnections()
}

const maxHead = 256 << 10

// testConfig returns a configuration with the limits that the product uses.
func testConfig(s *server) upstream.Config {
	_, roots := serverIdentity()
	return upstream.Config{
		Host: "example.com", Address: "example.com:443",
		Dial:             func(ctx context.Context, _, _ string) (net.Conn, error) { return s.net.open(ctx, s) },
		TLS:              &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12, ServerName: "example.com"},
		HandshakeTimeout: 10 * time.Second, ContinueTimeout: 2 * time.Second, IdleTimeout: 55 * time.Second,
		MaxIdle: 256, MaxHead: maxHead,
	}
}

func newTestTransport(t testing.TB, s *server, adjust ...func(*upstream.Config)) *upstream.Transport {
	config := testConfig(s)
	for _, a := range adjust {
		a(&config)
	}
	transport, err := upstream.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return transport
}

// newNetHTTPTransport returns an http.Transport with the limits of testConfig.
func newNetHTTPTransport(s *server) *http.Transport {
	_, roots := serverIdentity()
	var http1 http.Protocols
	http1.SetHTTP1(true)
	return &http.Transport{
		DialContext:         func(ctx context.Context, _, _ string) (net.Conn, error) { return s.net.open(ctx, s) },
		TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: 10 * time.Second, IdleConnTimeout: 55 * time.Second, MaxIdleConnsPerHost: 256,
		ExpectContinueTimeout: 2 * time.Second, MaxResponseHeaderBytes: maxHead,
		DisableCompression: true, Protocols: &http1,
	}
}

// A testRequest is one request of a case.
type testRequest struct {
	method string // "" is GET, or POST with a body
	body   string
	stream bool  // the body does not support GetBody
	length int64 // the Content-Length to announce; 0: the length of body; -1: unknown
	fails  bool  // the body fails after its last byte
	header http.Header
	close  bool
}

var errBody = errors.New("the body failed")

// A trackedBody is a request body that records whether it was closed.
type trackedBody struct {
	io.Reader
	fails  bool
	closed atomic.Bool
}

func (b *trackedBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF && b.fails {
		err = errBody
	}
	return n, err
}

func (b *trackedBody) Close() error { b.closed.Store(true); return nil }

func (a testRequest) request(ctx context.Context) (*http.Request, *trackedBody) {
	r := (&http.Request{
		Method: a.method, Host: "example.com", Header: a.header.Clone(), Close: a.close,
		URL: &url.URL{Scheme: "https", Host: "example.com", Path: "/EWS/Exchange.asmx"},
	}).WithContext(ctx)
	if r.Header == nil {
		r.Header = http.Header{}
	}
	r.Header["User-Agent"] = []string{"test"}
	if r.Method == "" {
		r.Method = http.MethodGet
	}
	if a.body == "" && a.length == 0 {
		return r, nil
	}
	if a.method == "" {
		r.Method = http.MethodPost
	}
	b := &trackedBody{Reader: strings.NewReader(a.body), fails: a.fails}
	r.Body, r.ContentLength = b, int64(len(a.body))
	if a.length != 0 {
		r.ContentLength = a.length
	}
	if !a.stream {
		r.GetBody = func() (io.ReadCloser, error) { b.Reader = strings.NewReader(a.body); return b, nil }
	}
	return r, b
}

// classify returns how package proxy treats an error of RoundTrip.
func classify(ctx context.Context, err error) string {
	var notTLS tls.RecordHeaderError
	var notSent interface{ NotSent() bool }
	switch {
	case ctx.Err() != nil:
		return "cancelled"
	case errors.Is(err, errBody):
		return "broken: body"
	case errors.As(err, &notSent):
		if notSent.NotSent() {
			return "unconnected"
		}
	case errors.As(err, &notTLS): // http.Transport's error
		return "unconnected"
	}
	return "broken"
}

// The method "do" sends one request. summary describes the result in one line.
// The error, or the response without its body, is written to details. sent is
// the request's body.
func (a testRequest) do(ctx context.Context, c client, details *bytes.Buffer) (summary string, sent *trackedBody) {
	reused := false
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(i httptrace.GotConnInfo) { reused = i.Reused },
	})
	r, sent := a.request(ctx)
	resp, err := c.RoundTrip(r)
	if err != nil {
		fmt.Fprintln(details, err)
		return classify(ctx, err), sent
	}
	text, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	summary = fmt.Sprintf("%d %s", resp.StatusCode, shortened(text))
	if err != nil {
		summary += " cut"
	}
	if reused {
		summary += " reused"
	}
	fmt.Fprintln(details, resp.Proto, resp.Status, resp.ContentLength, resp.TransferEncoding, resp.Close, resp.Uncompressed)
	_ = resp.Header.Write(details)
	_ = resp.Trailer.Write(details)
	return summary, sent
}

func shortened(text []byte) string {
	if len(text) > 40 {
		return fmt.Sprintf("%d bytes", len(text))
	}
	return fmt.Sprintf("%q", text)
}

// nondeterministic marks a result that depends on a race within http.Transport.
const nondeterministic = "varies"

// A scenario is a server's script and the requests that are sent to it.
type scenario struct {
	name         string
	scripts      [][]step
	requests     []testRequest
	raw          bool
	tcp          bool   // requires TCP
	fakeTime     bool   // requires fake time
	readsNothing bool   // the server stops reading; set only together with fakeTime. http.Transport is nevertheless tested with TCP and real time, because it writes close_notify under a lock
	want         string // the result of upstream and, unless netHTTP is set, of http.Transport
	netHTTP      string // the result of http.Transport, if it differs
	because      string // the reason for the difference
}

func (c scenario) run(t *testing.T, n network, netHTTP bool) (summary, details string) {
	cert, _ := serverIdentity()
	s := &server{net: n, scripts: c.scripts, raw: c.raw, tls: &tls.Config{Certificates: []tls.Certificate{cert}}}
	var cl client = newNetHTTPTransport(s)
	if !netHTTP {
		cl = newTestTransport(t, s)
	}
	var all bytes.Buffer
	var lines []string
	var sent []*trackedBody
	for i, a := range c.requests {
		if i > 0 {
			n.settle()
		}
		ctx, cancel := context.WithTimeout(t.Context(), 9*time.Second)
		defer cancel()
		line, body := a.do(ctx, cl, &all)
		lines, sent = append(lines, line), append(sent, body)
	}
	n.settle()
	cl.CloseIdleConnections()
	if !s.waitClosed(20 * time.Second) {
		lines = append(lines, "a connection is still open")
	}
	lines = append(lines, fmt.Sprintf("%d on %d", s.requests, s.conns))
	if s.body > 0 {
		lines = append(lines, fmt.Sprintf("%d sent, %d whole", s.body, s.completeBodies))
	}
	if slices.ContainsFunc(sent, func(b *trackedBody) bool { return b != nil && !b.closed.Load() }) {
		lines = append(lines, "a body is open")
	}
	return strings.Join(lines, "; "), all.String()
}

func (c scenario) compare(t *testing.T, n network) {
	want, of := c.want, c.netHTTP
	if of == "" {
		of = want
	}
	if (c.netHTTP == "") != (c.because == "") {
		t.Fatal("a difference needs a reason, and a reason a difference")
	}
	summary, details := c.run(t, n, false)
	if summary != want {
		t.Errorf("upstream\n got %s\nwant %s\n%s", summary, want, details)
	}
	if _, memory := n.(memoryNetwork); memory && (!c.fakeTime || c.readsNothing) {
		return // http.Transport runs this case on TCP only: it closes connections under a lock, and fake time stands still while a goroutine waits for a lock
	}
	others := c.checkNetHTTP(t, n, of)
	if c.netHTTP == "" && !strings.Contains(summary, "broken") && !strings.Contains(summary, "unconnected") && details != others {
		t.Errorf("upstream\n%s\nhttp.Transport\n%s", details, others)
	}
}

// checkNetHTTP runs the scenario with http.Transport. It compares the result
// with the argument "of", unless that is nondeterministic. It returns the
// details of the responses.
func (c scenario) checkNetHTTP(t *testing.T, n network, of string) (details string) {
	summary, details := c.run(t, n, true)
	if summary != of && of != nondeterministic {
		t.Errorf("http.Transport\n got %s\nwant %s\n%s", summary, of, details)
	}
	return details
}

// TestAgainstNetHTTP runs each scenario with upstream and with http.Transport. It
// checks that the results are equal, unless the scenario says how they differ.
func TestAgainstNetHTTP(t *testing.T) {
	serverIdentity()          // must be called outside of the bubbles
	log.SetOutput(io.Discard) // http.Transport logs unexpected responses
	defer log.SetOutput(os.Stderr)
	cases := slices.Concat(wellFormed, interimResponses, malformed, requestBodies, earlyResponses, reuse)
	if len(cases) < 45 {
		t.Fatalf("only %d cases", len(cases))
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if !c.fakeTime {
				t.Run("tcp", func(t *testing.T) { c.compare(t, listen(t)) })
			}
			if c.readsNothing {
				t.Run("http.Transport", func(t *testing.T) { c.checkNetHTTP(t, listen(t), c.want) })
			}
			if !c.tcp {
				t.Run("memory", func(t *testing.T) { synctest.Test(t, func(t *testing.T) { c.compare(t, memoryNetwork{}) }) })
			}
		})
	}
}

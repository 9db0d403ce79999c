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

// A client is what the two implementations have in common.
type client interface {
	http.RoundTripper
	CloseIdleConnections()
}

const maxHead = 256 << 10

// complete is the configuration that the sidecar uses.
func complete(s *server) upstream.Config {
	_, roots := identity()
	return upstream.Config{
		Host: "example.com", Address: "example.com:443",
		Dial:             func(ctx context.Context, _, _ string) (net.Conn, error) { return s.net.open(ctx, s) },
		TLS:              &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12, ServerName: "example.com"},
		HandshakeTimeout: 10 * time.Second, ContinueTimeout: 2 * time.Second, IdleTimeout: 55 * time.Second,
		MaxIdle: 256, MaxHead: maxHead,
	}
}

func newLean(t testing.TB, s *server, adjust ...func(*upstream.Config)) *upstream.Transport {
	config := complete(s)
	for _, a := range adjust {
		a(&config)
	}
	lean, err := upstream.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return lean
}

// newStock returns the http.Transport that the sidecar uses behind a proxy.
func newStock(s *server) *http.Transport {
	_, roots := identity()
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

// An ask is one request of a case.
type ask struct {
	method string // "" is GET, or POST with a body
	body   string
	stream bool  // the body is not in memory
	length int64 // announced instead of the body's; -1: unknown
	fails  bool  // the body fails after its last byte
	header http.Header
	close  bool
}

var errBody = errors.New("the body failed")

// A source is a request's body that knows whether it was closed.
type source struct {
	io.Reader
	fails  bool
	closed atomic.Bool
}

func (b *source) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF && b.fails {
		err = errBody
	}
	return n, err
}

func (b *source) Close() error { b.closed.Store(true); return nil }

func (a ask) request(ctx context.Context) (*http.Request, *source) {
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
	b := &source{Reader: strings.NewReader(a.body), fails: a.fails}
	r.Body, r.ContentLength = b, int64(len(a.body))
	if a.length != 0 {
		r.ContentLength = a.length
	}
	if !a.stream {
		r.GetBody = func() (io.ReadCloser, error) { b.Reader = strings.NewReader(a.body); return b, nil }
	}
	return r, b
}

// trouble says what an error of RoundTrip means to package proxy.
func trouble(ctx context.Context, err error) string {
	var op *net.OpError
	var notTLS tls.RecordHeaderError
	var untrusted *tls.CertificateVerificationError
	var slow net.Error
	switch {
	case ctx.Err() != nil:
		return "cancelled"
	case errors.As(err, &op) && op.Op == "dial", errors.As(err, &untrusted), errors.As(err, &notTLS),
		errors.As(err, &slow) && slow.Timeout():
		return "unconnected"
	case errors.Is(err, errBody):
		return "broken: body"
	}
	return "broken"
}

// do sends one request and describes what came of it.
func (a ask) do(ctx context.Context, c client, details *bytes.Buffer) (said string, sent *source) {
	reused := false
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(i httptrace.GotConnInfo) { reused = i.Reused },
	})
	r, sent := a.request(ctx)
	resp, err := c.RoundTrip(r)
	if err != nil {
		fmt.Fprintln(details, err)
		return trouble(ctx, err), sent
	}
	text, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	said = fmt.Sprintf("%d %s", resp.StatusCode, shortened(text))
	if err != nil {
		said += " cut"
	}
	if reused {
		said += " reused"
	}
	fmt.Fprintln(details, resp.Proto, resp.Status, resp.ContentLength, resp.TransferEncoding, resp.Close, resp.Uncompressed)
	_ = resp.Header.Write(details)
	_ = resp.Trailer.Write(details)
	return said, sent
}

func shortened(text []byte) string {
	if len(text) > 40 {
		return fmt.Sprintf("%d bytes", len(text))
	}
	return fmt.Sprintf("%q", text)
}

// varies is the outcome of a race within http.Transport.
const varies = "varies"

// A scenario is what a server does and what is asked of it.
type scenario struct {
	name    string
	scripts [][]step
	asks    []ask
	raw     bool
	tcp     bool   // needs TCP
	fake    bool   // needs time that does not pass
	deaf    bool   // with fake, for http.Transport TCP and time that does: it says farewell to whom nobody reads, under a lock
	want    string // of upstream and, unless it differs, of http.Transport
	stock   string // of http.Transport, where it differs
	because string // is why
}

func (c scenario) play(t *testing.T, n network, stock bool) (said, details string) {
	cert, _ := identity()
	s := &server{net: n, scripts: c.scripts, raw: c.raw, tls: &tls.Config{Certificates: []tls.Certificate{cert}}}
	var cl client = newStock(s)
	if !stock {
		cl = newLean(t, s)
	}
	var all bytes.Buffer
	var lines []string
	var sent []*source
	for i, a := range c.asks {
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
	if !s.gone(20 * time.Second) {
		lines = append(lines, "a connection is left over")
	}
	lines = append(lines, fmt.Sprintf("%d on %d", s.requests, s.conns))
	if s.body > 0 {
		lines = append(lines, fmt.Sprintf("%d sent, %d whole", s.body, s.wholes))
	}
	if slices.ContainsFunc(sent, func(b *source) bool { return b != nil && !b.closed.Load() }) {
		lines = append(lines, "a body is open")
	}
	return strings.Join(lines, "; "), all.String()
}

func (c scenario) compare(t *testing.T, n network) {
	want, of := c.want, c.stock
	if of == "" {
		of = want
	}
	if (c.stock == "") != (c.because == "") {
		t.Fatal("a difference needs a reason, and a reason a difference")
	}
	said, details := c.play(t, n, false)
	if said != want {
		t.Errorf("upstream\n got %s\nwant %s\n%s", said, want, details)
	}
	if _, memory := n.(bubble); memory && (!c.fake || c.deaf) {
		return // TCP shows it; http.Transport closes under a lock, for which fake time does not wait
	}
	others := c.holdStock(t, n, of)
	if c.stock == "" && !strings.Contains(said, "broken") && details != others {
		t.Errorf("upstream\n%s\nhttp.Transport\n%s", details, others)
	}
}

// holdStock holds http.Transport to what it is said to do.
func (c scenario) holdStock(t *testing.T, n network, of string) (details string) {
	said, details := c.play(t, n, true)
	if said != of && of != varies {
		t.Errorf("http.Transport\n got %s\nwant %s\n%s", said, of, details)
	}
	return details
}

// TestAgainstNetHTTP puts the same servers before upstream and before
// http.Transport.
func TestAgainstNetHTTP(t *testing.T) {
	identity()                // outside of every bubble
	log.SetOutput(io.Discard) // http.Transport tells of answers to nothing
	defer log.SetOutput(os.Stderr)
	cases := slices.Concat(wellFormed, interim, hostile, bodies, early, kept)
	if len(cases) < 45 {
		t.Fatalf("only %d cases", len(cases))
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if !c.fake {
				t.Run("tcp", func(t *testing.T) { c.compare(t, listen(t)) })
			}
			if c.deaf {
				t.Run("http.Transport", func(t *testing.T) { c.holdStock(t, listen(t), c.want) })
			}
			if !c.tcp {
				t.Run("memory", func(t *testing.T) { synctest.Test(t, func(t *testing.T) { c.compare(t, bubble{}) }) })
			}
		})
	}
}

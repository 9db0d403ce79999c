package proxy_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hmaproxy/internal/memnet"
	"hmaproxy/proxy"
	"hmaproxy/proxy/policy"
)

// A scripted is a proxy between a client that writes raw bytes and an upstream that
// follows a script. It runs in a synctest bubble.
type scripted struct {
	t       *testing.T
	tokens  *tokens
	handler *proxy.Handler
	clients *memnet.Listener
	mu      sync.Mutex
	records []proxy.Record
}

// A script is the upstream's behaviour on one connection. n is the number of the
// connection, counted from 1.
type script func(n int, c net.Conn, r *bufio.Reader)

// withScript runs f with a scripted proxy, once for each transport that the product
// uses. Each run has its own synctest bubble.
func withScript(t *testing.T, p *policy.Policy, upstream script, f func(*scripted)) {
	t.Helper()
	withScriptAnd(t, nil, p, upstream, f)
}

// withScriptAnd is like withScript, but change modifies the configuration of the
// proxy.
func withScriptAnd(t *testing.T, change func(*proxy.Config), p *policy.Policy, upstream script, f func(*scripted)) {
	t.Helper()
	identity() // make the certificate before the synctest bubbles begin
	t.Run("internal/upstream", func(t *testing.T) {
		withScriptOver(t, newServer, func(l *scripted) transport { return l.lean(upstream) }, change, p, f)
	})
	t.Run("net/http", func(t *testing.T) {
		withScriptOver(t, newServer, func(l *scripted) transport {
			return &http.Transport{DialTLSContext: l.dialer(upstream), DisableCompression: true, ExpectContinueTimeout: 2 * time.Second}
		}, change, p, f)
	})
}

// withScriptInNetHTTP is like withScript, but net/http's server calls the Handler, as
// in other programs.
func withScriptInNetHTTP(t *testing.T, p *policy.Policy, upstream script, f func(*scripted)) {
	t.Helper()
	identity() // make the certificate before the synctest bubble begins
	withScriptOver(t, newNetHTTPServer, func(l *scripted) transport { return l.lean(upstream) }, nil, p, f)
}

func withScriptOver(t *testing.T, newServer func(*proxy.Handler) server, over func(*scripted) transport, change func(*proxy.Config), p *policy.Policy, f func(*scripted)) {
	synctest.Test(t, func(t *testing.T) {
		l := &scripted{t: t, tokens: &tokens{current: goodToken}, clients: memnet.NewListener(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1})}
		transport := over(l)
		config := proxy.Config{
			EWS:    &url.URL{Scheme: "https", Host: "mail.contoso.com", Path: "/EWS/Exchange.asmx"},
			Tokens: l.tokens, Refresher: l.tokens, Transport: transport,
			Policy: func() *policy.Policy { return p },
			Done: func(r *proxy.Record) {
				l.mu.Lock()
				defer l.mu.Unlock()
				l.records = append(l.records, *r)
			},
		}
		if change != nil {
			change(&config)
		}
		handler, err := proxy.New(config)
		if err != nil {
			t.Fatal(err)
		}
		l.handler = handler
		server := newServer(handler)
		go server.Serve(l.clients)
		f(l)
		l.clients.Close()
		server.Close()
		transport.CloseIdleConnections()
		time.Sleep(time.Minute) // net/http waits before it closes some connections
	})
}

func (l *scripted) dialer(upstream script) func(context.Context, string, string) (net.Conn, error) {
	n := 0
	return func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		l.mu.Lock()
		n++
		nth := n
		l.mu.Unlock()
		go func() {
			defer there.Close()
			upstream(nth, there, bufio.NewReader(there))
		}()
		return here, nil
	}
}

// dial opens a client's connection.
func (l *scripted) dial() (net.Conn, *bufio.Reader) {
	c, err := l.clients.DialContext(l.t.Context(), "tcp", "")
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { c.Close() })
	return c, bufio.NewReader(c)
}

// The method "over" waits until n requests have ended. It returns the records of
// all requests that have ended. The test fails if these requests take longer than d
// of simulated time.
func (l *scripted) over(n int, d time.Duration) []proxy.Record {
	l.t.Helper()
	for end := time.Now().Add(d); ; time.Sleep(100 * time.Millisecond) {
		l.mu.Lock()
		records := l.records
		l.mu.Unlock()
		if len(records) >= n {
			return records
		}
		if time.Now().After(end) {
			l.t.Fatalf("%d of %d requests are over after %v", len(records), n, d)
		}
	}
}

// head returns the head of a POST with a body of n bytes.
func head(n int) string {
	return fmt.Sprintf("POST /EWS/Exchange.asmx HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n", n)
}

const shortOK = "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 11\r\n\r\n<Envelope/>"

// readHead reads a request's head and leaves the body unread.
func readHead(r *bufio.Reader) string {
	var all strings.Builder
	for {
		line, err := r.ReadString('\n')
		all.WriteString(line)
		if err != nil || line == "\r\n" {
			return all.String()
		}
	}
}

// readReply reads a whole response and returns its body as text. If there is no
// response, status is 0 and text is the error.
func readReply(r *bufio.Reader) (status int, text string) {
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		return 0, "no response: " + err.Error()
	}
	all, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, "incomplete response: " + err.Error()
	}
	return resp.StatusCode, string(all)
}

// The function "within" sets the read deadline of c. It expires after d.
func within(c net.Conn, d time.Duration) { _ = c.SetReadDeadline(time.Now().Add(d)) }

// The function "long" returns a body that is too long to buffer.
func long() []byte { return envelope("alice@contoso.com", createItem(400<<10)) }

// readBodyOf reads a body of n bytes and reports whether it was complete.
func readBodyOf(r io.Reader, n int) bool {
	_, err := io.CopyN(io.Discard, r, int64(n))
	return err == nil
}

// contentLength returns the Content-Length in a request's head.
func contentLength(head string) (n int) {
	_, after, _ := strings.Cut(head, "Content-Length: ")
	_, _ = fmt.Sscanf(after, "%d", &n)
	return n
}

func newWriter() *httptest.ResponseRecorder { return httptest.NewRecorder() }

// newRequest returns a POST as net/http's server passes it to a handler.
func newRequest(body []byte) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/EWS/Exchange.asmx", bytes.NewReader(body))
	r.Host = "localhost"
	r.Header.Set("Content-Type", "text/xml")
	return r
}

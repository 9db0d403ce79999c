package upstream

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// newHostileServer starts a server that serves each TLS connection with serve,
// and returns a Transport for it. wrap, if not nil, wraps the client's
// connections.
func newHostileServer(t testing.TB, serve func(net.Conn, *bufio.Reader), wrap func(net.Conn) net.Conn) *Transport {
	t.Helper()
	certificate, roots := newCertificate()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(c, bufio.NewReader(c))
			}()
		}
	}()
	tr, err := New(newConfig(roots, func(ctx context.Context, network, _ string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, l.Addr().String())
		if err == nil && wrap != nil {
			c = wrap(c)
		}
		return c, err
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

// newConfig returns a configuration for the server example.com. dial opens the
// connections.
func newConfig(roots *x509.CertPool, dial func(ctx context.Context, network, address string) (net.Conn, error)) Config {
	return Config{
		Host: "example.com", Address: "example.com:443", Dial: dial,
		TLS:              &tls.Config{RootCAs: roots, ServerName: "example.com"},
		HandshakeTimeout: 5 * time.Second, ContinueTimeout: time.Second, IdleTimeout: time.Minute,
		MaxIdle: 16, MaxHead: 64 << 10,
	}
}

func post(body string) *http.Request {
	r, err := http.NewRequest(http.MethodPost, "https://example.com/EWS", strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	return r
}

// roundTrip returns the response's body, read in pieces of 32 KiB.
func roundTrip(tr *Transport, r *http.Request) (string, error) {
	resp, err := tr.RoundTrip(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var all []byte
	buf := make([]byte, 32<<10)
	for {
		n, err := resp.Body.Read(buf)
		all = append(all, buf[:n]...)
		if err == io.EOF {
			return string(all), nil
		}
		if err != nil {
			return string(all), err
		}
	}
}

func consume(br *bufio.Reader) (string, error) {
	r, err := http.ReadRequest(br)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(r.Body)
	return string(b), err
}

// TestBytesAfterResponseInTLSBuffer checks that bytes after a response are not
// read as the next response. TLS has already buffered these bytes, and the
// socket is empty.
func TestBytesAfterResponseInTLSBuffer(t *testing.T) {
	long := strings.Repeat("a", 10000)
	tr := newHostileServer(t, func(c net.Conn, br *bufio.Reader) {
		for first := true; ; first = false {
			body, err := consume(br)
			if err != nil {
				return
			}
			if first && body == "one" {
				fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%sHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nWRONG", len(long), long)
				continue
			}
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		}
	}, nil)
	if got, err := roundTrip(tr, post("one")); err != nil || got != long {
		t.Fatal(len(got), err)
	}
	time.Sleep(50 * time.Millisecond)
	if got, err := roundTrip(tr, post("two")); err != nil || got != "two" {
		t.Errorf("the second request's response is %q, %v; want %q", got, err, "two")
	}
}

// A timeoutConn, once armed, fails like a connection on Linux whose keep-alive
// probes are not acknowledged.
type timeoutConn struct {
	net.Conn
	armed *atomic.Bool
}

func (c timeoutConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil && c.armed.Load() {
		err = &net.OpError{Op: "read", Net: "tcp", Err: syscall.ETIMEDOUT}
	}
	return n, err
}

// TestTimeoutAfterSendingIsNotAConnectError checks the error for a request that
// was sent before the connection timed out. The error's method Timeout must not
// return true, because callers could take the error for a failed dial and retry.
func TestTimeoutAfterSendingIsNotAConnectError(t *testing.T) {
	var armed atomic.Bool
	got := make(chan string, 1)
	tr := newHostileServer(t, func(c net.Conn, br *bufio.Reader) {
		body, _ := consume(br)
		got <- body
		armed.Store(true)
		c.(*tls.Conn).NetConn().Close() // without close_notify, so that the client's read fails
	}, func(c net.Conn) net.Conn { return timeoutConn{c, &armed} })
	_, err := roundTrip(tr, post("mail"))
	if body := <-got; body != "mail" {
		t.Fatalf("the server got %q", body)
	}
	if err == nil || !strings.Contains(err.Error(), syscall.ETIMEDOUT.Error()) {
		t.Fatalf("the connection did not time out: %v", err)
	}
	var slow net.Error
	if errors.As(err, &slow) && slow.Timeout() || errors.Is(err, syscall.ETIMEDOUT) {
		t.Errorf("the server received the request, but the error looks like one of connecting: %v", err)
	}
}

func TestGarbageAfterSendingIsNotAConnectError(t *testing.T) {
	tr := newHostileServer(t, func(c net.Conn, br *bufio.Reader) {
		_, _ = consume(br)
		_, _ = c.(*tls.Conn).NetConn().Write([]byte("HTTP/1.1 502 Bad Gateway\r\n\r\n"))
		time.Sleep(100 * time.Millisecond)
	}, nil)
	_, err := roundTrip(tr, post("mail"))
	var notTLS tls.RecordHeaderError
	if err == nil || errors.As(err, &notTLS) {
		t.Errorf("the server received the request, but the error is one of the handshake: %v", err)
	}
}

// slowDeadlineConn is a connection whose SetReadDeadline returns 5 ms late, as it
// may on a busy machine.
type slowDeadlineConn struct{ *net.TCPConn }

func (c slowDeadlineConn) SetReadDeadline(at time.Time) error {
	err := c.TCPConn.SetReadDeadline(at)
	if !at.IsZero() {
		time.Sleep(5 * time.Millisecond)
	}
	return err
}

// TestClosedWhileIdleUnderLoad checks that no request is lost on a connection
// that the server closed while it was idle, even on a busy machine.
func TestClosedWhileIdleUnderLoad(t *testing.T) {
	tr := newHostileServer(t, func(c net.Conn, br *bufio.Reader) {
		body, err := consume(br)
		if err == nil {
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
			time.Sleep(20 * time.Millisecond)
		}
	}, func(c net.Conn) net.Conn { return slowDeadlineConn{c.(*net.TCPConn)} })
	if _, err := roundTrip(tr, post("one")); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond)
	if _, err := roundTrip(tr, post("two")); err != nil {
		t.Errorf("a POST was lost on a connection that was closed 80 ms before: %v", err)
	}
}

// TestOpenResponseReleasesRequestMemory checks that the memory of a request is
// released when its response begins, because a response may last for half an
// hour.
func TestOpenResponseReleasesRequestMemory(t *testing.T) {
	tr := newHostileServer(t, func(c net.Conn, br *bufio.Reader) {
		_, _ = consume(br)
		fmt.Fprint(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
		_, _ = br.ReadByte()
	}, nil)
	resp, err := tr.RoundTrip(post(strings.Repeat("b", 30<<10)))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if m := resp.Body.(*responseBody).attempt.msg; cap(m.text) > 0 {
		t.Errorf("an open response keeps %d bytes of its request in memory", cap(m.text))
	}
}

// A deadlineConn records its read deadline.
type deadlineConn struct {
	*net.TCPConn
	read *atomic.Pointer[time.Time]
}

func (c deadlineConn) SetReadDeadline(at time.Time) error {
	c.read.Store(&at)
	return c.TCPConn.SetReadDeadline(at)
}

// TestUploadHasNoReadDeadline checks that the deadline of an earlier response does
// not limit an upload on the same connection, which may take longer.
func TestUploadHasNoReadDeadline(t *testing.T) {
	var read atomic.Pointer[time.Time]
	duringUpload := make(chan time.Time, 1)
	respond := func(c net.Conn) { fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") }
	tr := newHostileServer(t, func(c net.Conn, br *bufio.Reader) {
		_, _ = consume(br)
		respond(c)
		r, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		_, _ = io.CopyN(io.Discard, r.Body, 1000)
		duringUpload <- *read.Load()
		_, _ = io.Copy(io.Discard, r.Body)
		respond(c)
	}, func(c net.Conn) net.Conn { return deadlineConn{c.(*net.TCPConn), &read} })
	tr.connector.config.ResponseTimeout = func(*http.Request) time.Duration { return time.Hour }
	if _, err := roundTrip(tr, post("short")); err != nil {
		t.Fatal(err)
	}
	bodyEnd, endBody := io.Pipe() // the upload lasts until endBody is closed
	upload := post("")
	upload.Body, upload.ContentLength, upload.GetBody = io.NopCloser(io.MultiReader(strings.NewReader(strings.Repeat("b", 1000)), bodyEnd)), -1, nil
	sent := make(chan error, 1)
	go func() {
		_, err := roundTrip(tr, upload)
		sent <- err
	}()
	if at := <-duringUpload; !at.IsZero() {
		t.Errorf("an upload has the read deadline %v", at)
	}
	endBody.Close()
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

// connWithoutTryRead hides the method SyscallConn, so socket.TryReader returns nil
// for it, as for every connection on some systems.
type connWithoutTryRead struct{ net.Conn }

// TestStress checks that each request gets its own response, and reaches the
// server at most once.
func TestStress(t *testing.T) {
	for name, wrap := range map[string]func(net.Conn) net.Conn{
		"read without waiting": nil, "idle reader": func(c net.Conn) net.Conn { return connWithoutTryRead{c} },
	} {
		t.Run(name, func(t *testing.T) { stress(t, wrap) })
	}
}

func stress(t *testing.T, wrap func(net.Conn) net.Conn) {
	before := runtime.NumGoroutine()
	var mu sync.Mutex
	seen := map[string]int{}
	tr := newHostileServer(t, func(c net.Conn, br *bufio.Reader) {
		for i := 0; ; i++ {
			r, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			id := r.Header.Get("Id")
			mu.Lock()
			seen[id]++
			mu.Unlock()
			early := len(id)%3 == 0 && i%4 == 3
			if r.Header.Get("Expect") != "" {
				fmt.Fprint(c, "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n")
			}
			if !early {
				_, _ = io.Copy(io.Discard, r.Body)
			}
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(id), id)
			if early {
				_, _ = io.Copy(io.Discard, r.Body)
			}
			if i == 9 {
				return
			}
		}
	}, wrap)
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			for i := range 60 {
				sendOne(t, tr, fmt.Sprintf("%d-%d", g, i), i)
			}
		})
	}
	wg.Wait()
	mu.Lock()
	for id, n := range seen {
		if n > 1 {
			t.Errorf("the server received request %s %d times", id, n)
		}
	}
	mu.Unlock()
	tr.CloseIdleConnections()
	for range 100 {
		if runtime.NumGoroutine() <= before+3 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("%d goroutines before, %d after", before, runtime.NumGoroutine())
}

func sendOne(t *testing.T, tr *Transport, id string, i int) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r := post(strings.Repeat("x", []int{0, 10, 30000, 200000}[i%4])).WithContext(ctx)
	r.Header.Set("Id", id)
	if i%5 == 0 {
		r.GetBody, r.ContentLength = nil, -1
	}
	if i%7 == 0 {
		r.Header.Set("Expect", "100-continue")
	}
	if i%11 == 0 {
		time.AfterFunc(time.Duration(i*20)*time.Microsecond, cancel)
	}
	if got, err := roundTrip(tr, r); err == nil && got != id {
		t.Errorf("request %s got the response %q", id, got)
	}
}

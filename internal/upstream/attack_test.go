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
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// hostile serves each TLS connection with serve and returns a Transport to it.
// wrap may put something around the client's connections.
func hostile(t *testing.T, serve func(net.Conn, *bufio.Reader), wrap func(net.Conn) net.Conn) *Transport {
	t.Helper()
	s := httptest.NewTLSServer(http.NotFoundHandler())
	certificate, roots := s.TLS.Certificates[0], x509.NewCertPool()
	roots.AddCert(s.Certificate())
	s.Close()
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
	tr, err := New(Config{
		Host: "example.com", Address: l.Addr().String(),
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, network, address)
			if err == nil && wrap != nil {
				c = wrap(c)
			}
			return c, err
		},
		TLS:              &tls.Config{RootCAs: roots, ServerName: "example.com"},
		HandshakeTimeout: 5 * time.Second, ContinueTimeout: time.Second, IdleTimeout: time.Minute,
		MaxIdle: 16, MaxHead: 64 << 10,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

func post(body string) *http.Request {
	r, err := http.NewRequest(http.MethodPost, "https://example.com/EWS", strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	return r
}

// roundTrip returns the answer's body, read in pieces of 32 KiB.
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

// What a server sends beyond an answer must not become the next one's, also
// when TLS has read it already and the system has nothing left to show.
func TestLeftoverInTLSIsNoAnswer(t *testing.T) {
	long := strings.Repeat("a", 10000)
	tr := hostile(t, func(c net.Conn, br *bufio.Reader) {
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
		t.Errorf("the second request's answer is %q, %v; want %q", got, err, "two")
	}
}

// etimedout breaks as Linux does when keep-alive probes stay unanswered.
type etimedout struct {
	net.Conn
	armed *atomic.Bool
}

func (c etimedout) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil && c.armed.Load() {
		err = &net.OpError{Op: "read", Net: "tcp", Err: syscall.ETIMEDOUT}
	}
	return n, err
}

// A request that was sent must not fail like one for which there was no
// connection: callers tell their clients to send it again.
func TestLossAfterSendingIsNotUnreachable(t *testing.T) {
	var armed atomic.Bool
	got := make(chan string, 1)
	tr := hostile(t, func(c net.Conn, br *bufio.Reader) {
		body, _ := consume(br)
		got <- body
		armed.Store(true)
	}, func(c net.Conn) net.Conn { return etimedout{c, &armed} })
	_, err := roundTrip(tr, post("mail"))
	if body := <-got; body != "mail" {
		t.Fatalf("the server got %q", body)
	}
	var slow net.Error
	if errors.As(err, &slow) && slow.Timeout() {
		t.Errorf("the server had the request, yet Timeout is true: %v", err)
	}
}

// The same for what is not TLS in the middle of a connection.
func TestGarbageAfterSendingIsNotUnreachable(t *testing.T) {
	tr := hostile(t, func(c net.Conn, br *bufio.Reader) {
		_, _ = consume(br)
		_, _ = c.(*tls.Conn).NetConn().Write([]byte("HTTP/1.1 502 Bad Gateway\r\n\r\n"))
		time.Sleep(100 * time.Millisecond)
	}, nil)
	_, err := roundTrip(tr, post("mail"))
	var notTLS tls.RecordHeaderError
	if err == nil || errors.As(err, &notTLS) {
		t.Errorf("the server had the request, yet it looks as if there was no TLS: %v", err)
	}
}

// preempted is a connection whose user loses the processor after it has set a
// deadline.
type preempted struct{ *net.TCPConn }

func (c preempted) SetReadDeadline(at time.Time) error {
	err := c.TCPConn.SetReadDeadline(at)
	if !at.IsZero() {
		time.Sleep(5 * time.Millisecond)
	}
	return err
}

// A server that ends an idle connection properly costs no request, on however
// busy a machine.
func TestEndedWhileIdleUnderLoad(t *testing.T) {
	tr := hostile(t, func(c net.Conn, br *bufio.Reader) {
		body, err := consume(br)
		if err == nil {
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
			time.Sleep(20 * time.Millisecond)
		}
	}, func(c net.Conn) net.Conn { return preempted{c.(*net.TCPConn)} })
	if _, err := roundTrip(tr, post("one")); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond)
	if _, err := roundTrip(tr, post("two")); err != nil {
		t.Errorf("a POST was lost on a connection that had ended 80 ms before: %v", err)
	}
}

// An answer may last for half an hour; the request's memory must not.
func TestAnswerDoesNotPinRequest(t *testing.T) {
	tr := hostile(t, func(c net.Conn, br *bufio.Reader) {
		_, _ = consume(br)
		fmt.Fprint(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
		_, _ = br.ReadByte()
	}, nil)
	resp, err := tr.RoundTrip(post(strings.Repeat("b", 30<<10)))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if f := resp.Body.(*flight); cap(f.text) > 0 {
		t.Errorf("an answer under way holds %d bytes of its request", cap(f.text))
	}
}

// bare hides SyscallConn, as on systems without a peek.
type bare struct{ net.Conn }

// Answers stay with their requests under everything at once.
func TestStress(t *testing.T) {
	for name, wrap := range map[string]func(net.Conn) net.Conn{
		"peek": nil, "watch": func(c net.Conn) net.Conn { return bare{c} },
	} {
		t.Run(name, func(t *testing.T) { stress(t, wrap) })
	}
}

func stress(t *testing.T, wrap func(net.Conn) net.Conn) {
	before := runtime.NumGoroutine()
	var mu sync.Mutex
	seen := map[string]int{}
	tr := hostile(t, func(c net.Conn, br *bufio.Reader) {
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
				one(t, tr, fmt.Sprintf("%d-%d", g, i), i)
			}
		})
	}
	wg.Wait()
	mu.Lock()
	for id, n := range seen {
		if n > 1 {
			t.Errorf("request %s was seen %d times", id, n)
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

func one(t *testing.T, tr *Transport, id string, i int) {
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
		t.Errorf("request %s got the answer %q", id, got)
	}
}

package httpserver

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"hmaproxy/internal/memnet"
)

const (
	getRequest  = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
	postRequest = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
)

// A testServer is a server on an in-memory network, inside a synctest bubble.
type testServer struct {
	*Server
	t        *testing.T
	listener *memnet.Listener
	serve    chan error
}

func inMemory(t *testing.T, h http.HandlerFunc, test func(s *testServer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &testServer{t: t, serve: make(chan error, 1), listener: memnet.NewListener(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8080})}
		s.Server = &Server{Handler: h, HeadTimeout: 10 * time.Second, IdleTimeout: 3 * time.Minute, MaxHeadBytes: 16 << 10}
		go func() { s.serve <- s.Server.Serve(s.listener) }()
		test(s)
		s.Close()
		if err := <-s.serve; err != http.ErrServerClosed {
			t.Errorf("Serve returned %v", err)
		}
	})
}

func (s *testServer) dial() (net.Conn, *bufio.Reader) {
	s.t.Helper()
	c, err := s.listener.DialContext(s.t.Context(), "tcp", "")
	if err != nil {
		s.t.Fatal(err)
	}
	return c, bufio.NewReader(c)
}

// send writes in its own goroutine, because a write to the in-memory network blocks
// until the other end reads.
func send(c net.Conn, text string) { go io.WriteString(c, text) }

// receive reads a response.
func (s *testServer) receive(in *bufio.Reader) *http.Response {
	s.t.Helper()
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp
}

// closed waits until the server closes the connection and returns how long that
// took.
func closed(in io.Reader) time.Duration {
	began := time.Now()
	_, _ = io.Copy(io.Discard, in)
	return time.Since(began)
}

func ok(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }

func TestTimeLimits(t *testing.T) {
	t.Run("no request", func(t *testing.T) {
		inMemory(t, ok, func(s *testServer) {
			_, in := s.dial()
			if took := closed(in); took != 10*time.Second {
				t.Errorf("closed after %v", took)
			}
		})
	})
	t.Run("a head that does not end", func(t *testing.T) {
		inMemory(t, ok, func(s *testServer) {
			c, in := s.dial()
			began := time.Now()
			send(c, "GET / HTTP/1.1\r\nHost")
			if resp := s.receive(in); resp.StatusCode != http.StatusRequestTimeout || !resp.Close || time.Since(began) != 10*time.Second {
				t.Errorf("%d after %v", resp.StatusCode, time.Since(began))
			}
			closed(in)
		})
	})
	t.Run("a head that comes slowly", func(t *testing.T) {
		inMemory(t, ok, func(s *testServer) {
			c, in := s.dial()
			began := time.Now()
			go func() {
				for range 100 {
					if _, err := c.Write([]byte("G")); err != nil {
						return
					}
					time.Sleep(time.Second)
				}
			}()
			if resp := s.receive(in); resp.StatusCode != http.StatusRequestTimeout || time.Since(began) != 10*time.Second {
				t.Errorf("%d after %v", resp.StatusCode, time.Since(began))
			}
			closed(in)
			time.Sleep(time.Second) // let the goroutine that writes the request end
		})
	})
	t.Run("idle", func(t *testing.T) {
		inMemory(t, ok, func(s *testServer) {
			c, in := s.dial()
			for range 3 {
				send(c, postRequest)
				s.receive(in)
				time.Sleep(3*time.Minute - time.Second)
			}
			send(c, postRequest)
			s.receive(in)
			if took := closed(in); took != 3*time.Minute {
				t.Errorf("closed after %v", took)
			}
		})
	})
	t.Run("the handler's limit for the body", func(t *testing.T) {
		var took time.Duration
		var readErr error
		inMemory(t, func(w http.ResponseWriter, r *http.Request) {
			began := time.Now()
			_ = http.NewResponseController(w).SetReadDeadline(began.Add(30 * time.Second))
			_, readErr = io.ReadAll(r.Body)
			took = time.Since(began)
			w.WriteHeader(http.StatusTeapot)
		}, func(s *testServer) {
			c, in := s.dial()
			send(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nhello")
			if resp := s.receive(in); resp.StatusCode != http.StatusTeapot || took != 30*time.Second || !isTimeout(readErr) {
				t.Errorf("%d: the body ended after %v with %v", resp.StatusCode, took, readErr)
			}
			closed(in)
		})
	})
	t.Run("a body has no limit but the handler's", func(t *testing.T) {
		inMemory(t, ok, func(s *testServer) {
			c, in := s.dial()
			send(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nhello")
			time.Sleep(time.Hour)
			send(c, "!")
			if resp := s.receive(in); resp.StatusCode != http.StatusOK {
				t.Error(resp.StatusCode)
			}
			c.Close()
		})
	})
	t.Run("the handler's limit for the response", func(t *testing.T) {
		var took time.Duration
		var writeErr error
		inMemory(t, func(w http.ResponseWriter, r *http.Request) {
			began := time.Now()
			_ = http.NewResponseController(w).SetWriteDeadline(began.Add(time.Minute))
			for writeErr == nil {
				_, writeErr = w.Write(make([]byte, 1<<20))
			}
			took = time.Since(began)
		}, func(s *testServer) {
			c, in := s.dial()
			send(c, getRequest)
			time.Sleep(2 * time.Minute)
			synctest.Wait()
			if took != time.Minute || !isTimeout(writeErr) {
				t.Errorf("the response ended after %v with %v", took, writeErr)
			}
			c.Close()
			_, _ = io.Copy(io.Discard, in)
		})
	})
}

// TestClientLeaves checks that the context of a request ends when the client
// leaves, and not before.
func TestClientLeaves(t *testing.T) {
	for _, request := range []string{getRequest, postRequest, strings.Replace(postRequest, "Content-Length: 5\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", 1)} {
		for _, leaves := range []time.Duration{time.Millisecond, watchDelay - 1, watchDelay, watchDelay + 1, time.Hour} {
			var noticed time.Duration
			inMemory(t, func(_ http.ResponseWriter, r *http.Request) {
				began := time.Now()
				_, _ = io.Copy(io.Discard, r.Body)
				<-r.Context().Done()
				noticed = time.Since(began)
			}, func(s *testServer) {
				c, _ := s.dial()
				send(c, request)
				time.Sleep(leaves)
				c.Close()
				time.Sleep(watchDelay)
				synctest.Wait()
				if noticed < leaves || noticed > max(leaves, watchDelay) {
					t.Errorf("left after %v, noticed after %v", leaves, noticed)
				}
			})
		}
	}
}

// TestContextOfARequest checks that a request's context has the local address, and
// that it ends when the handler returns.
func TestContextOfARequest(t *testing.T) {
	var ctx context.Context
	inMemory(t, func(_ http.ResponseWriter, r *http.Request) { ctx = r.Context() }, func(s *testServer) {
		c, in := s.dial()
		send(c, getRequest)
		s.receive(in)
		if local := ctx.Value(http.LocalAddrContextKey); fmt.Sprint(local) != "127.0.0.1:8080" {
			t.Errorf("the local address is %v", local)
		}
		if ctx.Err() != context.Canceled {
			t.Error("the context has not ended with the handler")
		}
		c.Close()
	})
}

// TestNextRequestDuringAHandler sends the next requests while a handler works:
// before, when and after the watch begins. It checks that no byte is lost and that
// the request's context does not end.
func TestNextRequestDuringAHandler(t *testing.T) {
	long := "POST /2 HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 9000) + "\r\nContent-Length: 5\r\n\r\nhello"
	for _, pause := range []time.Duration{0, time.Millisecond, watchDelay, watchDelay + time.Second} {
		for _, size := range []int{1, 63, 64, 65, 5000, 1 << 20} {
			var targets []string
			var left atomic.Bool
			inMemory(t, func(w http.ResponseWriter, r *http.Request) {
				targets = append(targets, r.Method+" "+r.RequestURI)
				_, _ = io.Copy(io.Discard, r.Body)
				if r.RequestURI == "/1" {
					time.Sleep(2 * watchDelay)
				}
				if r.Context().Err() != nil {
					left.Store(true)
				}
			}, func(s *testServer) {
				c, in := s.dial()
				go func() {
					_, _ = io.WriteString(c, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n")
					time.Sleep(pause)
					for part := range slices.Chunk([]byte(long+"GET /3 HTTP/1.1\r\nHost: a\r\n\r\n"), size) {
						_, _ = c.Write(part)
					}
				}()
				for range 3 {
					s.receive(in)
				}
				if fmt.Sprint(targets) != "[GET /1 POST /2 GET /3]" || left.Load() {
					t.Errorf("requests %v; left: %v", targets, left.Load())
				}
				c.Close()
			})
		}
	}
}

// TestShutdownFinishesRequests checks that a request in progress gets its
// response, that idle connections end immediately, and that no request is accepted
// afterwards.
func TestShutdownFinishesRequests(t *testing.T) {
	inMemory(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			time.Sleep(5 * time.Second)
		}
	}, func(s *testServer) {
		idle, idleIn := s.dial()
		send(idle, getRequest)
		s.receive(idleIn)
		fresh, freshIn := s.dial()
		defer fresh.Close()
		busy, busyIn := s.dial()
		send(busy, postRequest)
		time.Sleep(time.Second)
		began := time.Now()
		ended := make(chan error)
		go func() { ended <- s.Shutdown(context.Background()) }()
		if a, b := closed(idleIn), closed(freshIn); a != 0 || b != 0 {
			t.Errorf("idle connections end after %v and %v", a, b)
		}
		resp := s.receive(busyIn)
		if !resp.Close || resp.StatusCode != http.StatusOK {
			t.Errorf("%d, close: %v", resp.StatusCode, resp.Close)
		}
		closed(busyIn)
		if err := <-ended; err != nil || time.Since(began) != 4*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		if _, err := s.listener.DialContext(s.t.Context(), "tcp", ""); err == nil {
			t.Error("the listener is still open")
		}
	})
}

// TestTwoShutdowns checks that Shutdown may be called while another call of it
// waits for a request. Both calls must end when the request has ended.
func TestTwoShutdowns(t *testing.T) {
	inMemory(t, func(http.ResponseWriter, *http.Request) {
		time.Sleep(5 * time.Second)
	}, func(s *testServer) {
		c, in := s.dial()
		send(c, getRequest)
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		ended := make(chan error)
		for range 2 {
			go func() { ended <- s.Shutdown(ctx) }()
			synctest.Wait()
		}
		s.receive(in)
		closed(in)
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	})
}

func TestShutdownEndsWithItsContext(t *testing.T) {
	var cause error
	inMemory(t, func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		cause = r.Context().Err()
	}, func(s *testServer) {
		c, in := s.dial()
		send(c, getRequest)
		time.Sleep(time.Millisecond)
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := s.Shutdown(ctx); err != context.DeadlineExceeded {
			t.Error(err)
		}
		synctest.Wait()
		if cause != nil {
			t.Error("Shutdown has ended a request")
		}
		s.Close()
		if took := closed(in); took != 0 {
			t.Errorf("closed after %v", took)
		}
		synctest.Wait()
		if cause != context.Canceled {
			t.Errorf("Close has left a request: %v", cause)
		}
	})
}

// TestShutdownWhileNothingIsOpen checks that Shutdown may be called twice without
// connections, and that Serve then returns http.ErrServerClosed.
func TestShutdownWhileNothingIsOpen(t *testing.T) {
	s := &Server{}
	for range 2 {
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}
	l := memnet.NewListener(&net.TCPAddr{})
	if err := s.Serve(l); err != http.ErrServerClosed {
		t.Error(err)
	}
	if _, err := l.Accept(); err == nil {
		t.Error("the listener is open")
	}
}

func TestPanicsEndTheConnection(t *testing.T) {
	for _, tc := range []struct {
		name  string
		value any
		log   bool
	}{{"abort", http.ErrAbortHandler, false}, {"fault", errors.New("secret"), true}} {
		t.Run(tc.name, func(t *testing.T) {
			var text bytes.Buffer
			inMemory(t, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.WriteString(w, "half")
				_ = http.NewResponseController(w).Flush()
				panic(tc.value)
			}, func(s *testServer) {
				s.ErrorLog = log.New(&text, "", 0)
				c, in := s.dial()
				send(c, getRequest)
				resp, err := http.ReadResponse(in, nil)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadAll(resp.Body); err == nil {
					t.Error("the response looks complete")
				}
				closed(in)
			})
			if (text.Len() > 0) != tc.log || strings.Contains(text.String(), "secret") {
				t.Errorf("the log is %q", text.String())
			}
		})
	}
}

// TestCloseBeforeTheHandler checks that the handler is not called if the server is
// closed after the head of the request has arrived.
func TestCloseBeforeTheHandler(t *testing.T) {
	called := false
	inMemory(t, func(http.ResponseWriter, *http.Request) { called = true }, func(s *testServer) {
		s.ConnState = func(_ net.Conn, state http.ConnState) {
			if state == http.StateActive {
				s.Close()
			}
		}
		c, in := s.dial()
		send(c, getRequest)
		closed(in)
		synctest.Wait()
	})
	if called {
		t.Error("a closed server has called the handler")
	}
}

// TestEmptyLinesBetweenRequests checks that two empty lines after a POST are
// ignored, as by net/http, and that the first byte of a third one is refused
// immediately.
func TestEmptyLinesBetweenRequests(t *testing.T) {
	inMemory(t, ok, func(s *testServer) {
		c, in := s.dial()
		send(c, postRequest+"\r\n\r\n"+postRequest+"\r\n\r\n\r")
		began := time.Now()
		for i, want := range []int{200, 200, 400} {
			if resp := s.receive(in); resp.StatusCode != want {
				t.Errorf("response %d: %d, want %d", i, resp.StatusCode, want)
			}
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("the refusal came after %v", took)
		}
		c.Close()
	})
}

// TestChunkExtensions checks that this package and net/http accept the same number
// of chunks with long extensions.
func TestChunkExtensions(t *testing.T) {
	for _, size := range []int{1, 10, 100} { // bytes of data in each chunk
		for _, extension := range []int{10, 30, 78, 200} {
			chunk := fmt.Sprintf("%x;%s\r\n%s\r\n", size, strings.Repeat("e", extension), strings.Repeat("x", size))
			// accepted returns the largest number of such chunks that a reader accepts, up
			// to a limit.
			accepted := func(accepts func(body string) bool) int {
				const limit = 1100
				return sort.Search(limit, func(n int) bool { return !accepts(strings.Repeat(chunk, n+1) + "0\r\n\r\n") })
			}
			ours := accepted(func(body string) bool {
				all, _ := serveBytes([]byte("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"+body), nil)
				return len(all) == 1 && all[0].Whole
			})
			theirs := accepted(func(body string) bool {
				_, err := io.Copy(io.Discard, httputil.NewChunkedReader(strings.NewReader(body)))
				return err == nil
			})
			if ours != theirs {
				t.Errorf("chunks of %d bytes with %d bytes of extensions: %d are accepted, by net/http %d", size, extension, ours, theirs)
			}
		}
	}
}

// TestReadLeftBehind checks that the connection ends when the handler returns,
// although a goroutine that the handler started still waits for the body.
func TestReadLeftBehind(t *testing.T) {
	inMemory(t, func(_ http.ResponseWriter, r *http.Request) {
		go io.ReadAll(r.Body)
		time.Sleep(time.Second)
	}, func(s *testServer) {
		c, in := s.dial()
		send(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nhello")
		began := time.Now()
		s.receive(in)
		closed(in)
		if time.Since(began) != time.Second {
			t.Errorf("the connection ended after %v", time.Since(began))
		}
	})
}

func TestBodyIsNotReadAfterTheHandler(t *testing.T) {
	var body io.Reader
	inMemory(t, func(_ http.ResponseWriter, r *http.Request) { body = r.Body }, func(s *testServer) {
		c, in := s.dial()
		send(c, postRequest)
		s.receive(in)
		if n, err := body.Read(make([]byte, 9)); n != 0 || err != errBodyClosed {
			t.Errorf("%d bytes, %v", n, err)
		}
		closed(in)
	})
}

func TestExpectContinue(t *testing.T) {
	const head = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
	t.Run("the body is read", func(t *testing.T) {
		inMemory(t, func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Second)
			ok(w, r)
		}, func(s *testServer) {
			c, in := s.dial()
			began := time.Now()
			send(c, head)
			line, _ := in.ReadString('\n')
			empty, _ := in.ReadString('\n')
			if line != "HTTP/1.1 100 Continue\r\n" || empty != "\r\n" || time.Since(began) != time.Second {
				t.Fatalf("%q after %v", line, time.Since(began))
			}
			send(c, "hello")
			if resp := s.receive(in); resp.StatusCode != http.StatusOK || resp.Close {
				t.Errorf("%d, close: %v", resp.StatusCode, resp.Close)
			}
			c.Close()
		})
	})
	t.Run("the response comes first", func(t *testing.T) {
		inMemory(t, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(time.Second))
			_, _ = io.Copy(io.Discard, r.Body)
		}, func(s *testServer) {
			c, in := s.dial()
			send(c, head)
			if resp := s.receive(in); resp.StatusCode != http.StatusForbidden || !resp.Close {
				t.Errorf("%d, close: %v", resp.StatusCode, resp.Close)
			}
			closed(in)
		})
	})
}

func TestConnStates(t *testing.T) {
	var mu sync.Mutex
	var states []string
	inMemory(t, ok, func(s *testServer) {
		s.ConnState = func(_ net.Conn, state http.ConnState) {
			mu.Lock()
			defer mu.Unlock()
			states = append(states, state.String())
		}
		c, in := s.dial()
		for range 2 {
			send(c, getRequest)
			s.receive(in)
			synctest.Wait()
		}
		c.Close()
		synctest.Wait()
	})
	if got := strings.Join(states, " "); got != "new active idle active idle closed" {
		t.Error(got)
	}
}

// A failingListener is a listener whose calls of Accept return the errors in errs,
// one after the other. In place of an error that is nil, Accept returns a
// connection whose client has left.
type failingListener struct {
	net.Listener
	errs []error
}

func (l *failingListener) Accept() (net.Conn, error) {
	err := l.errs[0]
	l.errs = l.errs[1:]
	if err != nil {
		return nil, err
	}
	server, client := net.Pipe()
	client.Close()
	return server, nil
}
func (*failingListener) Close() error { return nil }

func TestAcceptIsTriedAgain(t *testing.T) {
	again := &net.OpError{Op: "accept", Err: syscall.EMFILE}
	broken := errors.New("broken")
	for _, c := range []struct {
		name string
		errs []error
		want time.Duration
	}{
		{"the pauses double", []error{again, again, again, broken}, (5 + 10 + 20) * time.Millisecond},
		{"a connection in between", []error{again, again, again, nil, again, again, broken}, (5 + 10 + 20 + 5 + 10) * time.Millisecond},
		{"the longest pause is a second", append(slices.Repeat([]error{again}, 10), broken), (5+10+20+40+80+160+320+640)*time.Millisecond + 2*time.Second},
		{"an error that lasts", []error{broken}, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			if err := new(Server).Serve(&failingListener{errs: c.errs}); err != broken || time.Since(began) != c.want {
				t.Errorf("%s: %v after %v, want %v after %v", c.name, err, time.Since(began), broken, c.want)
			}
		})
	}
}

// TestLargeHeadIsRefused checks both sides of two limits: that of the size of a
// head, and that of the number of its lines.
func TestLargeHeadIsRefused(t *testing.T) {
	const fixed = len("GET / HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n")
	for size, want := range map[int]int{16 << 10: 200, 16<<10 + 1: 431, 1 << 20: 431} {
		inMemory(t, ok, func(s *testServer) {
			c, in := s.dial()
			send(c, "GET / HTTP/1.1\r\nHost: a\r\nX: "+strings.Repeat("x", size-fixed)+"\r\n\r\n")
			if resp := s.receive(in); resp.StatusCode != want {
				t.Errorf("%d bytes: %d, want %d", size, resp.StatusCode, want)
			}
			c.Close()
		})
	}
	for n, want := range map[int]int{maxLines: 200, maxLines + 1: 431} {
		// Each line has only four bytes, so the head is within the limit of its size.
		head := "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("x:\r\n", n-1) + "\r\n"
		if _, out := serveWithin([]byte(head), nil, 64<<10); !strings.HasPrefix(out, fmt.Sprint("HTTP/1.1 ", want)) {
			t.Errorf("%d lines: %.20q, want %d", n, out, want)
		}
	}
}

func TestTLS(t *testing.T) {
	certificate := httptest.NewUnstartedServer(nil)
	certificate.StartTLS()
	defer certificate.Close()
	s := &Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, r.TLS != nil && r.TLS.HandshakeComplete)
		}),
		HeadTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeadBytes: 16 << 10,
	}
	address := listen(t, func(l net.Listener) error {
		return s.Serve(tls.NewListener(l, &tls.Config{Certificates: certificate.TLS.Certificates}))
	}, s.Close)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	for range 2 {
		resp, err := client.Get("https://" + address)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(resp.Body); string(body) != "true" || err != nil {
			t.Errorf("%q, %v", body, err)
		}
	}
	if resp, err := http.Get("http://" + address); err != nil || resp.StatusCode != http.StatusBadRequest {
		t.Errorf("plain HTTP: %v, %v", resp, err)
	}
}

// TestRefusalIsReceived checks that a client receives the refusal of a request whose
// body does not fit into the sockets' buffers. A reset of the connection would make
// the client lose the response.
func TestRefusalIsReceived(t *testing.T) {
	address := start(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusForbidden)
	}))
	for _, head := range []string{
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8388608\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length: 8388608\r\n\r\n",
	} {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.(*net.TCPConn).SetWriteBuffer(64 << 10) // the server's receive buffer grows to at most 6 MiB, so the buffers cannot take the whole body
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		if n, err := io.Copy(c, io.MultiReader(strings.NewReader(head), io.LimitReader(zeros{}, 8<<20))); err != nil {
			t.Errorf("%d bytes were sent: %v", n, err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || resp.StatusCode < 400 {
			t.Errorf("%v, %v", resp, err)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// TestTruncatedHTTP10ResponseIsReset checks that an HTTP/1.0 client cannot mistake a
// part of a response for the whole response.
func TestTruncatedHTTP10ResponseIsReset(t *testing.T) {
	address := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/half" {
			_, _ = io.WriteString(w, "half")
			_ = http.NewResponseController(w).Flush()
		}
		panic(http.ErrAbortHandler)
	}))
	for _, path := range []string{"/half", "/nothing"} {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		_, _ = io.WriteString(c, "GET "+path+" HTTP/1.0\r\nHost: a\r\n\r\n")
		if text, err := io.ReadAll(c); err == nil {
			t.Errorf("%s: the client sees a proper end after %q", path, text)
		}
	}
}

// TestNoLimits checks that a timeout of 0 means no timeout, and that a MaxHeadBytes
// of 0 permits a long head.
func TestNoLimits(t *testing.T) {
	inMemory(t, ok, func(s *testServer) {
		s.HeadTimeout, s.IdleTimeout, s.MaxHeadBytes = 0, 0, 0
		c, in := s.dial()
		for range 2 {
			time.Sleep(time.Hour)
			send(c, "GET / HTTP/1.1\r\nHost: a\r\nX: "+strings.Repeat("x", 200<<10)+"\r\n\r\n")
			if resp := s.receive(in); resp.StatusCode != http.StatusOK {
				t.Errorf("status %d", resp.StatusCode)
			}
		}
		c.Close()
	})
}

// A watchedConn reports the calls of SetWatched.
type watchedConn struct {
	net.Conn
	watched chan bool
}

func (c watchedConn) SetWatched(watched bool) { c.watched <- watched }

// TestWatchedConnectionIsInformed checks the calls of SetWatched while a request
// takes long.
func TestWatchedConnectionIsInformed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		c := watchedConn{server, make(chan bool, 10)}
		s := &Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(2 * watchDelay) })}
		go newConn(s, c).serve()
		send(client, getRequest)
		in := bufio.NewReader(client)
		if _, err := http.ReadResponse(in, nil); err != nil {
			t.Fatal(err)
		}
		client.Close()
		synctest.Wait()
		close(c.watched)
		var got []bool
		for w := range c.watched {
			got = append(got, w)
		}
		if fmt.Sprint(got) != "[true false]" {
			t.Errorf("informed of %v", got)
		}
	})
}

// TestFromCopiesLimits checks that From copies each field that its comment names.
func TestFromCopiesLimits(t *testing.T) {
	s := From(&http.Server{
		Handler: http.NotFoundHandler(), ReadHeaderTimeout: 1, IdleTimeout: 2, MaxHeaderBytes: 3,
		ConnState: func(net.Conn, http.ConnState) {}, ErrorLog: log.Default(),
	})
	if s.Handler == nil || s.HeadTimeout != 1 || s.IdleTimeout != 2 || s.MaxHeadBytes != 3 || s.ConnState == nil || s.ErrorLog == nil {
		t.Errorf("%+v", s)
	}
}

func TestEqualResponsesHaveEqualBytes(t *testing.T) {
	handler := func(w http.ResponseWriter, _ *http.Request) {
		for c := 'A'; c <= 'Z'; c++ {
			w.Header().Set("X-"+string(c), "x")
		}
	}
	inMemory(t, handler, func(s *testServer) {
		var first string
		for range 10 {
			c, _ := s.dial()
			_, _ = io.WriteString(c, strings.Replace(getRequest, "Host", "Connection: close\r\nHost", 1))
			response, err := io.ReadAll(c)
			if first == "" {
				first = string(response)
			}
			if err != nil || !strings.HasPrefix(first, "HTTP/1.1 200 OK\r\n") || string(response) != first {
				t.Fatalf("%v: %s\nthe first response was %s", err, response, first)
			}
		}
	})
}

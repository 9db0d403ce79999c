package listener

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"hmaproxy/internal/httpserver"
	"hmaproxy/internal/memnet"
)

// A slotTest is a server behind two listeners that share their slots. GET / is
// served immediately; GET /wait waits for release; POST /body reads the body. A
// connection that gets no slot gets status 500. If a connection loses its slot
// while the body is read, the response has status 503.
type slotTest struct {
	t       *testing.T
	inner   [2]*memnet.Listener
	release chan struct{}

	listeners []net.Listener // the server's listeners
	slots     *slots
}

func newSlotTest(t *testing.T, limit int) *slotTest {
	s := &slotTest{t: t, release: make(chan struct{})}
	s.slots = newSlots(limit)
	respondBusy := func(w http.ResponseWriter, _ string) { w.WriteHeader(http.StatusInternalServerError) }
	server := httpserver.Server{ConnState: ConnState, Busy: respondBusy, HeadTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/wait":
			<-s.release
		case "/body":
			if _, err := io.Copy(io.Discard, r.Body); errors.Is(err, errSlotLost) {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}
	})}
	for i := range s.inner {
		s.inner[i] = memnet.NewListener(loopback)
		l := newLimited(s.inner[i], s.slots, Config{Log: slog.New(slog.DiscardHandler)})
		s.listeners = append(s.listeners, l)
		go server.Serve(l)
	}
	t.Cleanup(func() { server.Close() })
	return s
}

// connect opens a connection to a listener.
func (s *slotTest) connect(listener int) net.Conn {
	s.t.Helper()
	c, err := s.inner[listener].DialContext(s.t.Context(), "tcp", "")
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	return c
}

// get sends a request and returns the status of the response, or 0 if there was
// no response within a minute.
func get(c net.Conn, path string) int {
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		return 0
	}
	return receive(c)
}

// receive returns the status of a response, or 0 if there is no response within
// a minute.
func receive(c net.Conn) int {
	_ = c.SetReadDeadline(time.Now().Add(time.Minute))
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}

func TestLongestIdleConnectionGivesItsSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlotTest(t, 2)
		first, second := s.connect(0), s.connect(0)
		for _, c := range []net.Conn{second, first} { // second becomes idle first, so it has been idle for longer
			if got := get(c, "/"); got != 200 {
				t.Fatalf("status %d", got)
			}
			time.Sleep(time.Second)
		}
		if got := get(s.connect(1), "/"); got != 200 {
			t.Errorf("new connection with all slots taken: status %d", got)
		}
		if got := get(second, "/"); got != 0 {
			t.Errorf("longest idle connection: status %d, want it closed", got)
		}
		if got := get(first, "/"); got != 200 {
			t.Errorf("other idle connection: status %d", got)
		}
	})
}

// TestSilentConnectionGivesItsSlot checks that a connection without a request
// loses its slot to a new connection. The silent connection is then closed. If its
// first bytes arrive before that, it gets a response with status 500.
func TestSilentConnectionGivesItsSlot(t *testing.T) {
	for name, want := range map[string]int{"silent": 0, "late": 500} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSlotTest(t, 2)
				silent := s.connect(0)
				synctest.Wait()
				s.connect(0)
				synctest.Wait()
				if got := get(s.connect(1), "/"); got != 200 {
					t.Errorf("new connection: status %d", got)
				}
				began := time.Now()
				if want != 0 {
					_, _ = io.WriteString(silent, "G")
				}
				if got := receive(silent); got != want {
					t.Errorf("connection without a slot: status %d, want %d", got, want)
				}
				if waited := time.Since(began); waited > refuseWait {
					t.Errorf("it was open for %v", waited)
				}
			})
		})
	}
}

// TestUnfinishedHeadGivesItsSlot checks that a connection that has sent a part of
// a head loses its slot to a new connection, and gets a response with the reason.
func TestUnfinishedHeadGivesItsSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlotTest(t, 2)
		var unfinished [2]net.Conn
		for i := range unfinished {
			unfinished[i] = s.connect(i)
			_, _ = io.WriteString(unfinished[i], "POST /body HTTP/1.1\r\nHost: local")
			time.Sleep(minWait / 2)
		}
		if got := get(s.connect(1), "/"); got != 200 {
			t.Errorf("new connection: status %d", got)
		}
		if got := receive(unfinished[0]); got != 500 {
			t.Errorf("the longer waiting head: status %d, want the response that there is no room", got)
		}
		if got := receive(unfinished[1]); got != 408 {
			t.Errorf("the other head: status %d, want that of a head that did not come in time", got)
		}
	})
}

// TestConnectionIsRefusedWhileAllWork checks new connections while every slot
// is used by a request in progress. The first one is refused after maxSlotWait,
// the second one immediately. When a slot is free, a connection is served.
func TestConnectionIsRefusedWhileAllWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlotTest(t, 2)
		statuses := make(chan int, 2)
		for range 2 {
			c := s.connect(0)
			go func() { statuses <- get(c, "/wait") }()
		}
		synctest.Wait()
		for i, want := range []time.Duration{maxSlotWait, 0} {
			began := time.Now()
			c := s.connect(i)
			_, _ = io.WriteString(c, "G")
			if got := receive(c); got != 500 {
				t.Errorf("connection %d: status %d, want the response that there is no room", i, got)
			}
			if waited := time.Since(began); waited < want || waited > want+retryInterval {
				t.Errorf("connection %d waited %v, want %v", i, waited, want)
			}
		}
		close(s.release)
		for range 2 {
			if got := <-statuses; got != 200 {
				t.Errorf("request in progress: status %d", got)
			}
		}
		synctest.Wait()
		if got := get(s.connect(1), "/"); got != 200 {
			t.Errorf("connection after slots became free: status %d", got)
		}
	})
}

// TestHalfOpenRequestsDelayOthersBriefly opens twenty times as many unfinished
// requests as there are slots. It checks that a later connection waits for at most
// twenty times the sum of minWait and retryInterval, and that the number of
// connections stays limited.
func TestHalfOpenRequestsDelayOthersBriefly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit, attackers = 5, 100
		s := newSlotTest(t, limit)
		s.slots.minIdle = minIdle
		statuses := make(chan int, attackers)
		for range attackers {
			go func() {
				c, err := s.inner[0].DialContext(t.Context(), "tcp", "")
				if err != nil {
					return // DialContext fails at the end of the test
				}
				defer c.Close()
				_, _ = io.WriteString(c, "POST /body HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf")
				statuses <- receive(c)
			}()
		}
		synctest.Wait()
		began := time.Now()
		if got := get(s.connect(0), "/"); got != 200 {
			t.Errorf("status %d", got)
		}
		if waited, bound := time.Since(began), attackers/limit*(minWait+retryInterval); waited > bound {
			t.Errorf("it took %v, want at most %v", waited, bound)
		}
		s.slots.mu.Lock()
		defer s.slots.mu.Unlock()
		if n := len(s.slots.conns); n > 2*limit {
			t.Errorf("%d connections are open", n)
		}
		if len(statuses) < attackers-2*limit {
			t.Errorf("only %d requests have got a response", len(statuses))
		}
		for range len(statuses) {
			if got := <-statuses; got != 503 {
				t.Errorf("half-open request: status %d", got)
			}
		}
	})
}

// TestClientReadsWhyItsUploadHasLostItsSlot checks a connection that loses its
// slot during an upload. The client must get the response, although it
// continues to send.
func TestClientReadsWhyItsUploadHasLostItsSlot(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	slots := newSlots(1)
	responded := make(chan struct{})
	server := httpserver.Server{ConnState: ConnState, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); errors.Is(err, errSlotLost) {
			w.WriteHeader(http.StatusServiceUnavailable)
			_ = http.NewResponseController(w).Flush()
			close(responded)
		}
	})}
	t.Cleanup(func() { server.Close() })
	go server.Serve(newLimited(inner, slots, Config{Log: slog.New(slog.DiscardHandler)}))
	dial := func() net.Conn {
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	upload := dial()
	_, _ = io.WriteString(upload, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8000000\r\n\r\nbegin")
	if got := get(dial(), "/"); got != 200 {
		t.Fatalf("new connection: status %d", got)
	}
	<-responded
	if _, err := upload.Write(make([]byte, 1<<20)); err != nil {
		t.Errorf("the rest of the upload: %v", err)
	}
	if got := receive(upload); got != http.StatusServiceUnavailable {
		t.Errorf("the upload got status %d, want that of a lost slot", got)
	}
}

func TestClosedListenerStopsWaitingForASlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := memnet.NewListener(loopback)
		s := newSlots(0)
		l := newLimited(inner, s, Config{Log: slog.New(slog.DiscardHandler)})
		ended := make(chan error, 1)
		go func() {
			_, err := l.Accept()
			ended <- err
		}()
		if _, err := inner.DialContext(t.Context(), "tcp", ""); err != nil {
			t.Fatal(err)
		}
		l.Close()
		if err := <-ended; err != net.ErrClosed {
			t.Errorf("Accept: %v", err)
		}
	})
}

// A foreignListener accepts connections whose peer seems to be another machine.
type foreignListener struct{ *memnet.Listener }

func (l foreignListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return foreignConn{c}, nil
}

type foreignConn struct{ net.Conn }

func (foreignConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(10, 1, 2, 3), Port: 50000} }

func TestLoopbackListenerRefusesOtherMachines(t *testing.T) {
	for _, tc := range []struct {
		name   string
		listen net.IP
		served bool
	}{
		{"IPv4 loopback", net.IPv4(127, 0, 0, 1), false},
		{"another loopback address", net.IPv4(127, 9, 9, 9), false},
		{"IPv6 loopback", net.IPv6loopback, false},
		{"all addresses", net.IPv4zero, true},
		{"an address of the network", net.IPv4(10, 0, 0, 1), true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				inner := memnet.NewListener(&net.TCPAddr{IP: tc.listen, Port: 8080})
				network := func(context.Context, string, string) (net.Listener, error) { return foreignListener{inner}, nil }
				l, err := OpenAdmin(t.Context(), Config{Listen: network, Log: slog.New(slog.DiscardHandler)}, "")
				if err != nil {
					t.Fatal(err)
				}
				server := &http.Server{Handler: http.NotFoundHandler(), ConnState: ConnState}
				go server.Serve(l)
				defer server.Close()
				c, err := inner.DialContext(t.Context(), "tcp", "")
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				if got := get(c, "/"); (got == 404) != tc.served {
					t.Errorf("status %d, want a response: %v", got, tc.served)
				}
			})
		})
	}
}

// A failingListener returns an error from Accept.
type failingListener struct {
	net.Listener
	err error
}

func (l failingListener) Accept() (net.Conn, error) { return nil, l.err }

func TestFailedAcceptIsReported(t *testing.T) {
	for _, tc := range []struct {
		name  string
		err   error
		lines int
	}{
		{"too many open files", &net.OpError{Op: "accept", Err: syscall.EMFILE}, lineBurst},
		{"closed listener", net.ErrClosed, 0},
	} {
		var b bytes.Buffer
		counted := 0
		c := Config{Log: slog.New(slog.NewTextHandler(&b, nil)), Failed: func() { counted++ }}
		l := newLimited(failingListener{memnet.NewListener(loopback), tc.err}, newSlots(1), c)
		for range 100 {
			if _, err := l.Accept(); !errors.Is(err, tc.err) {
				t.Errorf("%s: Accept returns %v", tc.name, err)
			}
		}
		if n := strings.Count(b.String(), "level=ERROR"); n != tc.lines || (counted == 100) != (tc.lines > 0) {
			t.Errorf("%s: %d lines, counted %d", tc.name, n, counted)
		}
	}
}

// TestCloseIdle checks that connections without a request are closed, including
// one that never had a request. A connection with a request stays open.
func TestCloseIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlotTest(t, 10)
		unused, idle, busy := s.connect(0), s.connect(1), s.connect(0)
		if got := get(idle, "/"); got != 200 {
			t.Fatalf("status %d", got)
		}
		status := make(chan int)
		go func() { status <- get(busy, "/wait") }()
		synctest.Wait()
		CloseIdle(s.listeners)
		for name, c := range map[string]net.Conn{"unused": unused, "idle": idle} {
			_ = c.SetReadDeadline(time.Now().Add(time.Second))
			if _, err := c.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("%s: %v, want the end of the connection", name, err)
			}
		}
		close(s.release)
		if got := <-status; got != 200 {
			t.Errorf("the request in progress got status %d", got)
		}
	})
}

// TestLongestWaitingRequestGivesItsSlot checks that a new connection gets the
// slot of the request that has waited longest for its body, if it has waited
// for at least minWait. Requests that wait for something else keep their slots.
func TestLongestWaitingRequestGivesItsSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlotTest(t, 3)
		working := s.connect(0)
		done := make(chan int)
		go func() { done <- get(working, "/wait") }()
		type result struct {
			status int
			at     time.Time
		}
		posts := [2]chan result{make(chan result, 1), make(chan result, 1)}
		for i, post := range posts {
			c := s.connect(i)
			go func() {
				_, _ = io.WriteString(c, "POST /body HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf")
				resp, err := http.ReadResponse(bufio.NewReader(c), nil)
				if err != nil { // Reading fails at the end of the test.
					resp = new(http.Response)
				}
				post <- result{resp.StatusCode, time.Now()}
			}()
			time.Sleep(minWait / 2)
		}
		began := time.Now()
		if got := get(s.connect(1), "/"); got != 200 {
			t.Errorf("the new connection got status %d", got)
		}
		if waited := time.Since(began); waited > minWait/2+retryInterval {
			t.Errorf("the new connection waited %v", waited)
		}
		first := <-posts[0]
		if first.status != http.StatusServiceUnavailable {
			t.Errorf("the longest waiting request got status %d, want that of a lost slot", first.status)
		}
		select {
		case got := <-posts[1]:
			t.Errorf("the other waiting request got status %d", got.status)
		default:
		}
		close(s.release)
		if got := <-done; got != 200 {
			t.Errorf("the request in progress got status %d", got)
		}
	})
}

// TestConnectionWhoseRequestHasComeKeepsItsSlot checks that a connection keeps
// its slot if its request has arrived but was not read yet, or if it has just
// become idle.
func TestConnectionWhoseRequestHasComeKeepsItsSlot(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := newSlots(2)
	accept := func(text string) (*conn, net.Conn) {
		client, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { client.Close() })
		raw, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		c := newConn(raw, s, s.acquire(nil))
		t.Cleanup(func() { c.Close() })
		_, _ = io.WriteString(client, text)
		s.setIdle(c, true)
		return c, client
	}
	sent, _ := accept("POST /")
	for !sent.slot.readable() {
		time.Sleep(time.Millisecond)
	}
	silent, _ := accept("")
	silent.slot.used = true
	s.minIdle = time.Hour
	if d, idle, waiting := s.try(time.Now()); d != undecided || idle != nil || waiting != nil {
		t.Error("a connection that has just become idle lost its slot")
	}
	s.fullSince = time.Now().Add(2 * time.Hour)
	if d, idle, waiting := s.try(time.Now().Add(2 * time.Hour)); d != undecided || idle != silent || waiting != nil {
		t.Error("another connection than the silent one lost its slot")
	}
}

// TestIdleConnectionsOnSockets checks that connections whose goroutine waits in
// a system call for a request lose their slots.
func TestIdleConnectionsOnSockets(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	slots := newSlots(2)
	slots.minIdle = minIdle
	server := &http.Server{ConnState: ConnState, Handler: http.NotFoundHandler()}
	defer server.Close()
	go server.Serve(newLimited(inner, slots, Config{Log: slog.New(slog.DiscardHandler)}))
	for range 5 {
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if got := get(c, "/"); got != 404 {
			t.Fatalf("status %d", got)
		}
	}
}

package httpserver

import (
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"hmaproxy/internal/memnet"
)

// TestChunksAreNotDelayed checks that a Read returns the chunks that have arrived,
// all of them and without waiting for the next one, as net/http does.
func TestChunksAreNotDelayed(t *testing.T) {
	type read struct {
		text  string
		after time.Duration
	}
	var got []read
	inMemory(t, func(_ http.ResponseWriter, r *http.Request) {
		began := time.Now()
		buf := make([]byte, 100)
		for {
			n, err := r.Body.Read(buf)
			got = append(got, read{string(buf[:n]), time.Since(began)})
			if err != nil {
				return
			}
		}
	}, func(s *testServer) {
		c, in := s.dial()
		go func() {
			_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n")
			time.Sleep(time.Second)
			_, _ = io.WriteString(c, "1\r\nf\r\n0\r\n\r\n")
		}()
		s.receive(in)
		c.Close()
	})
	if len(got) != 2 || got[0] != (read{"abcde", 0}) || got[1] != (read{"f", time.Second}) {
		t.Errorf("the reads return %v", got)
	}
}

// TestWriteToAClientThatLeft checks the results of Write against the contract of
// io.Writer.
func TestWriteToAClientThatLeft(t *testing.T) {
	returned := false
	inMemory(t, func(w http.ResponseWriter, r *http.Request) {
		defer func() { returned = true }()
		<-r.Context().Done() // the client has left
		text := make([]byte, 100_000)
		if n, err := w.Write(text); err == nil || n != 0 {
			t.Errorf("%d bytes, %v", n, err)
		}
		if n, err := w.Write(text[:1]); err == nil || n != 0 {
			t.Errorf("after an error: %d bytes, %v", n, err)
		}
	}, func(s *testServer) {
		c, _ := s.dial()
		go func() {
			_, _ = io.WriteString(c, getRequest)
			c.Close()
		}()
		time.Sleep(2 * watchDelay)
		synctest.Wait()
		if !returned {
			t.Error("the handler still waits for the client to leave")
		}
	})
}

// A lingeringListener accepts connections whose sending side can be closed alone.
type lingeringListener struct{ *memnet.Listener }

func (l lingeringListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return lingeringConn{c}, err
}

type lingeringConn struct{ net.Conn }

func (lingeringConn) CloseWrite() error { return nil }

// TestShutdownWhileLingering checks how long a connection waits for a client that
// has its response and does not close the connection. It waits for lingerTime, but
// Shutdown ends the wait immediately.
func TestShutdownWhileLingering(t *testing.T) {
	for _, shutdown := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			l := lingeringListener{memnet.NewListener(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8080})}
			s := &Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), HeadTimeout: time.Minute, IdleTimeout: time.Minute}
			ended := make(chan error)
			go func() { ended <- s.Serve(l) }()
			c, err := l.DialContext(t.Context(), "tcp", "")
			if err != nil {
				t.Fatal(err)
			}
			send(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n") // the handler does not read the body
			got := make(chan bool)
			go func() {
				closed(c)
				close(got)
			}()
			synctest.Wait()
			began := time.Now()
			want := lingerTime
			if shutdown {
				if err := s.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
				want = 0
			}
			<-got
			if took := time.Since(began); took != want {
				t.Errorf("shutdown %v: the connection ended after %v, want %v", shutdown, took, want)
			}
			s.Close()
			<-ended
		})
	}
}

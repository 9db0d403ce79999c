package httpserver

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestClientLeavesDuringItsBody checks when the server notices that a client has
// left although a part of its body is unread: with the first check at watchDelay or
// at a later one.
func TestClientLeavesDuringItsBody(t *testing.T) {
	for _, c := range []struct{ leaves, want time.Duration }{
		{time.Millisecond, watchDelay},
		{watchDelay - 1, watchDelay},
		{watchDelay + 1, watchDelay + time.Second},
		{watchDelay + time.Second - 1, watchDelay + time.Second},
		{time.Minute + 1, time.Minute + time.Second},
	} {
		for _, framing := range []string{"Content-Length: 1000", "Transfer-Encoding: chunked"} {
			var noticed time.Duration
			inMemory(t, func(_ http.ResponseWriter, r *http.Request) {
				_, _ = r.Body.Read(make([]byte, 5))
				began := time.Now()
				<-r.Context().Done()
				noticed = time.Since(began)
			}, func(s *testServer) {
				client, _ := s.dial()
				send(client, "POST / HTTP/1.1\r\nHost: a\r\n"+framing+"\r\n\r\n5\r\nabcde\r\n")
				time.Sleep(c.leaves)
				client.Close()
				time.Sleep(time.Minute)
			})
			if noticed != c.want {
				t.Errorf("%s: left after %v, noticed after %v, want %v", framing, c.leaves, noticed, c.want)
			}
		}
	}
}

// TestClientLeavesAfterAFlush checks when the server notices that a client has left
// after the beginning of its response.
func TestClientLeavesAfterAFlush(t *testing.T) {
	for _, c := range []struct{ flush, leaves, want time.Duration }{
		{0, time.Millisecond, flushedDelay},
		{0, time.Minute, time.Minute},
		{time.Second, time.Second + time.Millisecond, time.Second + flushedDelay},
		{watchDelay - 1, watchDelay + time.Millisecond, watchDelay - 1 + flushedDelay},
		{watchDelay + 1, watchDelay + time.Second, watchDelay + time.Second},
	} {
		var noticed time.Duration
		inMemory(t, func(w http.ResponseWriter, r *http.Request) {
			began := time.Now()
			_, _ = io.Copy(io.Discard, r.Body)
			time.Sleep(c.flush)
			for range 3 {
				_ = http.NewResponseController(w).Flush()
				time.Sleep(flushedDelay / 3)
			}
			<-r.Context().Done()
			noticed = time.Since(began)
		}, func(s *testServer) {
			client, in := s.dial()
			send(client, postRequest)
			go func() { _, _ = io.Copy(io.Discard, in) }()
			time.Sleep(c.leaves)
			client.Close()
			time.Sleep(time.Minute)
		})
		if noticed != c.want {
			t.Errorf("flushed after %v, left after %v, noticed after %v, want %v", c.flush, c.leaves, noticed, c.want)
		}
	}
}

// TestEndOfTheBodyOfAClientThatLeft checks the end of a body whose client has closed
// the connection after it. The server finds out only with the end of the body. If the handler has paused for watchDelay before, it must not get the last
// bytes. Otherwise it gets them.
func TestEndOfTheBodyOfAClientThatLeft(t *testing.T) {
	body := strings.Repeat("x", 10_000)
	for name, request := range map[string]string{
		"length":  "Content-Length: 10000\r\n\r\n" + body,
		"chunked": "Transfer-Encoding: chunked\r\n\r\n2710\r\n" + body + "\r\n0\r\n\r\n",
	} {
		for _, c := range []struct {
			name         string
			pause, slow  time.Duration // of the handler and of the client, in the middle of the body
			leaves, fail bool
		}{
			{"a handler without a pause", watchDelay - 1, 0, true, false},
			{"a handler with a pause", watchDelay + 1, 0, true, true},
			{"a handler with a long pause", time.Hour, 0, true, true},
			{"a slow client", 0, time.Minute + checkInterval/2, true, false}, // not when checkClient is called
			{"a client that stays", time.Hour, 0, false, false},
		} {
			t.Run(name+"/"+c.name, func(t *testing.T) {
				var n int
				var readErr, contextErr error
				inMemory(t, func(_ http.ResponseWriter, r *http.Request) {
					first, _ := r.Body.Read(make([]byte, 3000))
					time.Sleep(c.pause)
					var rest []byte
					rest, readErr = io.ReadAll(r.Body)
					n, contextErr = first+len(rest), r.Context().Err()
				}, func(s *testServer) {
					client, in := s.dial()
					go func() {
						head := "POST / HTTP/1.1\r\nHost: a\r\n" + request
						_, _ = io.WriteString(client, head[:6000])
						time.Sleep(c.slow)
						_, _ = io.WriteString(client, head[6000:])
						if c.leaves {
							client.Close()
						}
					}()
					if !c.leaves {
						s.receive(in)
						client.Close()
						return
					}
					time.Sleep(2 * time.Hour)
				})
				switch {
				case c.fail && (readErr == nil || contextErr == nil || name == "length" && n == len(body)):
					t.Errorf("read %d bytes, error %v, context %v; want an error and less than the whole body", n, readErr, contextErr)
				case !c.fail && (n != len(body) || readErr != nil || contextErr != nil):
					t.Errorf("read %d bytes, error %v, context %v; want the whole body", n, readErr, contextErr)
				}
			})
		}
	}
}

// TestNextRequestAfterALongPause checks that the bytes after a body are not lost if the
// server looks after the end of the body whether the client has left.
func TestNextRequestAfterALongPause(t *testing.T) {
	for _, together := range []bool{true, false} {
		inMemory(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				_, _ = r.Body.Read(make([]byte, 2))
				time.Sleep(watchDelay + 1)
			}
			if _, err := io.Copy(w, r.Body); err != nil {
				t.Error(err)
			}
		}, func(s *testServer) {
			client, in := s.dial()
			if together {
				send(client, postRequest+getRequest)
			} else {
				go func() {
					_, _ = io.WriteString(client, postRequest)
					_, _ = io.WriteString(client, getRequest)
				}()
			}
			for range 2 {
				if resp := s.receive(in); resp.StatusCode != http.StatusOK {
					t.Errorf("status %d", resp.StatusCode)
				}
			}
			client.Close()
		})
	}
}

// TestPauseOfAnotherRequest checks that a pause in the body of one request has no
// effect on the next one: its client may close its sending side after the body.
func TestPauseOfAnotherRequest(t *testing.T) {
	var errs []error
	inMemory(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = r.Body.Read(make([]byte, 2))
		if len(errs) == 0 {
			time.Sleep(watchDelay + 1)
		}
		_, err := io.Copy(io.Discard, r.Body)
		errs = append(errs, err)
	}, func(s *testServer) {
		client, in := s.dial()
		send(client, postRequest)
		s.receive(in)
		go func() {
			_, _ = io.WriteString(client, postRequest)
			client.Close()
		}()
		time.Sleep(time.Minute)
	})
	if len(errs) != 2 || errors.Join(errs...) != nil {
		t.Errorf("errors %v", errs)
	}
}

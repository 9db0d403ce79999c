package proxy_test

import (
	"bufio"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"hmaproxy/proxy"
)

// TestResponseHeadThatNeverEnds uses an upstream that sends part of a status line
// instead of 100 Continue. The client must get ErrorInternalServerTransientError.
func TestResponseHeadThatNeverEnds(t *testing.T) {
	for _, c := range []struct {
		name string
		then func(c net.Conn)
	}{
		{"the upstream hangs up", func(c net.Conn) {}},
		{"the upstream hangs up much later", func(c net.Conn) { time.Sleep(time.Minute) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			withScript(t, only(t, "alice@contoso.com"), func(_ int, conn net.Conn, r *bufio.Reader) {
				readHead(r)
				go io.Copy(io.Discard, r)
				time.Sleep(time.Second)
				_, _ = io.WriteString(conn, "HTTP/1.1 4")
				time.Sleep(3 * time.Second) // longer than the wait for 100 Continue
				c.then(conn)
			}, func(l *scripted) {
				conn, r := l.dial()
				body := long()
				go conn.Write(append([]byte(head(len(body))), body...))
				within(conn, 2*time.Minute)
				if status, text := readReply(r); status != 500 || !strings.Contains(text, "ErrorInternalServerTransientError") {
					t.Errorf("response %d %s", status, text)
				}
				l.over(1, time.Minute)
			})
		})
	}
}

func TestClientThatLeavesWhileAResponseHeadHangs(t *testing.T) {
	withScript(t, only(t, "alice@contoso.com"), func(_ int, conn net.Conn, r *bufio.Reader) {
		readHead(r)
		go io.WriteString(conn, "HTTP/1.1 4")
		_, _ = io.Copy(io.Discard, r) // read until the proxy closes the connection
	}, func(l *scripted) {
		conn, _ := l.dial()
		body := long()
		go conn.Write(append([]byte(head(len(body))), body[:300<<10]...))
		time.Sleep(10 * time.Second)
		conn.Close()
		l.over(1, time.Minute)
	})
}

// TestInterimResponses checks that the complete body reaches the upstream for each
// sequence of interim responses before the final response.
func TestInterimResponses(t *testing.T) {
	for _, c := range []struct{ name, first, rest string }{
		{"100 at once", "HTTP/1.1 100 Continue\r\n\r\n", ""},
		{"100 in two parts around the end of the wait", "HTTP/1.1 1", "00 Continue\r\n\r\n"},
		{"102, then nothing", "HTTP/1.1 102 Processing\r\n\r\n", ""},
		{"103, then 100", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n"},
		{"nothing", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			withScript(t, only(t, "alice@contoso.com"), func(_ int, conn net.Conn, r *bufio.Reader) {
				h := readHead(r)
				time.Sleep(time.Second)
				_, _ = io.WriteString(conn, c.first)
				time.AfterFunc(3*time.Second, func() { _, _ = io.WriteString(conn, c.rest) })
				if readBodyOf(r, contentLength(h)) {
					time.Sleep(5 * time.Second)
					_, _ = io.WriteString(conn, shortOK)
				}
				_, _ = io.Copy(io.Discard, r)
			}, func(l *scripted) {
				conn, r := l.dial()
				body := long()
				go conn.Write(append([]byte(head(len(body))), body...))
				within(conn, time.Minute)
				if status, text := readReply(r); status != 200 || text != "<Envelope/>" {
					t.Errorf("response %d %s", status, text)
				}
				l.over(1, time.Minute)
			})
		})
	}
}

// TestBodyIsNotLostToAnExpectation covers devices that do not support Expect. The
// first attempt may fail, but the body must reach Exchange.
func TestBodyIsNotLostToAnExpectation(t *testing.T) {
	const page = "Content-Type: text/html\r\nContent-Length: 6\r\n"
	for _, c := range []struct {
		name       string
		device     func(c net.Conn, r *bufio.Reader) // responds to a request with Expect
		remembered bool
	}{
		{"417, the connection is kept", func(c net.Conn, r *bufio.Reader) {
			_, _ = io.WriteString(c, "HTTP/1.1 417 Expectation Failed\r\n"+page+"\r\n<html>")
			_, _ = io.Copy(io.Discard, r)
		}, true},
		{"400, the connection is closed", func(c net.Conn, r *bufio.Reader) {
			_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n"+page+"\r\n<html>")
		}, true},
		{"200 with a page", func(c net.Conn, r *bufio.Reader) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n"+page+"\r\n<html>")
			_, _ = io.Copy(io.Discard, r)
		}, false}, // Exchange itself also responds with 200, so the page does not show that the device refuses Expect
		{"closed", func(net.Conn, *bufio.Reader) {}, true},
		{"swallowed", func(c net.Conn, r *bufio.Reader) { _, _ = io.Copy(io.Discard, r) }, true},
		{"the body is taken for a request", func(c net.Conn, r *bufio.Reader) {
			if _, err := r.Peek(1); err == nil {
				_, _ = io.WriteString(c, "HTTP/1.1 501 Not Implemented\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
			}
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var mu sync.Mutex
			expected, arrived := 0, 0
			body := long()
			upstream := func(_ int, conn net.Conn, r *bufio.Reader) {
				for {
					h := readHead(r)
					switch {
					case h == "":
						return
					case strings.Contains(h, "Expect:"):
						mu.Lock()
						expected++
						mu.Unlock()
						c.device(conn, r)
						return
					}
					whole := readBodyOf(r, contentLength(h))
					mu.Lock()
					if whole {
						arrived++
					}
					mu.Unlock()
					_, _ = io.WriteString(conn, shortOK)
				}
			}
			withScript(t, only(t, "alice@contoso.com"), upstream, func(l *scripted) {
				expected, arrived = 0, 0
				send := func() {
					conn, r := l.dial()
					defer conn.Close()
					go conn.Write(append([]byte(head(len(body))), body...))
					within(conn, time.Minute)
					if status, text := readReply(r); status != 200 || text != "<Envelope/>" {
						t.Errorf("status %d %s", status, text)
					}
				}
				want := func(expectations, bodies int) {
					t.Helper()
					mu.Lock()
					defer mu.Unlock()
					if expected != expectations || arrived != bodies {
						t.Errorf("%d requests with Expect and %d bodies, want %d and %d", expected, arrived, expectations, bodies)
					}
				}
				send()
				want(1, 1)
				send()
				if !c.remembered {
					want(2, 2)
					return
				}
				want(1, 2)
				time.Sleep(24*time.Hour + time.Minute)
				send()
				want(2, 3)
			})
		})
	}
}

// TestExpectationKeepsTheBodyForAnotherToken checks that a refused token is replaced
// and the request replayed, because the 401 comes before the body was sent.
func TestExpectationKeepsTheBodyForAnotherToken(t *testing.T) {
	upstream := func(_ int, conn net.Conn, r *bufio.Reader) {
		for {
			h := readHead(r)
			if h == "" || !strings.Contains(h, "Expect: 100-continue") {
				return
			}
			if strings.Contains(h, goodToken) {
				_, _ = io.WriteString(conn, "HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
				return
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 100 Continue\r\n\r\n")
			readBodyOf(r, contentLength(h))
			_, _ = io.WriteString(conn, shortOK)
		}
	}
	withScript(t, only(t, "alice@contoso.com"), upstream, func(l *scripted) {
		conn, r := l.dial()
		body := long()
		go conn.Write(append([]byte(head(len(body))), body...))
		within(conn, time.Minute)
		if status, text := readReply(r); status != 200 || text != "<Envelope/>" {
			t.Errorf("status %d %s", status, text)
		}
		if rec := l.over(1, time.Minute)[0]; !rec.Replayed {
			t.Error("the request was not replayed")
		}
	})
}

// TestWithoutExpectation checks that without Expect a long request with a
// refused token fails, and that the next request has a new token.
func TestWithoutExpectation(t *testing.T) {
	var mu sync.Mutex
	var heads []string
	upstream := func(_ int, conn net.Conn, r *bufio.Reader) {
		for {
			h := readHead(r)
			if h == "" {
				return
			}
			mu.Lock()
			heads = append(heads, h)
			mu.Unlock()
			readBodyOf(r, contentLength(h))
			if strings.Contains(h, goodToken) {
				_, _ = io.WriteString(conn, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
				continue
			}
			_, _ = io.WriteString(conn, shortOK)
		}
	}
	withScriptAnd(t, func(c *proxy.Config) { c.NeverExpectContinue = true }, only(t, "alice@contoso.com"), upstream, func(l *scripted) {
		heads = nil
		for _, status := range []int{500, 200} {
			conn, r := l.dial()
			body := long()
			go conn.Write(append([]byte(head(len(body))), body...))
			within(conn, time.Minute)
			if got, text := readReply(r); got != status {
				t.Errorf("status %d %s, want %d", got, text, status)
			}
			conn.Close()
		}
		if rec := l.over(2, time.Minute)[0]; rec.Reason != proxy.ReasonUpstream401 || rec.Replayed {
			t.Errorf("the first request: reason %q, replayed %v", rec.Reason, rec.Replayed)
		}
		for _, h := range heads {
			if strings.Contains(h, "Expect") {
				t.Errorf("sent %s", h)
			}
		}
	})
}

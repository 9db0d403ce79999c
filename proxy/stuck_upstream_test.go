package proxy_test

import (
	"bufio"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hmaproxy/proxy"
)

// TestUpstreamThatStopsReading checks that a request ends if the upstream stops
// reading its body, earlier if the client has left. net/http's server does not detect
// that the client has left before the whole body was read.
func TestUpstreamThatStopsReading(t *testing.T) {
	for _, c := range []struct {
		name   string
		body   []byte
		leaves bool
	}{
		{"the client waits", long(), false},
		{"the client leaves", long(), true},
		{"a buffered body, the client waits", envelope("alice@contoso.com", createItem(150<<10)), false},
		{"a buffered body, the client leaves", envelope("alice@contoso.com", createItem(150<<10)), true},
	} {
		leaves := c.leaves
		t.Run(c.name, func(t *testing.T) {
			withScript(t, only(t, "alice@contoso.com"), func(_ int, conn net.Conn, r *bufio.Reader) {
				readHead(r)
				_, _ = io.WriteString(conn, "HTTP/1.1 100 Continue\r\n\r\n")
				_, _ = io.CopyN(io.Discard, r, 1000)
				time.Sleep(time.Hour)
			}, func(l *scripted) {
				conn, r := l.dial()
				go conn.Write(append([]byte(head(len(c.body))), c.body...))
				time.Sleep(10 * time.Second)
				if leaves {
					conn.Close()
				} else {
					within(conn, 10*time.Minute)
					if status, text := readReply(r); status != 500 || !strings.Contains(text, "ErrorInternalServerTransientError") {
						t.Errorf("response %d %s", status, text)
					}
				}
				limit := 10 * time.Minute
				if leaves && !*underNetHTTP {
					limit = 5 * time.Second
				}
				record := l.over(1, limit)[0]
				if leaves && !*underNetHTTP && record.Reason != proxy.ReasonClientLeft {
					t.Errorf("reason %q", record.Reason)
				}
				time.Sleep(time.Hour) // let the script end
			})
		})
	}
}

// TestUploadOfAClientThatLeft checks an upload that is interrupted because the upstream
// does not read. After a short pause the upstream must receive the whole body. After a
// long pause it must not, because the client has closed its connection. The server
// finds this out only after the upstream has read on, because the rest of the body
// comes first.
func TestUploadOfAClientThatLeft(t *testing.T) {
	if *underNetHTTP {
		t.Skip("NOT CHECKED: net/http's server does not notice that the client has left")
	}
	for _, c := range []struct {
		name  string
		pause time.Duration
		whole bool
	}{
		{"short pause", 2 * time.Second, true},
		{"long pause", 30 * time.Second, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var whole, began atomic.Bool
			withScript(t, only(t, "alice@contoso.com"), func(_ int, conn net.Conn, r *bufio.Reader) {
				n := contentLength(readHead(r))
				_, _ = io.WriteString(conn, "HTTP/1.1 100 Continue\r\n\r\n")
				began.Store(readBodyOf(r, 1000))
				time.Sleep(c.pause)
				whole.Store(readBodyOf(r, n-1000))
				_, _ = io.WriteString(conn, shortOK)
			}, func(l *scripted) {
				whole.Store(false)
				began.Store(false)
				conn, _ := l.dial()
				body := long()
				go func() {
					_, _ = conn.Write(append([]byte(head(len(body))), body...))
					conn.Close()
				}()
				record := l.over(1, time.Minute)[0]
				time.Sleep(time.Minute) // let the script end
				if !began.Load() || whole.Load() != c.whole {
					t.Errorf("received the beginning of the body: %v, the whole body: %v", began.Load(), whole.Load())
				}
				if !c.whole && record.Reason != proxy.ReasonClientLeft {
					t.Errorf("reason %q", record.Reason)
				}
			})
		})
	}
}

// TestEarlyResponseToBufferedBody checks that an upstream may respond before it has read
// the whole of a buffered body. It gets the rest, its connection serves the next
// request, and a response that takes long is not cut although the rest is never read.
func TestEarlyResponseToBufferedBody(t *testing.T) {
	body := envelope("alice@contoso.com", createItem(150<<10))
	t.Run("the rest is read", func(t *testing.T) {
		withScript(t, only(t, "alice@contoso.com"), func(i int, conn net.Conn, r *bufio.Reader) {
			for i == 1 { // further connections are closed
				n := contentLength(readHead(r))
				if !readBodyOf(r, n-1000) {
					return
				}
				_, _ = io.WriteString(conn, shortOK)
				time.Sleep(10 * time.Millisecond)
				if !readBodyOf(r, 1000) {
					return
				}
			}
		}, func(l *scripted) {
			conn, r := l.dial()
			within(conn, time.Minute)
			for range 3 {
				go conn.Write(append([]byte(head(len(body))), body...))
				if status, text := readReply(r); status != 200 {
					t.Errorf("response %d %s", status, text)
				}
			}
			l.over(3, time.Minute)
		})
	})
	t.Run("the rest is never read", func(t *testing.T) {
		withScript(t, only(t, "alice@contoso.com"), func(_ int, conn net.Conn, r *bufio.Reader) {
			readHead(r)
			_ = readBodyOf(r, 1000)
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n<Envelope/>\r\n")
			for range 30 {
				time.Sleep(10 * time.Second)
				_, _ = io.WriteString(conn, "1\r\n \r\n")
			}
			_, _ = io.WriteString(conn, "0\r\n\r\n")
			time.Sleep(time.Minute)
		}, func(l *scripted) {
			conn, r := l.dial()
			go conn.Write(append([]byte(head(len(body))), body...))
			within(conn, 20*time.Minute)
			status, text := readReply(r)
			record := l.over(1, time.Minute)[0]
			if status != 200 || strings.TrimRight(text, " ") != "<Envelope/>" || record.Reason != proxy.ReasonNone {
				t.Errorf("response %d %q, reason %q", status, text, record.Reason)
			}
			time.Sleep(time.Hour) // let the script end
		})
	})
}

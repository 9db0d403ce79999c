package proxy_test

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// TestRefusedRequestsDoNotHoldConnections checks that the proxy closes the connection
// of a refused request if the client does not send the body.
func TestRefusedRequestsDoNotHoldConnections(t *testing.T) {
	for _, c := range []struct{ name, head string }{
		{"not found", "POST /owa HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n"},
		{"GET with a body", "GET /EWS/Exchange.asmx HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n"},
		{"chunked", "POST /owa HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"},
		{"expecting an invitation", "POST /owa HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n"},
		{"another host", strings.Replace(head(10), "localhost", "evil.example", 1)},
		{"another media type", strings.Replace(head(10), "text/xml", "text/plain", 1)},
		{"a good head", head(10)},
	} {
		t.Run(c.name, func(t *testing.T) {
			withScript(t, only(t, "alice@contoso.com"), func(int, net.Conn, *bufio.Reader) {}, func(l *scripted) {
				conn, _ := l.dial()
				go io.WriteString(conn, c.head)
				within(conn, 2*time.Minute)
				if _, err := io.Copy(io.Discard, conn); err != nil {
					t.Errorf("the connection was still open after two minutes: %v", err)
				}
			})
		})
	}
}

// TestClientThatTricklesAfterAnEarlyResponseEndsSoon checks that after an early
// response a client has ten seconds for the rest of its body. This must hold
// even if the scanner holds back an incomplete tag.
func TestClientThatTricklesAfterAnEarlyResponseEndsSoon(t *testing.T) {
	withScript(t, only(t, "alice@contoso.com"), func(_ int, conn net.Conn, r *bufio.Reader) {
		readHead(r)
		_, _ = io.WriteString(conn, "HTTP/1.1 100 Continue\r\n\r\n")
		_, _ = io.CopyN(io.Discard, r, 1000)
		go io.WriteString(conn, shortOK)
		_, _ = io.Copy(io.Discard, r)
	}, func(l *scripted) {
		conn, r := l.dial()
		body := long()
		start := time.Now()
		go func() {
			_, _ = conn.Write(append([]byte(head(4<<20)), body[:300<<10]...))
			_, _ = io.WriteString(conn, "</t:") // a tag that never ends
			for {
				time.Sleep(3 * time.Second)
				if _, err := io.WriteString(conn, " "); err != nil {
					return
				}
			}
		}()
		within(conn, 10*time.Minute)
		_, _ = io.Copy(io.Discard, r)
		if took := time.Since(start); took > 30*time.Second {
			t.Errorf("it took %v", took)
		}
		l.over(1, time.Minute)
		conn.Close()
	})
}

package proxy_test

import (
	"bufio"
	"io"
	"net"
	"testing"
	"time"

	"hmaproxy/proxy/policy"
)

// TestRestOfABodyIsNeverARequest uses an upstream that responds before the body
// is complete. The client pauses until the proxy has stopped reading. Then it sends
// the rest of the body, which the proxy must not read as a request. This must hold
// in the product's HTTP server and in net/http's.
func TestRestOfABodyIsNeverARequest(t *testing.T) {
	t.Run("product", func(t *testing.T) { testRestOfABody(t, withScript) })
	t.Run("in net/http", func(t *testing.T) { testRestOfABody(t, withScriptInNetHTTP) })
}

func testRestOfABody(t *testing.T, run func(*testing.T, *policy.Policy, script, func(*scripted))) {
	inner := envelope("alice@contoso.com", getFolder)
	for _, c := range []struct{ name, hidden string }{
		{"a probe", "GET /EWS/Exchange.asmx HTTP/1.1\r\nHost: localhost\r\n\r\n"},
		{"an operation", head(len(inner)) + string(inner)},
		{"something else", "GET /owa HTTP/1.1\r\nHost: localhost\r\n\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			run(t, only(t, "alice@contoso.com"), func(_ int, conn net.Conn, r *bufio.Reader) {
				readHead(r)
				_, _ = io.WriteString(conn, "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/xml\r\nConnection: close\r\nContent-Length: 11\r\n\r\n<Envelope/>")
				// A connection that is closed with unread bytes is reset, which may
				// discard the response.
				_, _ = io.Copy(io.Discard, r)
			}, func(l *scripted) {
				conn, r := l.dial()
				body := long()
				const sent = 300 << 10
				go conn.Write(append([]byte(head(len(body)+len(c.hidden))), body[:sent]...))
				within(conn, 2*time.Minute)
				if status, text := readReply(r); status != 503 || text != "<Envelope/>" {
					t.Errorf("response %d %s", status, text)
				}
				l.over(1, time.Minute)
				go io.WriteString(conn, c.hidden+string(body[sent:]))
				if status, text := readReply(r); status != 0 {
					t.Errorf("the rest of a body got the response %d %s", status, text)
				}
				if records := l.over(1, time.Second); len(records) != 1 {
					t.Errorf("it was read as a request: %+v", records[1])
				}
			})
		})
	}
}

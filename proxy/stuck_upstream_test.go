package proxy_test

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// TestUpstreamThatStopsReading checks that a request ends if the upstream stops
// reading its body. The HTTP server that runs the Handler does not detect that the
// client has left before the whole body was read, so the Handler must end the request.
func TestUpstreamThatStopsReading(t *testing.T) {
	for _, leaves := range []bool{true, false} {
		name := "the client waits"
		if leaves {
			name = "the client leaves"
		}
		t.Run(name, func(t *testing.T) {
			withScript(t, only(t, "alice@contoso.com"), func(_ int, conn net.Conn, r *bufio.Reader) {
				readHead(r)
				_, _ = io.WriteString(conn, "HTTP/1.1 100 Continue\r\n\r\n")
				_, _ = io.CopyN(io.Discard, r, 1000)
				time.Sleep(time.Hour)
			}, func(l *scripted) {
				conn, r := l.dial()
				body := long()
				go conn.Write(append([]byte(head(len(body))), body...))
				time.Sleep(10 * time.Second)
				if leaves {
					conn.Close()
				} else {
					within(conn, 10*time.Minute)
					if status, text := readReply(r); status != 500 || !strings.Contains(text, "ErrorInternalServerTransientError") {
						t.Errorf("response %d %s", status, text)
					}
				}
				l.over(1, 10*time.Minute)
				time.Sleep(time.Hour) // let the script end
			})
		})
	}
}

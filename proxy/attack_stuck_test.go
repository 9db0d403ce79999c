package proxy_test

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// TestUpstreamThatStopsReading: as long as a body is under way nobody watches
// whether the client is still there, so an upstream that takes no more of it
// must not hold the request for ever.
func TestUpstreamThatStopsReading(t *testing.T) {
	for _, leaves := range []bool{true, false} {
		name := "the client waits"
		if leaves {
			name = "the client leaves"
		}
		t.Run(name, func(t *testing.T) {
			inLane(t, only(t, "alice@contoso.com"), func(_ int, conn net.Conn, r *bufio.Reader) {
				readHead(r)
				_, _ = io.WriteString(conn, "HTTP/1.1 100 Continue\r\n\r\n")
				_, _ = io.CopyN(io.Discard, r, 1000)
				time.Sleep(time.Hour)
			}, func(l *lane) {
				conn, r := l.dial()
				body := long()
				go conn.Write(append([]byte(head(len(body))), body...))
				time.Sleep(10 * time.Second)
				if leaves {
					conn.Close()
				} else {
					within(conn, 10*time.Minute)
					if status, text := answered(r); status != 500 || !strings.Contains(text, "ErrorInternalServerTransientError") {
						t.Errorf("answered %d %s", status, text)
					}
				}
				l.over(1, 10*time.Minute)
				time.Sleep(time.Hour) // the script's end
			})
		})
	}
}

package proxy_test

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// TestHeadOfAnAnswerThatNeverEnds: the upstream begins an answer instead of
// inviting the body, and stops in the middle of the status line.
func TestHeadOfAnAnswerThatNeverEnds(t *testing.T) {
	for _, c := range []struct {
		name string
		then func(c net.Conn)
	}{
		{"the upstream hangs up", func(c net.Conn) {}},
		{"the upstream hangs up much later", func(c net.Conn) { time.Sleep(time.Minute) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			inLane(t, only(t, "alice@contoso.com"), func(_ int, conn net.Conn, r *bufio.Reader) {
				readHead(r)
				go io.Copy(io.Discard, r)
				time.Sleep(time.Second)
				_, _ = io.WriteString(conn, "HTTP/1.1 4")
				time.Sleep(3 * time.Second) // the wait for 100 Continue is over
				c.then(conn)
			}, func(l *lane) {
				conn, r := l.dial()
				body := long()
				go conn.Write(append([]byte(head(len(body))), body...))
				within(conn, 2*time.Minute)
				if status, text := answered(r); status != 500 || !strings.Contains(text, "ErrorInternalServerTransientError") {
					t.Errorf("answered %d %s", status, text)
				}
				l.over(1, time.Minute)
			})
		})
	}
}

func TestClientThatLeavesWhileTheHeadOfAnAnswerHangs(t *testing.T) {
	inLane(t, only(t, "alice@contoso.com"), func(_ int, conn net.Conn, r *bufio.Reader) {
		readHead(r)
		go io.WriteString(conn, "HTTP/1.1 4")
		_, _ = io.Copy(io.Discard, r) // until the proxy hangs up
	}, func(l *lane) {
		conn, _ := l.dial()
		body := long()
		go conn.Write(append([]byte(head(len(body))), body[:300<<10]...))
		time.Sleep(10 * time.Second)
		conn.Close()
		l.over(1, time.Minute)
	})
}

// TestInvitationsInOddShapes: whatever comes before the final answer, the body
// arrives whole.
func TestInvitationsInOddShapes(t *testing.T) {
	for _, c := range []struct{ name, first, rest string }{
		{"100 at once", "HTTP/1.1 100 Continue\r\n\r\n", ""},
		{"100 in two parts around the end of the wait", "HTTP/1.1 1", "00 Continue\r\n\r\n"},
		{"102, then nothing", "HTTP/1.1 102 Processing\r\n\r\n", ""},
		{"103, then 100", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n"},
		{"nothing", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			inLane(t, only(t, "alice@contoso.com"), func(_ int, conn net.Conn, r *bufio.Reader) {
				h := readHead(r)
				time.Sleep(time.Second)
				_, _ = io.WriteString(conn, c.first)
				time.AfterFunc(3*time.Second, func() { _, _ = io.WriteString(conn, c.rest) })
				if swallow(r, contentLength(h)) {
					time.Sleep(5 * time.Second)
					_, _ = io.WriteString(conn, shortOK)
				}
				_, _ = io.Copy(io.Discard, r)
			}, func(l *lane) {
				conn, r := l.dial()
				body := long()
				go conn.Write(append([]byte(head(len(body))), body...))
				within(conn, time.Minute)
				if status, text := answered(r); status != 200 || text != "<ok/>" {
					t.Errorf("answered %d %s", status, text)
				}
				l.over(1, time.Minute)
			})
		})
	}
}

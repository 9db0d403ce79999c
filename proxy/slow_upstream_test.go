package proxy_test

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// TestResponseAfterALongWait checks that the first part of a response is passed
// on to the client immediately, even if Exchange took long.
func TestResponseAfterALongWait(t *testing.T) {
	withScript(t, open(t), func(_ int, conn net.Conn, r *bufio.Reader) {
		readBodyOf(r, contentLength(readHead(r)))
		time.Sleep(5 * time.Minute)
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
		_, _ = io.Copy(io.Discard, r)
	}, func(l *scripted) {
		conn, r := l.dial()
		body := []byte("unreadable without a list")
		go conn.Write(append([]byte(head(len(body))), body...))
		within(conn, 10*time.Minute)
		if status, text := readReply(r); status != 200 || text != "ok" {
			t.Errorf("response %d %q", status, text)
		}
	})
}

// TestRefusalWithoutAnEnd checks that the proxy makes a second attempt after a 401
// whose body never ends.
func TestRefusalWithoutAnEnd(t *testing.T) {
	withScript(t, only(t, "alice@contoso.com"), func(n int, conn net.Conn, r *bufio.Reader) {
		h := readHead(r)
		readBodyOf(r, contentLength(h))
		if strings.Contains(h, nextToken) {
			_, _ = io.WriteString(conn, shortOK)
		} else {
			_, _ = io.WriteString(conn, "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n")
		}
		_, _ = io.Copy(io.Discard, r)
	}, func(l *scripted) {
		conn, r := l.dial()
		body := envelope("alice@contoso.com", getFolder)
		go conn.Write(append([]byte(head(len(body))), body...))
		within(conn, time.Minute)
		if status, text := readReply(r); status != 200 || text != "<Envelope/>" {
			t.Errorf("response %d %s", status, text)
		}
	})
}

package proxy_test

import (
	"bufio"
	"io"
	"net"
	"testing"
	"time"
)

// TestResponseToARefusedRequestNeverLooksComplete uses an upstream that treats
// the end of the connection as the end of the body, and completes its response.
// The rest of the request was refused, so the client must not get a complete
// response.
func TestResponseToARefusedRequestNeverLooksComplete(t *testing.T) {
	withScript(t, only(t, "alice@contoso.com"), func(_ int, conn net.Conn, r *bufio.Reader) {
		readHead(r)
		_, _ = io.WriteString(conn, "HTTP/1.1 100 Continue\r\n\r\n")
		_, _ = io.CopyN(io.Discard, r, 1000)
		go io.Copy(io.Discard, r)
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\na\r\n<Envelope/\r\n")
		time.Sleep(5 * time.Second)
		go io.WriteString(conn, "1\r\n>\r\n0\r\n\r\n")
		time.Sleep(5 * time.Second)
	}, func(l *scripted) {
		conn, r := l.dial()
		body := long()
		copy(body[350<<10:], "<?pi?>")
		go func() {
			_, _ = conn.Write(append([]byte(head(len(body))), body[:340<<10]...))
			time.Sleep(5 * time.Second)
			_, _ = conn.Write(body[340<<10:])
		}()
		within(conn, time.Minute)
		if status, text := readReply(r); status != 0 {
			t.Errorf("response %d %s", status, text)
		}
		if rec := l.over(1, time.Minute)[0]; rec.Reason.String() != "envelope-refused" || !rec.Aborted {
			t.Errorf("reason %q, aborted %v", rec.Reason, rec.Aborted)
		}
		conn.Close()
	})
}

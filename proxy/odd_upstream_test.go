package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// served is an upstream that reads each request and responds to it.
func served(_ int, conn net.Conn, r *bufio.Reader) {
	for {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, req.Body)
		_, _ = io.WriteString(conn, shortOK)
	}
}

// TestEmptyHandshakeInChunks checks that an empty chunked POST that begins a
// handshake is not forwarded. The header of this POST does not show that its body
// is empty.
func TestEmptyHandshakeInChunks(t *testing.T) {
	withScript(t, open(t), served, func(l *scripted) {
		conn, r := l.dial()
		go io.WriteString(conn, "POST /EWS/Exchange.asmx HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\n"+
			"Authorization: NTLM TlRMTVNTUAABAAAABoIIAAAAAAAAAAAAAAAAAAAAAAA=\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
		within(conn, time.Minute)
		if status, text := readReply(r); status != 401 {
			t.Errorf("response %d %s", status, text)
		}
		if rec := l.over(1, time.Minute)[0]; rec.Upstream != 0 {
			t.Error("it reached Exchange")
		}
	})
}

// TestPipelinedRequestsGetResponsesInOrder checks that pipelined requests get their
// responses in order. Some of the requests have a body and are refused.
func TestPipelinedRequestsGetResponsesInOrder(t *testing.T) {
	withScript(t, only(t, "alice@contoso.com"), served, func(l *scripted) {
		conn, r := l.dial()
		var all strings.Builder
		who := []string{"alice@contoso.com", "ceo@contoso.com", "alice@contoso.com", "ceo@contoso.com"}
		for i, mailbox := range who {
			body := envelope(mailbox, createItem(i*200<<10))
			fmt.Fprintf(&all, "%s%s", head(len(body)), body)
		}
		go io.WriteString(conn, all.String())
		within(conn, time.Minute)
		for i, mailbox := range who {
			status, text := readReply(r)
			if want := map[bool]int{true: 200, false: 500}[mailbox == who[0]]; status != want {
				t.Errorf("%d: response %d %s", i, status, text)
			}
		}
		l.over(len(who), time.Minute)
		if held := l.handler.Buffered(); held != 0 {
			t.Errorf("%d bytes of the budget are still spent", held)
		}
	})
}

// TestDocumentWithoutAContentTypeStaysWithoutOne checks that the proxy does not
// guess a media type.
func TestDocumentWithoutAContentTypeStaysWithoutOne(t *testing.T) {
	withScript(t, open(t), func(_ int, conn net.Conn, r *bufio.Reader) {
		readHead(r)
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>")
	}, func(l *scripted) {
		conn, r := l.dial()
		go io.WriteString(conn, "GET /EWS/Exchange.asmx?wsdl HTTP/1.1\r\nHost: localhost\r\n\r\n")
		within(conn, time.Minute)
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := resp.Header["Content-Type"]; got != nil {
			t.Errorf("Content-Type %q", got)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
	})
}

// TestMalformedUpstreamResponses checks that for each malformed response the client
// gets one well-formed response or a closed connection.
func TestMalformedUpstreamResponses(t *testing.T) {
	for _, c := range []struct {
		name, respond string
		status        int // expected status; 0: the connection ends, or the response is incomplete
	}{
		{"101", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", 500},
		{"status 000", "HTTP/1.1 000 None\r\nContent-Length: 0\r\n\r\n", 500},
		{"status 099", "HTTP/1.1 099 None\r\nContent-Length: 0\r\n\r\n", 500},
		{"status 999", "HTTP/1.1 999 None\r\nContent-Length: 0\r\n\r\n", 500},
		{"no HTTP", "SSH-2.0-OpenSSH\r\n", 500},
		{"nothing", "", 500},
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 500},
		{"length and chunks", "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n<Envelope/>\r\n0\r\n\r\n", 200},
		{"cut chunk", "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n2f\r\n<Envelope>ab", 0},
		{"no last chunk", "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n<Envelope/>\r\n", 0},
		{"short of its length", "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 100\r\n\r\n<Envelope>ab", 0},
		{"trailers", "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nTrailer: X-T\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n<Envelope/>\r\n0\r\nX-T: " + goodToken + "\r\n\r\n", 200},
		{"a cut gzip", "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Encoding: gzip\r\nContent-Length: 20\r\n\r\n\x1f\x8b\x08", 0},
		{"many interim responses", strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 100) + shortOK, 200},
		{"no content", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", 500},
	} {
		t.Run(c.name, func(t *testing.T) {
			withScript(t, only(t, "alice@contoso.com"), func(_ int, conn net.Conn, r *bufio.Reader) {
				readBodyOf(r, contentLength(readHead(r)))
				_, _ = io.WriteString(conn, c.respond)
			}, func(l *scripted) {
				conn, r := l.dial()
				body := envelope("alice@contoso.com", getFolder)
				go conn.Write(append([]byte(head(len(body))), body...))
				within(conn, time.Minute)
				status, text := readReply(r)
				if status != c.status || strings.Contains(text, goodToken) {
					t.Errorf("response %d %s", status, text)
				}
				l.over(1, time.Minute)
				if held := l.handler.Buffered(); held != 0 {
					t.Errorf("%d bytes of the budget are still spent", held)
				}
			})
		})
	}
}

// TestClientThatStallsWhileTheUpstreamDies uses an upstream that closes the
// connection during an upload, while the client pauses. The client must get a
// response within the longest pause that a body may have.
func TestClientThatStallsWhileTheUpstreamDies(t *testing.T) {
	withScript(t, only(t, "alice@contoso.com"), func(_ int, conn net.Conn, r *bufio.Reader) {
		readHead(r)
		_, _ = io.WriteString(conn, "HTTP/1.1 100 Continue\r\n\r\n")
		_, _ = io.CopyN(io.Discard, r, 1000)
	}, func(l *scripted) {
		conn, r := l.dial()
		body := long()
		go conn.Write(append([]byte(head(len(body))), body[:300<<10]...))
		within(conn, 45*time.Second)
		if status, text := readReply(r); status == 0 || status == 200 {
			t.Errorf("response %d %s", status, text)
		}
		conn.Close()
	})
}

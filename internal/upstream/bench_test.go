package upstream

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// BenchmarkRoundTrip measures a short request and its response on loopback,
// including the work of the server.
func BenchmarkRoundTrip(b *testing.B) {
	tr := newBenchServer(b)
	body := strings.Repeat("x", 1700)
	b.ReportAllocs()
	for b.Loop() {
		resp, err := tr.RoundTrip(post(body))
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
}

// BenchmarkUpload measures a request with a body of 16 MiB.
func BenchmarkUpload(b *testing.B) {
	tr := newBenchServer(b)
	body := strings.Repeat("x", 16<<20)
	b.SetBytes(16 << 20)
	for b.Loop() {
		r := post(body)
		r.GetBody = nil
		resp, err := tr.RoundTrip(r)
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
}

func newBenchServer(b *testing.B) *Transport {
	response := "HTTP/1.1 200 OK\r\nCache-Control: private\r\nX-FEServer: EX1\r\nX-BEServer: EX2\r\nrequest-id: 1\r\nX-DiagInfo: EX2\r\n" +
		"Content-Type: text/xml; charset=utf-8\r\nDate: Mon, 02 Jan 2006 15:04:05 GMT\r\nContent-Length: 3300\r\n\r\n" + strings.Repeat("y", 3300)
	return newHostileServer(b, func(c net.Conn, br *bufio.Reader) {
		for {
			r, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, r.Body)
			fmt.Fprint(c, response)
		}
	}, nil)
}

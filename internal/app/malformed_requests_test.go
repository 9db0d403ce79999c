package app

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hmaproxy/internal/textcheck"
)

// TestMalformedRequestsAreReported checks that a malformed request leaves a log
// line and is counted. A connection that ends without a byte is neither logged
// nor counted.
func TestMalformedRequestsAreReported(t *testing.T) {
	const head = "POST /EWS/Exchange.asmx HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\n"
	secret := "Authorization: Basic c2VjcmV0OnNlY3JldA==\r\n"
	cases := []struct {
		name, sent string
		status     int // 0: no response
	}{
		{"no HTTP", "\x16\x03\x01\x02\x00\x01", http.StatusBadRequest},
		{"a bare line feed", head + secret + "X: y\n\r\n", http.StatusBadRequest},
		{"two lengths", head + secret + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", http.StatusBadRequest},
		{"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", http.StatusHTTPVersionNotSupported},
		{"a head that does not end", head, http.StatusRequestTimeout},
		{"a head that is too large", head + "X: " + strings.Repeat("y", 200<<10), http.StatusRequestHeaderFieldsTooLarge},
		{"an unknown transfer coding", head + "Transfer-Encoding: gzip\r\n\r\n", http.StatusNotImplemented},
		{"an unknown expectation", head + "Expect: 200-ok\r\n\r\n", http.StatusExpectationFailed},
		{"no byte", "", 0},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := startTestProduct(t)
				defer h.close()
				time.Sleep(time.Second)
				c := h.connect()
				defer c.Close()
				go func() { _, _ = io.WriteString(c, tc.sent) }()
				reply, _ := io.ReadAll(c)
				lines := h.log.lines("malformed request refused")
				if tc.status == 0 {
					if len(reply) > 0 || len(lines) > 0 {
						t.Errorf("response %q, log %v", reply, lines)
					}
					return
				}
				if want := fmt.Sprintf("HTTP/1.1 %d ", tc.status); !strings.HasPrefix(string(reply), want) {
					t.Errorf("response %q, want %s", reply, want)
				}
				if len(lines) != 1 || lines[0].Level != "WARN" || !lines[0].says(`"remote":`, fmt.Sprintf(`"status":%d`, tc.status), `"detail":"`) || lines[0].says("c2VjcmV0") {
					t.Errorf("log %v", lines)
				}
				textcheck.Contains(t, h.look("/metrics"), fmt.Sprintf("hmaproxy_malformed_requests_total{status=\"%d\"} 1\n", tc.status))
			})
		})
	}
}

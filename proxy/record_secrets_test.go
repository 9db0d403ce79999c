package proxy_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestRecordHoldsNoToken checks that neither the Record nor the response contains
// the token if the upstream repeats it in headers that are recorded, or in a
// malformed response, which an error may quote.
func TestRecordHoldsNoToken(t *testing.T) {
	for _, c := range []struct{ name, respond string }{
		{"request id", "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nrequest-id: %s\r\nX-FEServer: ex-%s\r\nContent-Length: 0\r\n\r\n"},
		{"diagnostics", "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\nx-ms-diagnostics: 2000001;reason=\"what is %s\";error_category=\"%s\"\r\nContent-Length: 0\r\n\r\n"},
		{"a status line", "HTTP/1.1 %s %s\r\n\r\n"},
		{"a header line", "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nAuthorization Bearer %s %s\r\n\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			withScript(t, only(t, "alice@contoso.com"), func(_ int, conn net.Conn, r *bufio.Reader) {
				h := readHead(r)
				readBodyOf(r, contentLength(h))
				token := goodToken
				if strings.Contains(h, nextToken) {
					token = nextToken
				}
				fmt.Fprintf(conn, c.respond, token, token)
			}, func(l *scripted) {
				conn, r := l.dial()
				body := envelope("alice@contoso.com", getFolder)
				go conn.Write(append([]byte(head(len(body))), body...))
				within(conn, time.Minute)
				resp, err := http.ReadResponse(r, nil)
				if err != nil {
					t.Fatal(err)
				}
				var sent strings.Builder
				_ = resp.Write(&sent)
				rec := l.over(1, time.Minute)[0]
				kept := fmt.Sprintf("%+v %+v %v", rec, rec.Diagnosis, rec.Err)
				for _, token := range []string{goodToken, nextToken} {
					if strings.Contains(kept, token) {
						t.Errorf("the record holds the token: %s", kept)
					}
					if strings.Contains(sent.String(), token) {
						t.Errorf("the response holds the token: %s", sent.String())
					}
				}
			})
		})
	}
}

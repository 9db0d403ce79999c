package app

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hmaproxy/internal/emulator"
)

// connect opens a connection to the clients' listener.
func (s *testProduct) connect() net.Conn {
	s.t.Helper()
	c, err := s.memory.DialContext(s.t.Context(), "tcp", s.clients)
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// TestSlowClientsAreDisconnected checks that slow clients can occupy a
// connection only for a limited time.
func TestSlowClientsAreDisconnected(t *testing.T) {
	const head = "POST /EWS/Exchange.asmx HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\n"
	cases := []struct {
		name    string
		at      string        // sent immediately
		pause   time.Duration // pause before each further byte; 0: no further bytes
		reads   bool          // the client reads the response
		longest time.Duration
	}{
		{"a connection without a request", "", 0, true, 10 * time.Second},
		{"a slow head", "POST /EWS", time.Second, true, 10 * time.Second},
		{"a head that does not end", head, 0, true, 10 * time.Second},
		{"a body that is not sent", head + "Content-Length: 10000\r\n\r\n", 0, true, 40 * time.Second},
		{"a slow body", head + "Content-Length: 10000\r\n\r\n", 5 * time.Second, true, 72 * time.Second},
		{"a slow body in chunks", head + "Transfer-Encoding: chunked\r\n\r\n2000\r\n", 5 * time.Second, true, 72 * time.Second},
		{"a slow body of a refused request", strings.Replace(head, "text/xml", "text/plain", 1) + "Content-Length: 10000\r\n\r\n", time.Second, true, 72 * time.Second},
		{"a slow body at an unknown path", "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000\r\n\r\n", time.Second, true, 30 * time.Second},
		{"a response that is not read", "GET /EWS/Exchange.asmx?wsdl HTTP/1.1\r\nHost: localhost\r\n\r\n", 0, false, 70 * time.Second},
		{"an idle connection", "GET /EWS/Exchange.asmx HTTP/1.1\r\nHost: localhost\r\n\r\n", 0, true, 181 * time.Second},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := startTestProduct(t)
				defer h.close()
				h.emu.Exchange().Inject(100, emulator.Fault{ // responds to GET with a document of 64 MiB
					Match:  func(r *http.Request) bool { return r.Method == http.MethodGet },
					Status: http.StatusOK, Header: http.Header{"Content-Type": {"text/xml"}}, Filler: 64 << 20,
				})
				time.Sleep(time.Second)
				c := h.connect()
				defer c.Close()
				started := time.Now()
				over := make(chan struct{})
				go func() { // writes until the connection is closed at the other end
					defer close(over)
					for _, err := io.WriteString(c, tc.at); err == nil && tc.pause > 0; _, err = c.Write([]byte("A")) {
						time.Sleep(tc.pause)
					}
				}()
				if tc.reads {
					_, _ = io.Copy(io.Discard, c)
				} else {
					time.Sleep(tc.longest)
					_ = c.SetReadDeadline(time.Now().Add(time.Second))
					if n, err := io.Copy(io.Discard, c); n > 1<<20 {
						t.Errorf("%d bytes could still be read, %v", n, err)
					}
				}
				if took := time.Since(started); took > tc.longest+time.Second {
					t.Errorf("closed after %v, want within %v", took, tc.longest)
				}
				c.Close()
				<-over
			})
		})
	}
}

// TestHalfAnHourOfNotifications checks that a stream with few events is not treated
// as a slow client.
func TestHalfAnHourOfNotifications(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := startTestProduct(t, "HMA_ALLOWED_MAILBOXES=alice@contoso.com")
		defer h.close()
		time.Sleep(time.Second)
		call := func(operation string) *http.Response {
			t.Helper()
			resp, err := h.client.Post("http://"+h.clients+"/EWS/Exchange.asmx", "text/xml", strings.NewReader(envelopeWith(operation)))
			if err != nil || resp.StatusCode != http.StatusOK {
				t.Fatalf("got %v, %v", resp, err)
			}
			return resp
		}
		resp := call(`<m:Subscribe><m:StreamingSubscriptionRequest SubscribeToAllFolders="true"><t:EventTypes><t:EventType>NewMailEvent</t:EventType></t:EventTypes></m:StreamingSubscriptionRequest></m:Subscribe>`)
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(text), "SubscriptionId>")
		id, _, ok := strings.Cut(rest, "<")
		if !ok {
			t.Fatalf("no subscription in %s", text)
		}
		started := time.Now()
		resp = call(fmt.Sprintf(`<m:GetStreamingEvents><m:SubscriptionIds><t:SubscriptionId>%s</t:SubscriptionId></m:SubscriptionIds><m:ConnectionTimeout>30</m:ConnectionTimeout></m:GetStreamingEvents>`, id))
		defer resp.Body.Close()
		in, parts := bufio.NewReader(resp.Body), 0
		buf := make([]byte, 64<<10)
		for {
			n, err := in.Read(buf)
			if n > 0 {
				parts++
			}
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("after %v: %v", time.Since(started), err)
			}
		}
		if took := time.Since(started); took < 30*time.Minute || took > 31*time.Minute || parts < 30*60/45 {
			t.Errorf("the stream took %v and came in %d parts", took, parts)
		}
	})
}

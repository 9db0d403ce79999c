package app

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"runtime/pprof"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hmaproxy/internal/emulator"
)

var ofTheProduct = regexp.MustCompile(`net/http\.\(\*persistConn\)|hmaproxy/(token|certsource|proxy)\.|app\.\(\*app\)`)

// TestShutdownLeavesNoGoroutines checks that after Run no goroutine of the
// product and no connection to the services remains.
func TestShutdownLeavesNoGoroutines(t *testing.T) {
	for _, mode := range []string{"memory", "vault"} {
		t.Run(mode, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newTestProduct(t, emulator.Config{Cert: newTestCertificate(t, 0, emulator.CertOptions{NonExportable: mode == "vault"})})
				s.env["HMA_KEY_MODE"] = mode
				defer s.close()
				s.start().settle()
				s.stop()
				synctest.Wait()
				var text strings.Builder
				if err := pprof.Lookup("goroutine").WriteTo(&text, 2); err != nil {
					t.Fatal(err)
				}
				for _, trace := range strings.Split(text.String(), "\n\n") {
					if strings.Contains(trace, "synctest bubble") && ofTheProduct.MatchString(trace) {
						t.Errorf("left behind: %.600s", trace)
					}
				}
			})
		})
	}
}

// TestStopEndsStreamsFirst checks that a stop lasts as long as the last short
// request. Notification streams are ended properly at the beginning of the
// stop.
func TestStopEndsStreamsFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := startTestProduct(t, "HMA_ALLOWED_MAILBOXES=alice@contoso.com", "HMA_SHUTDOWN_TIMEOUT=60s")
		defer h.close()
		h.settle()
		subscribed := h.send(t.Context(), `<m:Subscribe><m:StreamingSubscriptionRequest SubscribeToAllFolders="true"><t:EventTypes><t:EventType>NewMailEvent</t:EventType></t:EventTypes></m:StreamingSubscriptionRequest></m:Subscribe>`)
		_, rest, _ := strings.Cut(subscribed.text, "SubscriptionId>")
		id, _, ok := strings.Cut(rest, "<")
		if !ok {
			t.Fatalf("no subscription in %s", subscribed.text)
		}
		streamed, short := make(chan response, 1), make(chan response, 1)
		go func() {
			streamed <- h.send(context.Background(), `<m:GetStreamingEvents><m:SubscriptionIds><t:SubscriptionId>`+id+`</t:SubscriptionId></m:SubscriptionIds><m:ConnectionTimeout>30</m:ConnectionTimeout></m:GetStreamingEvents>`)
		}()
		time.Sleep(time.Minute)
		const lasts = 20 * time.Second
		h.emu.Exchange().Inject(1, emulator.Fault{Latency: lasts})
		go func() { short <- h.ask() }()
		time.Sleep(time.Second)
		began := time.Now()
		stopped := make(chan struct{})
		go func() { h.end(); close(stopped) }()
		stream := <-streamed
		if took := time.Since(began); stream.err != nil || !strings.Contains(stream.text, "<m:ConnectionStatus>Closed<") || took > time.Second {
			t.Errorf("the stream ended after %v with %v: %.200q", took, stream.err, stream.text)
		}
		if a := <-short; !a.ok() {
			t.Errorf("the short request: %+v", a)
		}
		<-stopped
		h.end = nil
		if took := time.Since(began); took > lasts+time.Second {
			t.Errorf("the stop took %v", took)
		}
	})
}

// TestStopDoesNotWaitForSilentConnections checks that connections without a
// request do not prolong a stop. A client that uses its connection shortly
// after the beginning of the stop is served.
func TestStopDoesNotWaitForSilentConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := startTestProduct(t, "HMA_ALLOWED_MAILBOXES=alice@contoso.com", "HMA_SHUTDOWN_TIMEOUT=60s")
		defer h.close()
		h.settle()
		h.connect() // never sends a byte
		c := h.connect()
		in := bufio.NewReader(c)
		ask := func() *http.Response {
			text := envelopeWith(askFolder)
			fmt.Fprintf(c, "POST /EWS/Exchange.asmx HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
			resp, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			return resp
		}
		if resp := ask(); resp.StatusCode != http.StatusOK || resp.Close {
			t.Errorf("before the stop: %v", resp)
		}
		began := time.Now()
		stopped := make(chan struct{})
		go func() { h.end(); close(stopped) }()
		time.Sleep(idleGrace / 2)
		if resp := ask(); resp.StatusCode != http.StatusOK || !resp.Close {
			t.Errorf("at the beginning of the stop: %v, want a response that closes the connection", resp)
		}
		<-stopped
		h.end = nil
		if took := time.Since(began); took > time.Second {
			t.Errorf("the stop took %v", took)
		}
	})
}

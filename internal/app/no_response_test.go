package app

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hmaproxy/internal/emulator"
)

// TestNoResponse checks how long a request waits for the head of Exchange's
// response, and that the client then gets the fault of a request that may have been
// executed. A response that may last as long as a notification stream has more time
// than the 30 minutes that the EWS schema permits for ConnectionTimeout.
func TestNoResponse(t *testing.T) {
	stream := envelopeWith(`<m:GetStreamingEvents><m:SubscriptionIds><t:SubscriptionId>x</t:SubscriptionId></m:SubscriptionIds><m:ConnectionTimeout>30</m:ConnectionTimeout></m:GetStreamingEvents>`)
	for _, c := range []struct {
		name, document string
		wait           time.Duration
	}{
		{"an operation", envelopeWith(askFolder), 10 * time.Minute},
		{"a notification stream", stream, 35 * time.Minute},
		{"a search for eDiscovery", envelopeWith(`<m:SearchMailboxes/>`), 35 * time.Minute},
		{"a document that cannot be read", "<!DOCTYPE x>" + stream, 35 * time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := startTestProduct(t) // without an allow-list, so no document is refused
				defer h.close()
				h.settle()
				h.emu.Exchange().Inject(1, emulator.Fault{Hang: true})
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				got := h.sendText(ctx, c.document)
				if got.err != nil {
					t.Fatal(got.err)
				}
				if got.status != http.StatusInternalServerError || got.header.Get("X-Hmaproxy-Error") != "upstream-timeout" ||
					!strings.Contains(got.text, "ErrorInternalServerTransientError") || !strings.Contains(got.text, "may have been executed") {
					t.Errorf("status %d, %v, %s", got.status, got.header, got.text)
				}
				// A connection may keep a deadline of an earlier request that is up to a
				// tenth too early.
				if got.took < c.wait-c.wait/10 || got.took > c.wait {
					t.Errorf("the response came after %v, want %v", got.took, c.wait)
				}
			})
		})
	}
}

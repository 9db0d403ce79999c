package proxy_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"hmaproxy/proxy"
)

// throttled is Exchange's fault for a client that sends too many requests.
const throttled = `<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault>` +
	`<faultcode xmlns:a="http://schemas.microsoft.com/exchange/services/2006/types">a:ErrorServerBusy</faultcode>` +
	`<faultstring xml:lang="en-US">The server cannot service this request right now. Try again later.</faultstring><detail>` +
	`<e:ResponseCode xmlns:e="http://schemas.microsoft.com/exchange/services/2006/errors">ErrorServerBusy</e:ResponseCode>` +
	`<e:Message xmlns:e="http://schemas.microsoft.com/exchange/services/2006/errors">Try again later.</e:Message>` +
	`<t:MessageXml xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types">` +
	`<t:Value Name="BackOffMilliseconds">38526</t:Value></t:MessageXml></detail></s:Fault></s:Body></s:Envelope>`

// TestExchangeFaults checks that Exchange's faults reach the client unchanged and
// that the Record names them.
func TestExchangeFaults(t *testing.T) {
	replaced := func(old, new string) string { return strings.ReplaceAll(throttled, old, new) }
	for _, c := range []struct {
		name, body string
		status     int
		gzip       bool
		fault      string
		backOff    time.Duration
	}{
		{"throttled", throttled, 500, false, "ErrorServerBusy", 38526 * time.Millisecond},
		{"compressed", throttled, 500, true, "ErrorServerBusy", 38526 * time.Millisecond},
		{"with status 503", throttled, 503, false, "ErrorServerBusy", 38526 * time.Millisecond},
		{"no back-off", replaced("BackOffMilliseconds", "Other"), 500, false, "ErrorServerBusy", 0},
		{"the fault code alone", replaced("ResponseCode", "OtherCode"), 500, false, "ErrorServerBusy", 38526 * time.Millisecond},
		{"other prefixes", strings.NewReplacer("e:", "", "a:E", "E", "xmlns:a", "xmlns:b").Replace(throttled), 500, false, "ErrorServerBusy", 38526 * time.Millisecond},
		{"a moved mailbox", replaced("ErrorServerBusy", "ErrorNonExistentMailbox"), 500, false, "ErrorNonExistentMailbox", 38526 * time.Millisecond},
		{"a code that is none", replaced("ErrorServerBusy", "Error of alice@contoso.com"), 500, false, "", 38526 * time.Millisecond},
		{"a code that is too long", replaced("ErrorServerBusy", "Error"+strings.Repeat("x", 100)), 500, false, "", 38526 * time.Millisecond},
		{"a back-off of a year", replaced("38526", "31536000000"), 500, false, "ErrorServerBusy", 0},
		{"a fault far behind", strings.Replace(throttled, "<s:Fault>", strings.Repeat(" ", 20<<10)+"<s:Fault>", 1), 500, false, "", 0},
		{"no fault", okDocument, 500, false, "", 0},
		{"success", throttled, 200, false, "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newTestProxy(t, testConfig{respond: func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				if !c.gzip {
					w.WriteHeader(c.status)
					_, _ = io.WriteString(w, c.body)
					return
				}
				w.Header().Set("Content-Encoding", "gzip")
				w.WriteHeader(c.status)
				z := gzip.NewWriter(w)
				_, _ = io.WriteString(z, c.body)
				z.Close()
			}})
			resp, text := r.post(t, envelope("alice@contoso.com", getFolder))
			if resp.StatusCode != c.status || !c.gzip && text != c.body {
				t.Errorf("status %d, %.200s", resp.StatusCode, text)
			}
			rec := r.last(t)
			if string(rec.Fault) != c.fault || rec.BackOff != c.backOff || rec.Reason != proxy.ReasonNone {
				t.Errorf("fault %q, back-off %v, reason %q; want %q and %v", rec.Fault, rec.BackOff, rec.Reason, c.fault, c.backOff)
			}
		})
	}
}

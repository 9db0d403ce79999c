package proxy_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"hmaproxy/proxy"
)

// A slotError is the error of a read from a connection that has lost its slot.
type slotError struct{}

func (slotError) Error() string { return "the listener closed the connection" }
func (slotError) Busy() bool    { return true }

type failingReader struct{ err error }

func (r failingReader) Read([]byte) (int, error) { return 0, r.err }

// TestConnectionLosesItsSlot checks the response to a request whose connection loses
// its slot before the body has arrived: while the body is buffered, and while it is
// sent to Exchange. Exchange must not get a complete request.
func TestConnectionLosesItsSlot(t *testing.T) {
	document := envelope("alice@contoso.com", createItem(1<<20))
	for name, arrived := range map[string]int{"nothing has arrived": 0, "a part was buffered": 1000, "a part was sent": 600_000} {
		t.Run(name, func(t *testing.T) {
			p := newTestProxy(t, testConfig{})
			body := io.MultiReader(bytes.NewReader(document[:arrived]), failingReader{slotError{}})
			r := httptest.NewRequest(http.MethodPost, "/EWS/Exchange.asmx", body)
			r.Host = "localhost"
			r.ContentLength = int64(len(document))
			r.Header.Set("Content-Type", "text/xml; charset=utf-8")
			w := httptest.NewRecorder()
			p.handler.ServeHTTP(w, r)
			if w.Code != http.StatusInternalServerError || readFault(t, w.Body.String()).Detail != "ErrorServerBusy" {
				t.Errorf("status %d, %s", w.Code, w.Body)
			}
			if rec := p.last(t); rec.Reason != proxy.ReasonProxyBusy || !strings.Contains(rec.Detail, "all connections are in use") {
				t.Errorf("reason %v, detail %q", rec.Reason, rec.Detail)
			}
			if seen := p.seen(); whole(seen) != 0 || len(seen) > 0 != (arrived > 256<<10) {
				t.Errorf("Exchange has received %d requests, %d of them complete", len(seen), whole(seen))
			}
		})
	}
}

// TestAutodiscoverLosesItsSlot checks the reason that clients of Autodiscover get
// when the connection loses its slot while the body of the request is read.
func TestAutodiscoverLosesItsSlot(t *testing.T) {
	for _, path := range []string{svcPath, poxPath} {
		p := newTestProxy(t, testConfig{adjust: discovering})
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodPost, path, io.MultiReader(strings.NewReader("<"), failingReader{slotError{}}))
		r.Host = "localhost"
		r.Header.Set("Content-Type", "text/xml; charset=utf-8")
		p.handler.ServeHTTP(w, r)
		if !strings.Contains(w.Body.String(), "all connections are in use") {
			t.Errorf("%s: status %d, %q", path, w.Code, w.Body)
		}
		if rec := p.last(t); rec.Reason != proxy.ReasonProxyBusy || !strings.HasPrefix(rec.Detail, "all connections are in use") {
			t.Errorf("%s: reason %v, detail %q", path, rec.Reason, rec.Detail)
		}
	}
}

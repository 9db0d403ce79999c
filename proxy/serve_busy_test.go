package proxy_test

import (
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"hmaproxy/proxy"
)

// TestServeBusy checks the response on a connection that is closed before a request
// was read from it. It also checks that the Record contains the reason.
func TestServeBusy(t *testing.T) {
	p := newTestProxy(t, testConfig{})
	w := httptest.NewRecorder()
	p.handler.ServeBusy(w, "127.0.0.1:50000")
	var fault struct {
		Code    string `xml:"Body>Fault>detail>ResponseCode"`
		BackOff int    `xml:"Body>Fault>detail>MessageXml>Value"`
	}
	if err := xml.Unmarshal(w.Body.Bytes(), &fault); err != nil {
		t.Fatal(err)
	}
	if w.Code != http.StatusInternalServerError || fault.Code != "ErrorServerBusy" || fault.BackOff < 5000 {
		t.Errorf("status %d, %+v", w.Code, fault)
	}
	for name, want := range map[string]string{
		"Content-Type": "text/xml; charset=utf-8", "X-Hmaproxy-Error": "proxy-busy", "Connection": "close",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if r := p.last(t); r.Reason != proxy.ReasonProxyBusy || r.Remote != "127.0.0.1:50000" || r.Status != 500 || r.Detail == "" {
		t.Errorf("record %+v", r)
	}
}

// slotLost is the error of a read from a connection that has lost its slot.
type slotLost struct{}

func (slotLost) Error() string { return "this connection has no slot" }
func (slotLost) Busy() bool    { return true }

type failingBody struct{ err error }

func (b failingBody) Read([]byte) (int, error) { return 0, b.err }

// TestLostSlotIsTheReason checks the reason that clients get when the connection
// loses its slot while the body of the request is read.
func TestLostSlotIsTheReason(t *testing.T) {
	for _, path := range []string{"/EWS/Exchange.asmx", svcPath, poxPath} {
		p := newTestProxy(t, testConfig{adjust: discovering})
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodPost, path, io.MultiReader(strings.NewReader("<"), failingBody{slotLost{}}))
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

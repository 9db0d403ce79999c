package proxy_test

import (
	"encoding/xml"
	"net/http"
	"net/http/httptest"
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

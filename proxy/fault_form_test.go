package proxy_test

import (
	"encoding/xml"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"hmaproxy/proxy"
)

// TestFaultHasExchangesForm compares a fault of the proxy with Exchange's own fault
// for the same cause. Only the text of e:Message and the back-off differ.
func TestFaultHasExchangesForm(t *testing.T) {
	r := newTestProxy(t, testConfig{respond: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "38")
		w.WriteHeader(http.StatusTooManyRequests)
	}})
	_, text := r.post(t, envelope("alice@contoso.com", getFolder))
	message := regexp.MustCompile(`<e:Message [^<]*</e:Message>`)
	want := strings.Replace(throttled, ">38526<", ">38000<", 1)
	if got := message.FindString(text); got == "" || strings.Replace(text, got, message.FindString(want), 1) != want {
		t.Errorf("%s\nwant, apart from the message,\n%s", text, want)
	}
}

// TestFaultTextIsEscaped checks that a text with XML's own characters, here the name
// of a setting, reaches the client as text.
func TestFaultTextIsEscaped(t *testing.T) {
	const name = `<a>&amp;"]]>`
	r := newTestProxy(t, testConfig{
		respond: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusProxyAuthRequired) },
		adjust:  func(c *proxy.Config) { c.Settings.CorporateProxy = name },
	})
	_, text := r.post(t, envelope("alice@contoso.com", getFolder))
	var fault struct {
		Message string `xml:"Body>Fault>detail>Message"`
	}
	if err := xml.Unmarshal([]byte(text), &fault); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	if rec := r.last(t); !strings.Contains(rec.Detail, name) || !strings.Contains(fault.Message, rec.Detail) {
		t.Errorf("detail %q, message %q", rec.Detail, fault.Message)
	}
}

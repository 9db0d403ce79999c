package proxy

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hmaproxy/proxy/internal/body"
)

// TestTitle tests pages with a title, with a part of a title, and without a title.
func TestTitle(t *testing.T) {
	for page, want := range map[string]string{
		"<html><title>Sign in</title>":     "Sign in",
		"<TITLE lang='de'>Sign in</TITLE>": "Sign in",
		"<title>Sign in":                   "Sign in",
		"<title></title>":                  "",
		"<title>":                          "",
		"<title":                           "",
		"Sign in":                          "",
		"":                                 "",
	} {
		if got := title(&http.Response{Body: io.NopCloser(strings.NewReader(page))}); got != want {
			t.Errorf("%s: %q, want %q", page, got, want)
		}
	}
}

// TestPrintableASCII tests each byte of ASCII and characters beyond it.
func TestPrintableASCII(t *testing.T) {
	for c := range rune(0x180) {
		want := "?"
		if c >= 0x20 && c <= 0x7e {
			want = string(c)
		}
		if got := printableASCII(string(c), 10); got != want {
			t.Errorf("%q: %q", c, got)
		}
	}
	for limit, want := range map[int]string{0: "", 2: "a?", 3: "a?b", 4: "a?b"} {
		if got := printableASCII("a\u00e9b", limit); got != want {
			t.Errorf("at most %d bytes: %q, want %q", limit, got, want)
		}
	}
}

// TestUTF16 checks that a response in UTF-16 counts as SOAP, because the proxy does
// not read UTF-16. The proxy recognises UTF-16 by its byte order mark or by a zero
// among the first four bytes.
func TestUTF16(t *testing.T) {
	for text, want := range map[string]start{
		"\xff\xfe": startSOAP, "\xfe\xff": startSOAP, "\x00<": startSOAP, "<\x00": startSOAP, "abc\x00": startSOAP,
		"abcd\x00": startOther, "\xff": startOther, "\xfe": startOther, "\xff\xff": startOther,
	} {
		if got := textStart([]byte(text)); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

// TestBodyWithoutRoom checks the response if there is no memory for a body. It must
// not be the response on a connection that has lost its slot.
func TestBodyWithoutRoom(t *testing.T) {
	if p := noRoom(body.ErrFull); p.reason != ReasonProxyBusy || p.prompt || p.detail != "" {
		t.Errorf("without memory: %+v", p)
	}
}

// TestTitleOfAPageThatDoesNotEnd checks that a device that does not finish its page
// delays the response by one second only.
func TestTitleOfAPageThatDoesNotEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		page, device := io.Pipe()
		go device.Write([]byte("<html><title>Sign in</title>"))
		began := time.Now()
		got := title(&http.Response{Body: page})
		if took := time.Since(began); got != "Sign in" || took != time.Second {
			t.Errorf("%q after %v", got, took)
		}
	})
}

package proxy

import (
	"io"
	"net/http"
	"strings"
	"testing"
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

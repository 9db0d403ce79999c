package proxy

import (
	"strings"
	"testing"
)

// TestHostName tests the forms of a Host header. A port has one to five digits.
func TestHostName(t *testing.T) {
	for host, want := range map[string]string{
		"localhost": "localhost", "LocalHost": "localhost", "localhost:0": "localhost", "LOCALHOST:12345": "localhost",
		"[::1]": "[::1]", "[::1]:8080": "[::1]", "EWS.Internal:443": "ews.internal",
		"": "", "localhost:": "", "localhost:123456": "", "localhost:x": "", ":": "",
	} {
		if got := hostName(host); got != want {
			t.Errorf("%q: %q, want %q", host, got, want)
		}
	}
}

// TestCharactersOfPort checks that a port may contain only digits. It tries
// each byte alone, at the beginning, at the end and in the middle.
func TestCharactersOfPort(t *testing.T) {
	for c := range 0x100 {
		b := string([]byte{byte(c)})
		for _, port := range []string{b, b + "8", "8" + b, "12" + b + "45"} {
			if got, want := isPort(port), c >= '0' && c <= '9'; got != want {
				t.Errorf("%q: %v", port, got)
			}
		}
	}
	for n, want := range map[int]bool{0: false, 1: true, 5: true, 6: false} {
		if got := isPort(strings.Repeat("8", n)); got != want {
			t.Errorf("%d digits: %v", n, got)
		}
	}
}

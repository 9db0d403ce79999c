package proxy

import (
	"strings"
	"testing"
)

// TestCharactersOfCookies tests each byte alone, at the beginning, at the end
// and in the middle of a cookie's value and of the name of a back end.
func TestCharactersOfCookies(t *testing.T) {
	for c := range 0x100 {
		b := byte(c)
		printable := b >= 0x20 && b <= 0x7e && b != ','
		hostName := b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b == '.' || b == '-'
		for _, text := range []string{string([]byte{b}), string([]byte{b, 'x'}), string([]byte{'x', b}), string([]byte{'x', b, 'x'})} {
			if got := cookieValue(text); got != printable {
				t.Errorf("value %q: %v", text, got)
			}
			if got := isHostName(text); got != hostName {
				t.Errorf("name %q: %v", text, got)
			}
		}
	}
}

// TestRelayedCookies tests which cookies of Exchange reach a client, and with
// which attributes.
func TestRelayedCookies(t *testing.T) {
	for _, test := range []struct {
		name, cookie string
		tls          bool
		want         string // "" if the client must not get the cookie
	}{
		{"plain", "a=b", false, "a=b; path=/"},
		{"empty value", "a=", false, "a=; path=/"},
		{"domain and path", "a=b; Domain=contoso.com; PATH=/owa; HttpOnly", false, "a=b; HttpOnly; path=/"},
		{"secure without TLS", "a=b; Secure; HttpOnly", false, "a=b; HttpOnly; path=/"},
		{"secure with TLS", "a=b; Secure; HttpOnly", true, "a=b; Secure; HttpOnly; path=/"},
		{"lifetime", "a=b; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT", false, "a=b; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT; path=/"},

		{"no equals sign", "a", false, ""},
		{"no name", "=b", false, ""},
		{"white space for a name", " =b", false, ""},
		{"X-BEResource", "x-BEResource=b", false, ""},
		{"X-AnonResource", "X-AnonResource-Backend=b", false, ""},
		{"nothing", "", false, ""},
	} {
		c := newCookieNames()
		got, ok := c.relay(test.cookie, test.tls)
		if got != test.want || ok != (test.want != "") {
			t.Errorf("%s: %q, %v; want %q", test.name, got, ok, test.want)
		}
		name, _, _ := strings.Cut(strings.TrimSpace(test.cookie), "=")
		if c.known(name) != ok {
			t.Errorf("%s: the name %q is learned: %v", test.name, name, !ok)
		}
	}
}

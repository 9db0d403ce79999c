package config

import (
	"strings"
	"testing"
)

// TestLengths checks the longest values that are accepted and those that are one
// character longer. The limits for a host and its labels are those of RFC 1035,
// section 2.3.4, without the final dot.
func TestLengths(t *testing.T) {
	label := strings.Repeat("a", 63)
	host := func(n int) string { return strings.Repeat(label+".", 3) + strings.Repeat("b", n-3*64) }
	store := func(s string) bool { return new(CertStore).UnmarshalText([]byte("LocalMachine/"+s)) == nil }
	hostHeader := func(s string) bool { _, err := hostName(s); return err == nil }
	for _, c := range []struct {
		name    string
		accepts func(string) bool
		longest string
		longer  string
	}{
		{"host", validHost, host(253), host(254)},
		{"label of a host", validHost, label + ".contoso.com", label + "a.contoso.com"},
		{"name for the Host header", hostHeader, host(253), host(254)},
		{"name of a certificate store", store, strings.Repeat("a", 64), strings.Repeat("a", 65)},
		{"name of a variable in an error", isPlainName, strings.Repeat("A", 64), strings.Repeat("A", 65)},
	} {
		if !c.accepts(c.longest) {
			t.Errorf("%s: %d characters are refused", c.name, len(c.longest))
		}
		if c.accepts(c.longer) {
			t.Errorf("%s: %d characters are accepted", c.name, len(c.longer))
		}
	}
}

package config

import (
	"crypto/tls"
	"slices"
	"testing"
)

func TestTLSCompatibility(t *testing.T) {
	defaults := TLSCompatibility(nil)
	if defaults.CipherSuites() != nil || defaults.Groups() != nil {
		t.Error("without options Go's defaults must hold")
	}
	for _, c := range []struct {
		text   string
		suites map[uint16]bool // whether each suite is offered
		groups bool
	}{
		{"rsa-key-exchange", map[uint16]bool{
			tls.TLS_RSA_WITH_AES_128_GCM_SHA256: true, tls.TLS_RSA_WITH_AES_256_CBC_SHA: true, tls.TLS_RSA_WITH_AES_128_CBC_SHA256: false,
			tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256: false, tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA: false, tls.TLS_RSA_WITH_RC4_128_SHA: false,
		}, false},
		{"cbc", map[uint16]bool{
			tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256: true, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384: true,
			tls.TLS_RSA_WITH_AES_128_GCM_SHA256: false, tls.TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA: false,
		}, false},
		{"classic-groups", nil, true},
		{"cbc, rsa-key-exchange ,classic-groups", map[uint16]bool{tls.TLS_RSA_WITH_AES_128_CBC_SHA256: true}, true},
	} {
		var options TLSCompatibility
		if err := options.UnmarshalText([]byte(c.text)); err != nil {
			t.Errorf("%q: %v", c.text, err)
		}
		offered := options.CipherSuites()
		if (offered == nil) != (c.suites == nil) {
			t.Errorf("%q: cipher suites %v", c.text, offered)
		}
		for suite, want := range c.suites {
			if slices.Contains(offered, suite) != want {
				t.Errorf("%q: %s offered: %v", c.text, tls.CipherSuiteName(suite), !want)
			}
		}
		if got := options.Groups(); (got != nil) != c.groups || slices.Contains(got, tls.X25519MLKEM768) {
			t.Errorf("%q: groups %v", c.text, got)
		}
	}
	for _, text := range []string{",", "3des", "rsa-key-exchange,", "RSA"} {
		if err := new(TLSCompatibility).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}

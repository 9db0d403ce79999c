package config

import (
	"crypto/tls"
	"slices"
	"strings"
)

// TLSCompatibility lists how connections to Exchange differ from Go's TLS
// defaults: what they offer in addition, and what they do not offer. The zero
// value means the defaults.
type TLSCompatibility []TLSOption

// A TLSOption is one entry of a TLSCompatibility.
type TLSOption string

// The TLS options.
const (
	RSAKeyExchange TLSOption = "rsa-key-exchange" // also offers cipher suites without forward secrecy
	CBC            TLSOption = "cbc"              // also offers cipher suites with AES-CBC and SHA-256
	ClassicGroups  TLSOption = "classic-groups"   // offers no post-quantum key exchange
)

// UnmarshalText accepts a comma-separated list of the constants. An empty list
// means the defaults.
func (t *TLSCompatibility) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*t = nil
		return nil
	}
	var list TLSCompatibility
	for name := range strings.SplitSeq(string(text), ",") {
		var option TLSOption
		if err := choose(&option, []byte(strings.TrimSpace(name)), RSAKeyExchange, CBC, ClassicGroups); err != nil {
			return err
		}
		list = append(list, option)
	}
	*t = list
	return nil
}

// CipherSuites returns the cipher suites to offer, nil for Go's defaults.
func (t TLSCompatibility) CipherSuites() []uint16 {
	rsa, cbc := slices.Contains(t, RSAKeyExchange), slices.Contains(t, CBC)
	if !rsa && !cbc {
		return nil
	}
	var suites []uint16
	for _, suite := range tls.CipherSuites() {
		suites = append(suites, suite.ID)
	}
	if rsa {
		suites = append(suites, tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_AES_256_CBC_SHA)
	}
	if cbc {
		suites = append(suites, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256)
	}
	if rsa && cbc {
		suites = append(suites, tls.TLS_RSA_WITH_AES_128_CBC_SHA256)
	}
	return suites
}

// Groups returns the key exchange groups to offer, nil for Go's defaults.
func (t TLSCompatibility) Groups() []tls.CurveID {
	if !slices.Contains(t, ClassicGroups) {
		return nil
	}
	return []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521}
}

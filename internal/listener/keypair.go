package listener

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"slices"
	"sync/atomic"

	"hmaproxy/internal/config"
)

// KeyPairs are the certificates and keys of the TCP listeners. They are not
// used for Unix sockets, which have no host name, nor for the admin listener,
// whose clients would have to be configured to trust them.
type KeyPairs struct {
	config  *config.Config
	current atomic.Pointer[[]tls.Certificate]
}

// NewKeyPairs reads the key pairs of the configuration. It returns nil when
// clients connect without TLS.
func NewKeyPairs(c *config.Config) (*KeyPairs, error) {
	if c.TLSCertFiles == nil {
		return nil, nil
	}
	k := &KeyPairs{config: c}
	_, err := k.read(config.ReadAtStart)
	return k, err
}

// Reload reads the files. New connections use the key pairs from then on. It
// reports whether a certificate has changed. After an error the previous key
// pairs stay in use. Calls must not overlap.
func (k *KeyPairs) Reload() (changed bool, err error) { return k.read(config.ReadFile) }

func (k *KeyPairs) read(readFile func(string) ([]byte, error)) (changed bool, err error) {
	pairs, err := config.ReadKeyPairs(readFile, k.config.TLSCertFiles, k.config.TLSKeyFiles)
	if err != nil {
		return false, err
	}
	// Equal certificates have equal keys: ReadKeyPairs returns an error if a key
	// does not belong to its certificate.
	same := func(a, b tls.Certificate) bool { return slices.EqualFunc(a.Certificate, b.Certificate, bytes.Equal) }
	if old := k.current.Load(); old != nil && slices.EqualFunc(*old, pairs, same) {
		return false, nil
	}
	k.current.Store(&pairs)
	return true, nil
}

// Certificates returns the certificates that clients get at the moment, in the
// order of the configuration. It returns none for nil KeyPairs.
func (k *KeyPairs) Certificates() []*x509.Certificate {
	if k == nil {
		return nil
	}
	var all []*x509.Certificate
	for _, pair := range *k.current.Load() {
		all = append(all, pair.Leaf)
	}
	return all
}

// TLSConfig returns the configuration of TCP listeners. It returns nil for nil
// KeyPairs, which means plain HTTP.
func (k *KeyPairs) TLSConfig() *tls.Config {
	if k == nil {
		return nil
	}
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"http/1.1"},
		GetCertificate: k.choose,
	}
}

// choose returns the first certificate that matches the client's server name and
// that the client supports. If there is none, it returns the first certificate.
func (k *KeyPairs) choose(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	pairs := *k.current.Load()
	for i := range pairs {
		if hello.SupportsCertificate(&pairs[i]) == nil {
			return &pairs[i], nil
		}
	}
	return &pairs[0], nil
}

package listener

import (
	"bytes"
	"crypto/tls"
	"slices"
	"sync/atomic"

	"hmaproxy/internal/config"
)

// KeyPairs are the certificates and keys of the TCP listeners. They do not apply
// to Unix sockets, which have no name that a certificate could confirm, nor to
// the admin listener, whose clients would have to be configured to trust it.
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
	_, err := k.Reload()
	return k, err
}

// Reload reads the files and puts their key pairs in force for new connections.
// It reports whether a certificate is another than before. After an error the
// key pairs stay as they were. Calls must not overlap.
func (k *KeyPairs) Reload() (changed bool, err error) {
	pairs, err := config.ReadKeyPairs(config.ReadFile, k.config.TLSCertFiles, k.config.TLSKeyFiles)
	if err != nil {
		return false, err
	}
	same := func(a, b tls.Certificate) bool { return slices.EqualFunc(a.Certificate, b.Certificate, bytes.Equal) }
	if old := k.current.Load(); old != nil && slices.EqualFunc(*old, pairs, same) {
		return false, nil
	}
	k.current.Store(&pairs)
	return true, nil
}

// TLSConfig returns the configuration of TCP listeners, nil for nil KeyPairs:
// plain HTTP.
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

// choose returns the first certificate that is for the name that the client asks
// for and that it supports, else the first.
func (k *KeyPairs) choose(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	pairs := *k.current.Load()
	for i := range pairs {
		if hello.SupportsCertificate(&pairs[i]) == nil {
			return &pairs[i], nil
		}
	}
	return &pairs[0], nil
}

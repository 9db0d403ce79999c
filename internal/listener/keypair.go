package listener

import (
	"bytes"
	"crypto/tls"
	"os"
	"slices"
	"sync/atomic"

	"hmaproxy/internal/config"
)

// A KeyPair is the certificate and key of the TCP listeners. It does not apply
// to Unix sockets, which have no name that a certificate could confirm, nor to
// the admin listener, whose clients would have to be configured to trust it.
type KeyPair struct {
	config  *config.Config
	current atomic.Pointer[tls.Certificate]
}

// NewKeyPair reads the key pair of the configuration. It returns nil when
// clients connect without TLS.
func NewKeyPair(c *config.Config) (*KeyPair, error) {
	if c.TLSCertFile == "" {
		return nil, nil
	}
	k := &KeyPair{config: c}
	_, err := k.Reload()
	return k, err
}

// Reload reads the files and puts their key pair in force for new connections.
// It reports whether the certificate is another than before. After an error the
// key pair stays as it was. Calls must not overlap.
func (k *KeyPair) Reload() (changed bool, err error) {
	pair, err := config.ReadKeyPair(os.ReadFile, k.config.TLSCertFile, k.config.TLSKeyFile)
	if err != nil {
		return false, err
	}
	if old := k.current.Load(); old != nil && slices.EqualFunc(old.Certificate, pair.Certificate, bytes.Equal) {
		return false, nil
	}
	k.current.Store(pair)
	return true, nil
}

// TLSConfig returns the configuration of TCP listeners, nil for a nil KeyPair:
// plain HTTP.
func (k *KeyPair) TLSConfig() *tls.Config {
	if k == nil {
		return nil
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return k.current.Load(), nil
		},
	}
}

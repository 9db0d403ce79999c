package sidecar

import (
	"bytes"
	"crypto/tls"
	"log/slog"
	"os"
	"slices"
	"sync/atomic"

	"hmaproxy/internal/config"
)

// A keyPair is the certificate that clients are shown, as its files have it. It
// is for the TCP listeners of clients alone: a Unix socket has no name that a
// certificate could vouch for, and probes come from programs that would have to
// be taught to trust it.
type keyPair struct {
	config  *config.Config
	current atomic.Pointer[tls.Certificate]
	files   *reloader
}

// newKeyPair returns nil when clients are served without TLS.
func newKeyPair(c *config.Config, log *slog.Logger) (*keyPair, error) {
	if c.TLSCertFile == "" {
		return nil, nil
	}
	k := &keyPair{config: c}
	k.files = &reloader{variable: "HMA_TLS_CERT_FILE", take: k.take, log: log}
	_, err := k.take()
	return k, err
}

// take reads the pair again and puts it in force.
func (k *keyPair) take() (changed bool, err error) {
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

// server returns what TCP listeners are wrapped in, nil for plain HTTP.
func (k *keyPair) server() *tls.Config {
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

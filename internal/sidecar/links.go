package sidecar

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net/http"

	"hmaproxy/internal/config"
)

// Links are the ways out of the product, one by one, for whoever examines them
// without running it. They are safe for concurrent use.
type Links struct {
	out    *outgoing
	config *config.Config
}

// NewLinks returns what the configuration asks for. dial is the network when it
// is nil. Nothing is opened yet.
func NewLinks(c *config.Config, dial Dialer) (*Links, error) {
	out, err := newOutgoing(c, dial)
	if err != nil {
		return nil, err
	}
	return &Links{out, c}, nil
}

// Control returns a new client for Entra ID and Key Vault.
func (l *Links) Control() *http.Client { return l.out.control() }

// Exchange returns a new transport for EWS requests.
func (l *Links) Exchange() (http.RoundTripper, error) { return l.out.exchange(l.config) }

// Tuned returns transports like those of Control and Exchange, over one
// transport that tune has changed.
func (l *Links) Tuned(tune func(*http.Transport)) (control, exchange http.RoundTripper) {
	t := l.out.transport()
	tune(t)
	if l.config.Connect == "" {
		return t, t
	}
	return t, connectTo{address: string(l.config.Connect), next: t}
}

// Roots returns the authorities that TLS connections trust.
func (l *Links) Roots() *x509.CertPool { return l.out.roots }

// Certificates returns the look-up that the configuration asks for; client
// reaches Entra ID and Key Vault.
func Certificates(c *config.Config, client *http.Client, log *slog.Logger) (func(context.Context) ([]*tls.Certificate, error), error) {
	return certificates(c, client, log)
}

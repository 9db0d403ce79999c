// Package httpclient makes the HTTP clients of the product: the transport for
// Exchange and the client for Entra ID and Key Vault. Both use the configured
// corporate proxy and trusted roots. The transport also uses HMA_EWS_CONNECT.
//
// doctor uses this package too, so that it tests the product's own clients.
package httpclient

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"hmaproxy/internal/config"
	"hmaproxy/internal/dialer"
	"hmaproxy/internal/upstream"
)

// Limits of outgoing connections. The limits of DNS and TCP are in package
// dialer.
const (
	tlsTimeout      = 9 * time.Second  // limit for the corporate proxy and the TLS handshake together
	idleTimeout     = 55 * time.Second // below the idle timeouts of IIS (2 min) and common load balancers (60 s)
	continueTimeout = 2 * time.Second  // limit for the wait for a 100 Continue, which a device in front of Exchange may drop
	maxIdle         = 256              // number of idle connections to Exchange; a streaming client may have 200 mailboxes
	maxHead         = 256 << 10        // limit for the head of a response, in bytes

	// Limits for the time that Exchange may take to respond; see responseTimeoutOf.
	responseTimeout     = 10 * time.Minute
	longResponseTimeout = 35 * time.Minute
)

// A Dialer opens a connection, like net.Dialer.DialContext.
type Dialer func(ctx context.Context, network, address string) (net.Conn, error)

// Clients makes the HTTP clients for one configuration. It is safe for
// concurrent use. Making a client opens no connection.
type Clients struct {
	config *config.Config
	roots  *x509.CertPool
	log    *slog.Logger
	proxy  func(*url.URL) (*url.URL, error) // returns the corporate proxy for a URL, nil if there is no proxy
	dial   Dialer

	network  *dialer.Dialer // opens the connections; nil: dial was given to New
	observer Observer

	mu   sync.Mutex
	made []idleCloser
}

type idleCloser interface{ CloseIdleConnections() }

// New returns the Clients for a configuration. dial opens their connections;
// nil means the network. log may be nil. New returns an error when the system's
// trusted roots cannot be read and the configuration has no others.
func New(c *config.Config, dial Dialer, log *slog.Logger) (*Clients, error) {
	roots, err := x509.SystemCertPool()
	if err != nil && c.CAs == nil {
		return nil, fmt.Errorf("system's trusted roots: %w", err)
	}
	if roots == nil {
		roots = x509.NewCertPool()
	}
	for _, ca := range c.CAs {
		roots.AddCert(ca)
	}
	clients := &Clients{config: c, roots: roots, log: log, proxy: c.Proxy(), dial: dial}
	if dial == nil {
		clients.network = new(dialer.Dialer)
		clients.dial = clients.network.DialContext
	}
	return clients, nil
}

// Roots returns the authorities that TLS connections trust: the system's
// authorities and the authorities in HMA_CA_FILE.
func (c *Clients) Roots() *x509.CertPool { return c.roots }

// Control returns a new client for Entra ID and Key Vault. It follows no
// redirects, which would carry secrets to another host, and limits the size of
// responses.
func (c *Clients) Control() *http.Client {
	return &http.Client{
		Transport: sizeLimit{next: c.transport()},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
}

// Exchange returns a new transport for EWS requests. It uses the corporate
// proxy if the configuration has a proxy for Exchange.
func (c *Clients) Exchange() (http.RoundTripper, error) {
	ews := c.config.EWS
	address := cmp.Or(string(c.config.Connect), net.JoinHostPort(ews.Hostname(), cmp.Or(ews.Port(), "443")))
	proxy, err := c.exchangeProxy(address)
	if err != nil {
		return nil, err
	}
	settings := upstream.Config{
		Host:             ews.Host,
		Address:          address,
		Dial:             c.dial,
		TLS:              c.exchangeTLS(),
		Proxy:            proxy,
		ProxyResponse:    c.observer.ConnectResponse,
		Log:              c.log,
		ResponseTimeout:  responseTimeoutOf,
		HandshakeTimeout: tlsTimeout,
		ContinueTimeout:  continueTimeout,
		IdleTimeout:      idleTimeout,
		MaxIdle:          maxIdle,
		MaxHead:          maxHead,
	}
	if c.network != nil {
		settings.Current, settings.Failed = c.network.Current(settings.DialAddress()), c.network.Failed(settings.DialAddress())
	}
	t, err := upstream.New(settings)
	if err != nil {
		return nil, err
	}
	c.remember(t)
	return t, nil
}

// responseTimeoutOf returns how long Exchange may take from the end of a request to
// the end of the response's head. Packages proxy and groups set a request's Pattern
// to its EWS operation, or to "" if the operation is unknown.
//
// Most requests have 10 minutes. It is an assumption that this is enough. Microsoft's
// article "EWS throttling in Exchange" says that Exchange limits a batch of items to
// one minute. No source was found for the work on one item or folder, for example
// EmptyFolder.
//
// Requests of three kinds have 35 minutes:
//   - GetStreamingEvents. Exchange sends the head immediately, but a device may buffer
//     the response until it ends. The schema limits ConnectionTimeout to 30 minutes.
//   - SearchMailboxes. An eDiscovery search takes up to 10 minutes by default, and an
//     administrator may permit more (DiscoverySearchTimeoutPeriod of the throttling
//     policy).
//   - A POST whose operation is unknown. It may be one of the other two.
func responseTimeoutOf(r *http.Request) time.Duration {
	if r.Method != http.MethodPost {
		return responseTimeout
	}
	switch r.Pattern {
	case "GetStreamingEvents", "SearchMailboxes", "":
		return longResponseTimeout
	}
	return responseTimeout
}

// exchangeProxy returns the corporate proxy for Exchange, or nil if requests go
// to Exchange directly. NO_PROXY may contain Exchange's host or the address of
// HMA_EWS_CONNECT.
func (c *Clients) exchangeProxy(address string) (*url.URL, error) {
	proxy, err := c.proxyFor(c.config.EWS.URL)
	if err == nil && proxy != nil && c.config.Connect != "" {
		proxy, err = c.proxyFor(&url.URL{Scheme: "https", Host: address})
	}
	return proxy, err
}

// proxyFor returns the corporate proxy for a URL, or nil if requests for the
// URL use no proxy.
func (c *Clients) proxyFor(u *url.URL) (*url.URL, error) {
	if c.observer.Direct {
		return nil, nil
	}
	proxy, err := c.proxy(u)
	if err == nil && c.observer.Proxy != nil {
		c.observer.Proxy(proxy)
	}
	return proxy, err
}

// exchangeTLS returns the configuration of TLS handshakes with Exchange,
// including HMA_TLS_COMPATIBILITY.
func (c *Clients) exchangeTLS() *tls.Config {
	return c.observe(&tls.Config{
		RootCAs: c.roots, MinVersion: tls.VersionTLS12, ServerName: c.config.EWS.Hostname(),
		CipherSuites:     c.config.TLSCompatibility.CipherSuites(),
		CurvePreferences: c.config.TLSCompatibility.Groups(),
	})
}

// CloseIdleConnections closes the idle connections of every client that c has
// made. A connection in use is closed when its request ends, unless the client has
// sent another request by then.
func (c *Clients) CloseIdleConnections() {
	c.mu.Lock()
	made := c.made
	c.mu.Unlock()
	for _, t := range made {
		t.CloseIdleConnections()
	}
}

// remember adds a transport to the list that CloseIdleConnections uses.
func (c *Clients) remember(t idleCloser) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.made = append(c.made, t)
}

// transport returns a new HTTP/1.1 transport for Entra ID and Key Vault.
func (c *Clients) transport() *http.Transport {
	var http1 http.Protocols
	http1.SetHTTP1(true)
	t := &http.Transport{
		Proxy:                  func(r *http.Request) (*url.URL, error) { return c.proxyFor(r.URL) },
		OnProxyConnectResponse: c.checkConnectResponse,
		DialContext:            c.dial,
		TLSClientConfig:        c.observe(&tls.Config{RootCAs: c.roots, MinVersion: tls.VersionTLS12}),
		TLSHandshakeTimeout:    tlsTimeout,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxHead,
		DisableCompression:     true,
		Protocols:              &http1,
	}
	c.remember(t)
	return t
}

// observe lets the observer change the configuration of handshakes.
func (c *Clients) observe(config *tls.Config) *tls.Config {
	if c.observer.TLS != nil {
		c.observer.TLS(config)
	}
	return config
}

// Observed returns Clients for the same configuration that report to o. The
// HTTP clients that they make behave like the HTTP clients of c, apart from
// what o changes.
func (c *Clients) Observed(o Observer) *Clients {
	observed := &Clients{config: c.config, roots: c.roots, log: c.log, proxy: c.proxy, dial: c.dial, network: c.network, observer: o}
	if o.Dialed != nil {
		observed.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := c.dial(ctx, network, address)
			o.Dialed(conn, err)
			return conn, err
		}
	}
	return observed
}

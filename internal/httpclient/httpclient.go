// Package httpclient makes the HTTP clients that the product uses: the transport
// for Exchange and the client for Entra ID and Key Vault. They honour the
// configuration's corporate proxy, trusted roots and HMA_EWS_CONNECT.
//
// doctor uses this package too, so that it examines what the product does.
package httpclient

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"hmaproxy/internal/config"
	"hmaproxy/internal/upstream"
)

// Bounds of outgoing connections, each with its reason.
const (
	dialTimeout     = 10 * time.Second // a host that drops packets
	tlsTimeout      = 10 * time.Second
	keepAlive       = 30 * time.Second
	idleTimeout     = 55 * time.Second // below the idle timeouts of IIS (2 min) and common load balancers (60 s)
	continueTimeout = 2 * time.Second  // for a 100 Continue that a device in front of Exchange swallows
	maxIdle         = 256              // idle connections to Exchange; a streaming client may have 200 mailboxes
	maxHead         = 256 << 10        // bytes of a response's head
)

// A Dialer opens connections. Tests put their own network here.
type Dialer func(ctx context.Context, network, address string) (net.Conn, error)

// Clients makes the HTTP clients that one configuration asks for. It is safe
// for concurrent use. Making a client opens no connection.
type Clients struct {
	config *config.Config
	roots  *x509.CertPool
	proxy  func(*http.Request) (*url.URL, error)
	dial   Dialer

	changeTLS    func(*tls.Config) // nil: no change
	checkConnect func(context.Context, *url.URL, *http.Request, *http.Response) error

	mu   sync.Mutex
	made []idleCloser
}

type idleCloser interface{ CloseIdleConnections() }

// New returns the Clients for a configuration. dial opens their connections;
// nil means the network. It returns an error when the system's trusted roots
// cannot be read and the configuration has no others.
func New(c *config.Config, dial Dialer) (*Clients, error) {
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
	if dial == nil {
		dial = (&net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlive}).DialContext
	}
	proxy := c.Proxy()
	return &Clients{
		config: c,
		roots:  roots,
		proxy:  func(r *http.Request) (*url.URL, error) { return proxy(r.URL) },
		dial:   dial,

		checkConnect: checkConnectResponse,
	}, nil
}

// Roots returns the authorities that TLS connections trust: the system's and
// those of HMA_CA_FILE.
func (c *Clients) Roots() *x509.CertPool { return c.roots }

// Control returns a new client for Entra ID and Key Vault. It follows no
// redirects, because they would carry secrets to another host, and bounds the
// size of responses.
func (c *Clients) Control() *http.Client {
	return &http.Client{
		Transport: sizeLimit{next: c.transport()},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
}

// Exchange returns a new transport for EWS requests. Behind a corporate proxy
// that is an http.Transport, because package upstream does not use proxies.
func (c *Clients) Exchange() (http.RoundTripper, error) {
	if proxy, err := c.proxy(&http.Request{URL: c.config.EWS.URL}); err == nil && proxy == nil {
		return c.direct()
	}
	transport := c.transport()
	if c.config.Connect == "" {
		return transport, nil
	}
	transport.TLSClientConfig.ServerName = c.config.EWS.Hostname()
	return connectTo{address: string(c.config.Connect), next: transport}, nil
}

// CloseIdleConnections closes the idle connections of every client that was
// made. A connection in use is closed when its request ends.
func (c *Clients) CloseIdleConnections() {
	c.mu.Lock()
	made := c.made
	c.mu.Unlock()
	for _, t := range made {
		t.CloseIdleConnections()
	}
}

// remember adds a transport to those that CloseIdleConnections reaches.
func (c *Clients) remember(t idleCloser) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.made = append(c.made, t)
}

// transport returns a new HTTP/1.1 transport.
func (c *Clients) transport() *http.Transport {
	var http1 http.Protocols
	http1.SetHTTP1(true)
	t := &http.Transport{
		Proxy:                  c.proxy,
		OnProxyConnectResponse: c.checkConnect,
		DialContext:            c.dial,
		TLSClientConfig:        c.tls(""),
		TLSHandshakeTimeout:    tlsTimeout,
		IdleConnTimeout:        idleTimeout,
		MaxIdleConnsPerHost:    maxIdle,
		ExpectContinueTimeout:  continueTimeout,
		MaxResponseHeaderBytes: maxHead,
		DisableCompression:     true,
		Protocols:              &http1,
	}
	c.remember(t)
	return t
}

// direct returns the transport for an Exchange that is reached without a
// corporate proxy.
func (c *Clients) direct() (http.RoundTripper, error) {
	ews := c.config.EWS
	t, err := upstream.New(upstream.Config{
		Host:             ews.Host,
		Address:          cmp.Or(string(c.config.Connect), net.JoinHostPort(ews.Hostname(), cmp.Or(ews.Port(), "443"))),
		Dial:             c.dial,
		TLS:              c.tls(ews.Hostname()),
		HandshakeTimeout: tlsTimeout,
		ContinueTimeout:  continueTimeout,
		IdleTimeout:      idleTimeout,
		MaxIdle:          maxIdle,
		MaxHead:          maxHead,
	})
	if err != nil {
		return nil, err
	}
	c.remember(t)
	return t, nil
}

// tls returns the configuration of handshakes. serverName "" means the host that
// is connected to.
func (c *Clients) tls(serverName string) *tls.Config {
	config := &tls.Config{RootCAs: c.roots, MinVersion: tls.VersionTLS12, ServerName: serverName}
	if c.changeTLS != nil {
		c.changeTLS(config)
	}
	return config
}

// connectTo dials another address than the URL names. The Host header stays.
type connectTo struct {
	address string
	next    http.RoundTripper
}

func (t connectTo) RoundTrip(r *http.Request) (*http.Response, error) {
	redirected := *r
	u := *r.URL
	u.Host = t.address
	redirected.URL, redirected.Host = &u, r.URL.Host
	return t.next.RoundTrip(&redirected)
}

package sidecar

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"hmaproxy/internal/config"
	"hmaproxy/internal/upstream"
)

// Bounds on what goes out, each with its reason.
const (
	dialTimeout     = 10 * time.Second // a SYN that nobody answers
	tlsTimeout      = 10 * time.Second
	idleUpstream    = 55 * time.Second // below the idle times of IIS (2 min) and common load balancers (60 s)
	continueTimeout = 2 * time.Second  // for a 100 Continue that a device in front swallows
	keepUpstream    = 256              // idle connections to Exchange; a streaming client may have 200 mailboxes
	answerLimit     = 2 << 20          // of Entra's and Key Vault's answers; real ones are a few KiB, and token has a word for 1 MiB
	answerHeader    = 256 << 10        // head of an answer
)

// A Dialer opens connections; tests put their own network here.
type Dialer func(ctx context.Context, network, address string) (net.Conn, error)

// outgoing makes the HTTP clients that the configuration asks for. It is safe
// for concurrent use.
type outgoing struct {
	roots *x509.CertPool
	proxy func(*http.Request) (*url.URL, error)
	dial  Dialer

	mu   sync.Mutex
	made []idler
}

type idler interface{ CloseIdleConnections() }

// keep has hangUp know of a transport.
func (o *outgoing) keep(t idler) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.made = append(o.made, t)
}

func newOutgoing(c *config.Config, dial Dialer) (*outgoing, error) {
	roots, err := x509.SystemCertPool()
	if err != nil && c.CAs == nil {
		return nil, err
	}
	if roots == nil {
		roots = x509.NewCertPool()
	}
	for _, ca := range c.CAs {
		roots.AddCert(ca)
	}
	if dial == nil {
		dial = (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext
	}
	proxy := c.Proxy()
	return &outgoing{roots: roots, dial: dial, proxy: func(r *http.Request) (*url.URL, error) {
		return proxy(r.URL)
	}}, nil
}

// transport returns a new HTTP/1.1 transport.
func (o *outgoing) transport() *http.Transport {
	var http1 http.Protocols
	http1.SetHTTP1(true)
	t := &http.Transport{
		Proxy:                  o.proxy,
		OnProxyConnectResponse: proxyAnswer,
		DialContext:            o.dial,
		TLSClientConfig:        &tls.Config{RootCAs: o.roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    tlsTimeout,
		IdleConnTimeout:        idleUpstream,
		MaxIdleConnsPerHost:    keepUpstream,
		ExpectContinueTimeout:  continueTimeout,
		MaxResponseHeaderBytes: answerHeader,
		DisableCompression:     true,
		Protocols:              &http1,
	}
	o.keep(t)
	return t
}

// hangUp closes the connections that no request uses, those that are in use as
// soon as they are not.
func (o *outgoing) hangUp() {
	o.mu.Lock()
	made := o.made
	o.mu.Unlock()
	for _, t := range made {
		t.CloseIdleConnections()
	}
}

// exchange returns the transport for EWS requests. Behind a corporate proxy that
// is http.Transport, which knows them.
func (o *outgoing) exchange(c *config.Config) (http.RoundTripper, error) {
	if proxy, err := o.proxy(&http.Request{URL: c.EWS.URL}); err == nil && proxy == nil {
		return o.direct(c)
	}
	transport := o.transport()
	if c.Connect == "" {
		return transport, nil
	}
	transport.TLSClientConfig.ServerName = c.EWS.Hostname()
	return connectTo{address: string(c.Connect), next: transport}, nil
}

// direct returns the transport for requests to an Exchange that can be reached
// without a proxy.
func (o *outgoing) direct(c *config.Config) (http.RoundTripper, error) {
	t, err := upstream.New(upstream.Config{
		Host:             c.EWS.Host,
		Address:          cmp.Or(string(c.Connect), net.JoinHostPort(c.EWS.Hostname(), cmp.Or(c.EWS.Port(), "443"))),
		Dial:             o.dial,
		TLS:              &tls.Config{RootCAs: o.roots, MinVersion: tls.VersionTLS12, ServerName: c.EWS.Hostname()},
		HandshakeTimeout: tlsTimeout,
		ContinueTimeout:  continueTimeout,
		IdleTimeout:      idleUpstream,
		MaxIdle:          keepUpstream,
		MaxHead:          answerHeader,
	})
	if err != nil {
		return nil, err
	}
	o.keep(t)
	return t, nil
}

// control returns the client for Entra ID and Key Vault.
func (o *outgoing) control() *http.Client {
	return &http.Client{
		Transport: capped{o.transport()},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // a redirection would carry secrets elsewhere
		},
	}
}

// connectTo dials another address than the URL names. The Host header stays.
type connectTo struct {
	address string
	next    http.RoundTripper
}

func (t connectTo) RoundTrip(r *http.Request) (*http.Response, error) {
	there := *r
	u := *r.URL
	u.Host = t.address
	there.URL, there.Host = &u, r.URL.Host
	return t.next.RoundTrip(&there)
}

// proxyAnswer explains a corporate proxy's refusal. To callers it is a
// connection that could not be opened, which is what it is.
func proxyAnswer(_ context.Context, proxy *url.URL, _ *http.Request, answer *http.Response) error {
	switch {
	case answer.StatusCode == http.StatusOK:
		return nil
	case answer.StatusCode == http.StatusProxyAuthRequired:
		return dialError("the corporate proxy " + proxy.Host + " asks for credentials (407): write them into HTTPS_PROXY, http://user:password@host:port")
	}
	return dialError("the corporate proxy " + proxy.Host + " refused to connect: " + answer.Status)
}

func dialError(text string) error {
	return &net.OpError{Op: "dial", Net: "tcp", Err: errors.New(text)}
}

// capped ends answers that are too long to be meant.
type capped struct{ next http.RoundTripper }

func (t capped) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(r)
	if err == nil {
		resp.Body = &cappedBody{ReadCloser: resp.Body, left: answerLimit}
	}
	return resp, err
}

type cappedBody struct {
	io.ReadCloser
	left int64
}

var errTooLong = errors.New("the answer is longer than 2 MiB")

func (b *cappedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLong
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

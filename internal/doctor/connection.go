package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"time"

	"hmaproxy/internal/config"
	"hmaproxy/internal/httpclient"
)

// connect makes one GET request with the given headers and without a token. If
// the request gets no response, connect may make a second request to find the
// cause.
func (s *session) connect(ctx context.Context, t target, header http.Header) connection {
	c := s.try(ctx, t, header, nil)
	if c.err != nil {
		c.followUp = s.follow(ctx, c)
	}
	return c
}

// follow makes at most one further request, whose result helps to explain the
// failed connection c. The kind of the failure determines the request. After
// some failures follow makes no request.
func (s *session) follow(ctx context.Context, c connection) followUp {
	var f followUp
	var dns *net.DNSError
	switch direct := c.target; {
	case c.route.proxy != "" && (!c.handshake.begun || errors.As(c.handshake.trustErr, new(x509.UnknownAuthorityError))):
		direct.direct = true
		f.directWorks = s.try(ctx, direct, nil, nil).response.status != 0
	case expired(c.handshake.trustErr):
		f.serverClock = s.untrustedClock(ctx, c.target)
	case errors.As(c.err, &dns) && c.target.onInternet() && c.route.proxy == "" && cloudOf(s.config.Authority.Hostname()) != "":
		// HMA_AUTHORITY_HOST is one of the known sign-in hosts, so its name is
		// not misspelt. If it does not resolve either, no public name resolves
		// here.
		known := s.try(ctx, target{url: s.config.Authority.URL}, nil, nil)
		f.noNames = errors.As(known.err, &dns)
	case c.cutHandshake():
		f.shortHello = s.try(ctx, c.target, nil, shortHello).response.status != 0
	case c.noCommonTLS():
		f.old = s.try(ctx, c.target, nil, oldTLS).handshake
	}
	return f
}

// cutHandshake reports whether a handshake with the target ended without an
// alert or another reason: by a reset, a close, or a timeout.
func (c connection) cutHandshake() bool {
	_, alert := alertOf(c.err)
	return c.handshake.begun && c.handshake.version == 0 && !alert && !errors.As(c.err, new(tls.RecordHeaderError)) && !unparsableCertificate(c.err)
}

// noCommonTLS reports whether the handshake ended with one of
// noCommonTLSAlerts.
func (c connection) noCommonTLS() bool {
	alert, sent := alertOf(c.err)
	return sent && slices.Contains(noCommonTLSAlerts, alert)
}

// shortHello changes a TLS configuration so that its ClientHello has no key
// share for post-quantum key exchange. Such a ClientHello fits into one packet.
func shortHello(c *tls.Config) {
	c.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384}
}

// oldTLS changes a TLS configuration so that it permits every TLS version from
// 1.0 and every cipher suite that crypto/tls implements.
func oldTLS(c *tls.Config) {
	c.MinVersion = tls.VersionTLS10
	for _, list := range [][]*tls.CipherSuite{tls.CipherSuites(), tls.InsecureCipherSuites()} {
		for _, suite := range list {
			c.CipherSuites = append(c.CipherSuites, suite.ID)
		}
	}
}

// try makes one GET request to t with the transport that the product would use.
// If change is not nil, try calls it to change the TLS configuration.
func (s *session) try(ctx context.Context, t target, header http.Header, change func(*tls.Config)) connection {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	rec := &recorder{c: connection{target: t}, change: change}
	started := time.Now()
	resp, err := s.get(rec.trace(ctx), rec, header)
	return rec.end(resp, err, time.Since(started))
}

func (s *session) get(ctx context.Context, rec *recorder, header http.Header) (response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, rec.c.target.url.String(), nil)
	if err != nil {
		return response{}, err
	}
	req.Header = header.Clone()
	if req.Header == nil {
		req.Header = http.Header{}
	}
	req.Header.Set("User-Agent", "hmaproxy-doctor")
	clients := s.clients.Observed(rec.observer(s.clients.Roots()))
	defer clients.CloseIdleConnections()
	next, err := transportTo(rec.c.target, clients)
	if err != nil {
		return response{}, err
	}
	resp, err := next.RoundTrip(req)
	if err != nil {
		return response{}, err
	}
	defer resp.Body.Close()
	r := response{status: resp.StatusCode, header: resp.Header, clock: readClock(resp.Header)}
	r.body, _ = io.ReadAll(io.LimitReader(resp.Body, maxBody)) // if the body ends early, the part received is evaluated
	return r, nil
}

// transportTo returns the product's transport to a target.
func transportTo(t target, clients *httpclient.Clients) (http.RoundTripper, error) {
	if t.exchange {
		return clients.Exchange()
	}
	return clients.Control().Transport, nil
}

// untrustedClock requests the time from a server whose certificate has expired
// or is not yet valid. It does not verify the server. The request holds no
// secret.
func (s *session) untrustedClock(ctx context.Context, t target) clock {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	clients := s.clients.Observed(httpclient.Observer{TLS: func(c *tls.Config) { c.InsecureSkipVerify = true }})
	defer clients.CloseIdleConnections()
	next, err := transportTo(t, clients)
	if err != nil {
		return clock{}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, "https://"+t.url.Host+"/", nil)
	if err != nil {
		return clock{}
	}
	resp, err := next.RoundTrip(req)
	if err != nil {
		return clock{}
	}
	resp.Body.Close()
	return readClock(resp.Header)
}

// describe returns a text that says how the connection was made.
func (c connection) describe() string {
	s := c.target.url.Host
	if c.route.remote != "" && c.route.proxy == "" {
		s += " (" + c.route.remote + ")"
	}
	if c.route.proxy != "" {
		s += " through the proxy " + c.route.proxy
	}
	s += ", " + tls.VersionName(c.handshake.version)
	if len(c.handshake.chain) > 0 {
		s += ", certificate issued by " + commonName(c.handshake.chain[0], true)
	}
	if c.handshake.byCAFile {
		s += ", trusted by HMA_CA_FILE"
	}
	return fmt.Sprintf("%s, returned %d in %d ms", s, c.response.status, c.response.took.Milliseconds())
}

// server returns text that names the server that sent the certificate chain: the
// target's host, or the corporate proxy.
func (c connection) server() string {
	if c.route.proxyTLS != "" {
		return "the corporate proxy " + c.route.proxy
	}
	return c.target.url.Host
}

// address returns the host and port of the target.
func (t target) address() string {
	if t.url.Port() != "" {
		return t.url.Host
	}
	return t.url.Host + ":443"
}

// onInternet reports whether the target is expected to be on the internet, which
// many networks reach only through a corporate proxy. This excludes Exchange
// Server and private addresses.
func (t target) onInternet() bool {
	ip := net.ParseIP(t.url.Hostname())
	private := ip != nil && (ip.IsLoopback() || ip.IsPrivate())
	return (!t.exchange || config.ExchangeOnline(t.url)) && !private
}

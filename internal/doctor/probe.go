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
	"net/http/httptrace"
	"net/url"
	"sync"
	"time"
)

const (
	probeTimeout = 20 * time.Second // dialling, TLS and the answer
	maxAnswer    = 256 << 10        // of an answer's body that is looked at
)

// A probe is one unauthenticated request and how far it came.
type probe struct {
	url    *url.URL
	direct bool // without the corporate proxy
	pinned bool // HMA_EWS_CONNECT takes the place of the URL's host

	// What the transport meets. It dials in goroutines that may outlive the
	// request, and are not listened to any more then.
	mu   sync.Mutex
	over bool

	proxy       string // host:port of the corporate proxy on the way, "" without
	proxyName   string // its host, while TLS to the proxy itself (https://proxy) is to come
	proxyStatus int    // its refusal of CONNECT; 0: none
	remote      string // address that was connected to
	connected   bool
	handshake   bool // TLS began, with the URL's host
	chain       []*x509.Certificate
	trustErr    error // why the chain is not trusted
	byCAFile    bool  // trusted thanks to HMA_CA_FILE alone
	asked       bool  // for a client certificate
	version     uint16

	status int // 0: no answer
	header http.Header
	body   []byte
	clock  clock
	took   time.Duration
	err    error
}

// errUntrusted ends a handshake; the reason is in trustErr.
var errUntrusted = errors.New("certificate not trusted")

// send makes the request, once for each probe, with the product's transport,
// which it only tunes to keep what it meets. prepare may change the request;
// nil does not.
func (x *examination) send(ctx context.Context, p *probe, prepare func(*http.Request)) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	control, exchange := x.clients.Tuned(func(t *http.Transport) { x.tune(t, p) })
	next := control
	if p.pinned {
		next = exchange
	}
	started := time.Now()
	err := p.exchange(p.traced(ctx), next, prepare)
	p.note(func() { p.err, p.took, p.over = err, time.Since(started), true })
}

// note changes p, unless the request is over.
func (p *probe) note(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.over {
		change()
	}
}

// tune makes the transport tell p what it meets.
func (x *examination) tune(t *http.Transport, p *probe) {
	t.DisableKeepAlives = true
	if p.direct {
		t.Proxy = nil
	}
	if ask := t.Proxy; ask != nil {
		t.Proxy = func(r *http.Request) (*url.URL, error) {
			u, err := ask(r)
			if u != nil {
				p.note(func() { p.proxy = u.Host })
				if u.Scheme == "https" {
					p.note(func() { p.proxyName = u.Hostname() })
				}
			}
			return u, err
		}
	}
	dial := t.DialContext
	t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		p.note(func() { p.connected = p.connected || err == nil })
		return conn, err
	}
	t.OnProxyConnectResponse = func(_ context.Context, _ *url.URL, _ *http.Request, answer *http.Response) error {
		if answer.StatusCode == http.StatusOK {
			return nil
		}
		p.note(func() { p.proxyStatus = answer.StatusCode })
		return errors.New("CONNECT refused")
	}
	if p.pinned && x.config.Connect != "" {
		t.TLSClientConfig.ServerName = p.url.Hostname()
	}
	p.tuneTLS(t.TLSClientConfig, x.clients.Roots())
}

// tuneTLS has the chain verified by judge, by the same rules and roots as
// crypto/tls would, because a chain that fails there is not shown to anybody.
func (p *probe) tuneTLS(c *tls.Config, roots *x509.CertPool) {
	c.InsecureSkipVerify = true // VerifyConnection does it
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		p.note(func() { p.asked = true })
		return new(tls.Certificate), nil // none, as the product answers
	}
	c.VerifyConnection = func(state tls.ConnectionState) error { return p.judge(state, roots) }
}

// judge verifies the chain, and finds out whether it needs HMA_CA_FILE.
func (p *probe) judge(state tls.ConnectionState, roots *x509.CertPool) error {
	chain, name := state.PeerCertificates, p.url.Hostname()
	if p.proxyName != "" { // the first of two handshakes, with the proxy
		name = p.proxyName
	}
	trustErr := verify(chain, name, roots)
	system, err := x509.SystemCertPool()
	byCAFile := trustErr == nil && (err != nil || verify(chain, name, system) != nil)
	p.note(func() { p.chain, p.version, p.trustErr, p.byCAFile = chain, state.Version, trustErr, byCAFile })
	if trustErr != nil {
		return errUntrusted
	}
	p.note(func() { p.proxyName = "" })
	return nil
}

// server names who showed the chain.
func (p *probe) server() string {
	if p.proxyName != "" {
		return "the corporate proxy " + p.proxy
	}
	return p.url.Host
}

func verify(chain []*x509.Certificate, name string, roots *x509.CertPool) error {
	if len(chain) == 0 {
		return errors.New("no certificate")
	}
	options := x509.VerifyOptions{Roots: roots, DNSName: name, Intermediates: x509.NewCertPool()}
	for _, c := range chain[1:] {
		options.Intermediates.AddCert(c)
	}
	_, err := chain[0].Verify(options)
	return err
}

func (p *probe) traced(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(c httptrace.GotConnInfo) {
			p.note(func() { p.remote = c.Conn.RemoteAddr().String() })
		},
		TLSHandshakeStart: func() { p.note(func() { p.handshake = p.handshake || p.proxyName == "" }) },
	})
}

func (p *probe) exchange(ctx context.Context, next http.RoundTripper, prepare func(*http.Request)) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url.String(), nil)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", "hmaproxy-doctor")
	if prepare != nil {
		prepare(req)
	}
	resp, err := next.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	p.status, p.header = resp.StatusCode, resp.Header
	p.clock, _ = readClock(resp.Header)
	p.body, _ = io.ReadAll(io.LimitReader(resp.Body, maxAnswer)) // a body that breaks off is judged by what came
	return nil
}

// describe says how the connection was made.
func (p *probe) describe() string {
	s := p.url.Host
	if p.remote != "" && p.proxy == "" {
		s += " (" + p.remote + ")"
	}
	if p.proxy != "" {
		s += " through the proxy " + p.proxy
	}
	s += ", " + tls.VersionName(p.version)
	if len(p.chain) > 0 {
		s += ", certificate issued by " + commonName(p.chain[0], true)
	}
	if p.byCAFile {
		s += ", trusted by HMA_CA_FILE"
	}
	return fmt.Sprintf("%s, answered %d in %d ms", s, p.status, p.took.Milliseconds())
}

package doctor

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"hmaproxy/internal/config"
	"hmaproxy/internal/httpclient"
)

const (
	requestTimeout = 20 * time.Second // limit for the connection and the response together
	maxBody        = 256 << 10        // limit for the part of a response body that is evaluated
)

// A session holds the product's HTTP clients, with which the checks gather
// facts.
type session struct {
	config   *config.Config
	dial     httpclient.Dialer
	clients  *httpclient.Clients // nil before gatherSetup
	control  *http.Client        // for Entra ID and Key Vault
	observed *observed           // records the requests and responses of control
	redactor redactor
}

func newSession(o Options) *session {
	s := &session{config: o.Config, dial: o.Dial}
	if s.config != nil {
		s.redactor.add(s.config.VaultSecret.Reveal(), s.config.CertPassword.Reveal(), proxyPassword(s.config))
	}
	return s
}

// open makes the clients. It opens no connection.
func (s *session) open() error {
	clients, err := httpclient.New(s.config, s.dial, nil)
	if err != nil {
		return err
	}
	s.clients, s.control = clients, clients.Control()
	s.observed = &observed{next: s.control.Transport, bearer: map[string]string{}, clock: map[string]clock{}}
	s.control.Transport = s.observed
	return nil
}

// proxyPassword returns the corporate proxy's password, or "" if there is no
// password.
func proxyPassword(c *config.Config) string {
	proxy, err := c.Proxy()(&url.URL{Scheme: "https", Host: "proxy-password.invalid"})
	if err != nil || proxy == nil {
		return ""
	}
	password, _ := proxy.User.Password()
	return password
}

// observed is a transport for Entra ID and Key Vault. For each host it keeps the
// last access token that was sent, and the clock in the last response.
type observed struct {
	next http.RoundTripper

	mu     sync.Mutex
	bearer map[string]string
	clock  map[string]clock
}

func (o *observed) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := o.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	token, sent := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	o.mu.Lock()
	defer o.mu.Unlock()
	if sent {
		o.bearer[r.URL.Host] = token
	}
	if c := readClock(resp.Header); c.known() {
		o.clock[r.URL.Host] = c
	}
	return resp, nil
}

// CloseIdleConnections is called by http.Client.
func (o *observed) CloseIdleConnections() {
	if c, ok := o.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// bearerFor returns the token that was sent to a host, or "" if no token was
// sent.
func (o *observed) bearerFor(host string) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.bearer[host]
}

// clockOf returns the clock in a host's last response.
func (o *observed) clockOf(host string) clock {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.clock[host]
}

// gatherSetup makes the HTTP clients.
func gatherSetup(_ context.Context, s *session, f *facts) {
	if f.config != nil {
		f.setup.rootsError = s.open()
	}
}

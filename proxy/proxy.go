package proxy

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"hmaproxy/proxy/policy"
)

// A TokenSource supplies the access token for upstream requests.
// It is safe for concurrent use.
type TokenSource interface {
	// Token returns a usable token. It blocks only while there is none, and
	// returns ctx.Err() when ctx ends first.
	Token(ctx context.Context) (string, error)
}

// A Refresher replaces a token that Exchange refused.
// It is safe for concurrent use; it coalesces and limits its own work.
type Refresher interface {
	// Replace returns a usable token other than the rejected one. It returns
	// an error when it may not or cannot fetch one now.
	Replace(ctx context.Context, rejected string) (string, error)
}

// Config says what a Handler works with.
type Config struct {
	EWS       *url.URL          // "https://mail.contoso.com/EWS/Exchange.asmx"
	Tokens    TokenSource       // required
	Refresher Refresher         // nil: an upstream 401 is final
	Transport http.RoundTripper // required; HTTP/1.1 to Exchange, must not follow redirects

	// Policy returns the judgement in force, a snapshot. It is asked once per
	// request. Required.
	Policy func() *policy.Policy

	// Client authenticates a client's Basic credentials and returns the policy
	// that is in force for it. nil: clients need no credentials.
	Client func(user, password string) (*policy.Policy, bool)

	HostNames      []string // names beyond localhost that a Host header may carry
	ForwardHeaders []string // request headers to carry beyond the named ones

	// TokenWait bounds how long a request waits while there is no token.
	// Zero: 4 s, so that a client hears of it within 5.
	TokenWait time.Duration

	// Done is called once for every request, refused ones included, when its
	// last byte has gone. nil: nobody is told.
	Done func(*Record)
}

// A Handler serves EWS clients. Its Server method makes the http.Server that
// it must run in.
type Handler struct {
	config  Config
	routes  routes
	hosts   map[string]bool
	carried map[string]bool
	cookies *cookieNames
	held    budget
	bearer  atomic.Pointer[bearer]
	ended   context.Context // what is asked with it does not wait
	browser http.CrossOriginProtection
}

// New returns a Handler, or an error that names what is missing.
func New(config Config) (*Handler, error) {
	switch {
	case config.EWS == nil || config.EWS.Scheme != "https" || config.EWS.Host == "":
		return nil, errors.New("proxy: the EWS URL must be an https URL")
	case config.Tokens == nil:
		return nil, errors.New("proxy: no source of tokens")
	case config.Transport == nil:
		return nil, errors.New("proxy: no transport")
	case config.Policy == nil:
		return nil, errors.New("proxy: no policy")
	}
	if config.TokenWait == 0 {
		config.TokenWait = tokenWait
	}
	if config.Done == nil {
		config.Done = func(*Record) {}
	}
	ended, end := context.WithCancel(context.Background())
	end()
	return &Handler{
		ended:   ended,
		config:  config,
		routes:  newRoutes(config.EWS),
		hosts:   hostNames(config.HostNames),
		carried: carriedHeaders(config.ForwardHeaders),
		cookies: newCookieNames(),
		held:    budget{limit: heldTotal},
	}, nil
}

// ServeHTTP serves one request. It panics with http.ErrAbortHandler when an
// answer that has begun cannot be completed, so that the client never takes a
// part for the whole.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := newExchange(h, w, r)
	defer x.finish()
	if d := h.guard(r); d != nil {
		x.deny(d)
		return
	}
	if !x.authenticate() || x.handshake() {
		return
	}
	switch where := h.routes.find(r.RequestURI); {
	case r.Method == http.MethodPost:
		x.serveSOAP()
	case where.document == nil:
		x.greet()
	default:
		x.serveDocument(where.document)
	}
}

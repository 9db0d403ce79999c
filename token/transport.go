package token

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// Entra's answers have 2 to 10 KB; MSAL reads them without any limit.
	maxResponseBody   = 1 << 20
	maxResponseHeader = 64 << 10
)

// The guard's own refusals. They travel through MSAL, but what is told about them
// comes from the exchange.
var (
	errAstray   = errors.New("request to another host than the authority's")
	errTooLarge = errors.New("response too large")
)

// httpClient returns a client for cfg's authority only. Whatever cfg.HTTPClient
// is, it follows no redirect (307 and 308 would post the assertion to wherever
// they point), keeps no cookies and bounds every response.
func (cfg Config) httpClient() *http.Client {
	client := http.Client{}
	if cfg.HTTPClient != nil {
		client = *cfg.HTTPClient
	}
	if client.Transport == nil {
		client.Transport = newTransport()
	}
	client.Transport = guard{client.Transport, hostPort(cfg.Authority)}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	client.Jar = nil
	return &client
}

func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    10 * time.Second,
		ForceAttemptHTTP2:      true,
		MaxResponseHeaderBytes: maxResponseHeader,
		// One request in 40 minutes: an idle connection would be dead by then.
		IdleConnTimeout: 30 * time.Second,
	}
}

// hostPort returns u's host in lower case with its port spelled out.
func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = "443"
	}
	return net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

// guard is the one way to Entra. It sends nothing but https requests to the
// authority (MSAL posts the assertion to whatever endpoint the metadata names)
// and notes each answer in the exchange of the request's context.
type guard struct {
	next http.RoundTripper
	host string
}

func (g guard) RoundTrip(req *http.Request) (*http.Response, error) {
	x := exchangeOf(req.Context())
	*x = exchange{posted: req.Method == http.MethodPost}
	if req.URL.Scheme != "https" || hostPort(req.URL) != g.host {
		x.astray = req.URL.Hostname()
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, errAstray
	}
	resp, err := g.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	x.status, x.header, x.received = resp.StatusCode, resp.Header, wall()
	x.body, err = io.ReadAll(io.LimitReader(resp.Body, maxResponseBody+1))
	if err == nil && len(x.body) > maxResponseBody {
		x.tooLarge, x.body = true, nil
		return nil, errTooLarge
	}
	if err != nil {
		x.cut, x.body = true, nil // half an answer says nothing
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(x.body))
	return resp, nil
}

// CloseIdleConnections lets http.Client reach through.
func (g guard) CloseIdleConnections() {
	if c, ok := g.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// exchange is what the latest request of an attempt saw on the wire. Errors are
// made from it rather than from MSAL's texts, which quote whole bodies.
type exchange struct {
	posted   bool   // to the token endpoint; else it asked for metadata
	astray   string // the host that the request was meant for, if the guard stopped it
	status   int    // 0: no answer
	header   http.Header
	body     []byte
	received time.Time
	tooLarge bool
	cut      bool // the body did not come to its end
}

type exchangeKey struct{}

func withExchange(ctx context.Context) (context.Context, *exchange) {
	x := new(exchange)
	return context.WithValue(ctx, exchangeKey{}, x), x
}

// exchangeOf returns ctx's exchange, or one that nobody will look at.
func exchangeOf(ctx context.Context) *exchange {
	if x, ok := ctx.Value(exchangeKey{}).(*exchange); ok {
		return x
	}
	return new(exchange)
}

// serverDate returns Entra's clock at the answer; zero: unknown.
func (x *exchange) serverDate() time.Time {
	date, err := http.ParseTime(x.header.Get("Date"))
	if err != nil {
		return time.Time{}
	}
	return date
}

// skew returns local clock minus Entra's. The Date header counts whole seconds.
func (x *exchange) skew() time.Duration {
	date := x.serverDate()
	if date.IsZero() {
		return 0
	}
	return x.received.Sub(date).Truncate(time.Second)
}

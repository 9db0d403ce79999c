package token

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"hmaproxy/internal/retryafter"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"
)

const (
	// Entra's responses have 2 to 10 KB. MSAL would read a body of any length.
	maxResponseBody   = 1 << 20
	maxResponseHeader = 64 << 10
)

// Errors of authorityTransport. They do not reach the callers of this package,
// because the package makes its errors from the roundTrip.
var (
	errForeignHost = errors.New("request to another host than the authority's")
	errTooLarge    = errors.New("response too large")
)

// httpClient returns a client for cfg's authority only. The client follows no
// redirects, because 307 and 308 would post the assertion to a different host. It
// keeps no cookies and limits the size of every response body. cfg.HTTPClient
// cannot change these properties.
func (cfg Config) httpClient() *http.Client {
	client := http.Client{}
	if cfg.HTTPClient != nil {
		client = *cfg.HTTPClient
	}
	if client.Transport == nil {
		client.Transport = newTransport()
	}
	client.Transport = authorityTransport{client.Transport, hostPort(cfg.Authority)}
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
		// Requests are about 40 minutes apart, and an idle connection would not
		// survive that time.
		IdleConnTimeout: 30 * time.Second,
	}
}

// hostPort returns u's host in lower case with an explicit port.
func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = "443"
	}
	return net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

// authorityTransport sends https requests to the authority and refuses all
// others, because MSAL posts the assertion to the endpoint that the metadata
// names. It records each response in the roundTrip of the request's context.
type authorityTransport struct {
	next http.RoundTripper
	host string
}

func (t authorityTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	rt := roundTripOf(req.Context())
	*rt = roundTrip{posted: req.Method == http.MethodPost}
	if req.URL.Scheme != "https" || hostPort(req.URL) != t.host {
		rt.foreignHost = req.URL.Hostname()
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, errForeignHost
	}
	resp, err := t.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	rt.status, rt.header, rt.received = resp.StatusCode, resp.Header, wall()
	rt.body, err = io.ReadAll(io.LimitReader(resp.Body, maxResponseBody+1))
	if err == nil && len(rt.body) > maxResponseBody {
		rt.tooLarge, rt.body = true, nil
		return nil, errTooLarge
	}
	if err != nil {
		rt.cut, rt.body = true, nil // do not interpret an incomplete response
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(rt.body))
	return resp, nil
}

// CloseIdleConnections is called by http.Client.
func (t authorityTransport) CloseIdleConnections() {
	if c, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// roundTrip is the outcome of the latest request of an attempt. Errors are made
// from a roundTrip and not from MSAL's texts, which quote whole bodies.
type roundTrip struct {
	posted      bool   // the request was for the token endpoint; false: for the metadata
	foreignHost string // the host of a request that was refused because of its host
	status      int    // 0: no response
	header      http.Header
	body        []byte
	received    time.Time
	tooLarge    bool
	cut         bool // the body ended early
}

type roundTripKey struct{}

func withRoundTrip(ctx context.Context) (context.Context, *roundTrip) {
	rt := new(roundTrip)
	return context.WithValue(ctx, roundTripKey{}, rt), rt
}

// roundTripOf returns ctx's roundTrip, or a new roundTrip if ctx has no
// roundTrip.
func roundTripOf(ctx context.Context) *roundTrip {
	if rt, ok := ctx.Value(roundTripKey{}).(*roundTrip); ok {
		return rt
	}
	return new(roundTrip)
}

// serverDate returns the time of the response by Entra's clock; zero: unknown.
func (rt *roundTrip) serverDate() time.Time {
	date, err := http.ParseTime(rt.header.Get("Date"))
	if err != nil {
		return time.Time{}
	}
	return date
}

// skew returns the local clock minus Entra's, in whole seconds, because the
// Date header counts whole seconds.
func (rt *roundTrip) skew() time.Duration {
	date := rt.serverDate()
	if date.IsZero() {
		return 0
	}
	return rt.received.Sub(date).Truncate(time.Second)
}

// maxRetryAfter limits the effect of a wrong Retry-After, which could otherwise
// stop requests to a healthy Entra for a day.
const maxRetryAfter = 15 * time.Minute

// retryAfter returns how long Entra asked to wait. A date is compared with
// Entra's clock.
func (rt *roundTrip) retryAfter() time.Duration {
	now := rt.serverDate()
	if now.IsZero() {
		now = rt.received
	}
	return retryafter.Parse(rt.header.Get("Retry-After"), now, maxRetryAfter)
}

// grant checks the token that MSAL read from the response, and returns it as a
// Grant.
func (rt *roundTrip) grant(result confidential.AuthResult) (Grant, *Error) {
	now := wall()
	g := Grant{
		Token:      Secret(result.AccessToken),
		Expires:    result.ExpiresOn.Round(0),
		RefreshAt:  result.Metadata.RefreshOn.Round(0),
		ServerDate: rt.serverDate(),
		ClockSkew:  rt.skew(),
		obtained:   now,
	}
	var response struct {
		TokenType string `json:"token_type"`
	}
	json.Unmarshal(rt.body, &response) // this cannot fail, because MSAL has parsed the same body
	switch {
	case response.TokenType != "" && !strings.EqualFold(response.TokenType, "Bearer"):
		return Grant{}, rt.error(Transient, "issued a token that is not of type Bearer")
	case !isBearerToken(result.AccessToken):
		return Grant{}, rt.error(Transient, "issued a token that is not of the form of a bearer token")
	case !g.Expires.After(now):
		return Grant{}, rt.error(Transient, "issued a token that has expired already")
	}
	if latest := now.Add(maxLifetime); g.Expires.After(latest) {
		g.Expires = latest
	}
	g.Claims = readClaims(result.AccessToken)
	return g, nil
}

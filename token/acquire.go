package token

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/cache"
	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"
)

const (
	attemptTimeout = 15 * time.Second

	// Tokens of continuous access evaluation live 28 hours at most; anything
	// beyond this is a mistake, and would overflow the schedule's arithmetic.
	maxLifetime = 7 * 24 * time.Hour

	// Exchange takes 64 KiB of headers by default, tokens have 2 to 4.
	maxBearerToken = 48 << 10
)

// A Grant is what one successful attempt brought.
type Grant struct {
	Token      Secret
	Expires    time.Time     // by the local wall clock
	RefreshAt  time.Time     // when Entra advised to refresh; zero: it did not
	Claims     Claims        // what the token says about itself, unverified
	ServerDate time.Time     // Entra's clock when it answered; zero: unknown
	ClockSkew  time.Duration // local clock minus Entra's; positive: the local one is ahead

	obtained time.Time
}

// Acquire requests one token with cert. It neither retries nor waits, makes at
// most two HTTP requests and ends within 15 seconds, unless cert's signer takes
// longer. The error is an *Error. Of cfg, Certificates, PollInterval, Log and
// Attempted are not used.
func Acquire(ctx context.Context, cfg Config, cert *tls.Certificate) (Grant, error) {
	cfg, err := cfg.checked()
	if err != nil {
		return Grant{}, configurationError(err)
	}
	id, err := newIdentity(cert)
	if err != nil {
		return Grant{}, &Error{Class: Certificate, what: "certificate: " + oneLine(err), cause: err}
	}
	hc := cfg.httpClient()
	if cfg.HTTPClient == nil {
		defer hc.CloseIdleConnections()
	}
	grant, failure := newRequester(cfg, hc, id).acquire(ctx)
	if failure != nil {
		return Grant{}, failure
	}
	return grant, nil
}

// requester requests tokens with one version of the certificate. MSAL builds the
// request and reads the answer; nothing of its cache or its error texts is used.
// Not safe for concurrent use.
type requester struct {
	identity
	cfg  Config
	http *http.Client
	msal *confidential.Client // made on first use; keeps the token endpoint's address
	now  time.Time            // when the attempt began, for the assertion

	signErr error // of the latest attempt
}

func newRequester(cfg Config, hc *http.Client, id identity) *requester {
	return &requester{identity: id, cfg: cfg, http: hc}
}

// acquire makes one attempt.
func (r *requester) acquire(ctx context.Context) (Grant, *Error) {
	attempt, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	attempt, x := withExchange(attempt)
	r.now, r.signErr = wall(), nil
	result, err := r.request(attempt)
	switch {
	case err == nil:
		return x.grant(result)
	case ctx.Err() != nil:
		return Grant{}, &Error{Class: Transient, what: "interrupted", cause: ctx.Err()}
	case r.signErr != nil:
		return Grant{}, &Error{Class: Certificate, what: "client assertion: " + oneLine(r.signErr), cause: r.signErr}
	case attempt.Err() != nil: // not to be taken for the caller's deadline
		return Grant{}, &Error{Class: Transient, what: fmt.Sprintf("no answer from Entra within %v, signing included", attemptTimeout)}
	default:
		return Grant{}, x.failure(err)
	}
}

func (r *requester) request(ctx context.Context) (confidential.AuthResult, error) {
	if r.msal == nil {
		client, err := confidential.New(
			r.cfg.Authority.JoinPath(r.cfg.TenantID).String(), r.cfg.ClientID,
			confidential.NewCredFromAssertionCallback(r.sign),
			confidential.WithHTTPClient(r.http),
			confidential.WithCache(nullCache{}),
			confidential.WithInstanceDiscovery(false),
			// Else MSAL_FORCE_REGION in the environment makes it ask the VM's metadata service.
			confidential.WithAzureRegion("DisableMsalForceRegion"),
		)
		if err != nil {
			return confidential.AuthResult{}, err
		}
		r.msal = &client
	}
	return r.msal.AcquireTokenByCredential(ctx, []string{r.cfg.Resource + "/.default"})
}

// sign is MSAL's callback: it is called for every request to the token endpoint.
func (r *requester) sign(_ context.Context, to confidential.AssertionRequestOptions) (string, error) {
	jwt, err := r.assertion(to.TokenEndpoint, to.ClientID, r.now)
	r.signErr = err
	return jwt, err
}

// nullCache empties MSAL's cache before every use, so that every call is exactly
// one POST: MSAL's own cache neither serves a token in its last five minutes nor
// shows that a refresh failed.
type nullCache struct{}

func (nullCache) Replace(_ context.Context, c cache.Unmarshaler, _ cache.ReplaceHints) error {
	return c.Unmarshal([]byte("{}"))
}

func (nullCache) Export(context.Context, cache.Marshaler, cache.ExportHints) error { return nil }

// grant judges an answer that MSAL took for a token.
func (x *exchange) grant(result confidential.AuthResult) (Grant, *Error) {
	now := wall()
	g := Grant{
		Token:      Secret(result.AccessToken),
		Expires:    result.ExpiresOn.Round(0),
		RefreshAt:  result.Metadata.RefreshOn.Round(0),
		ServerDate: x.serverDate(),
		ClockSkew:  x.skew(),
		obtained:   now,
	}
	var answer struct {
		TokenType string `json:"token_type"`
	}
	json.Unmarshal(x.body, &answer) // MSAL could read it
	switch {
	case answer.TokenType != "" && !strings.EqualFold(answer.TokenType, "Bearer"):
		return Grant{}, x.error(Transient, "gave a token that is not of type Bearer")
	case !isBearerToken(result.AccessToken):
		return Grant{}, x.error(Transient, "gave a token that fits in no header")
	case !g.Expires.After(now):
		return Grant{}, x.error(Transient, "gave a token that has expired already")
	}
	if latest := now.Add(maxLifetime); g.Expires.After(latest) {
		g.Expires = latest
	}
	g.Claims = readClaims(result.AccessToken)
	return g, nil
}

// isBearerToken reports whether s may stand in an Authorization header: RFC 6750
// section 2.1, within what any server accepts.
func isBearerToken(s string) bool {
	if s == "" || len(s) > maxBearerToken {
		return false
	}
	for _, c := range []byte(s) {
		switch {
		case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9', strings.IndexByte("-._~+/=", c) >= 0:
		default:
			return false
		}
	}
	return true
}

package token

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"time"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/cache"
	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"
)

const (
	attemptTimeout = 15 * time.Second

	// maxLifetime is far above the longest lifetime that Entra issues (28
	// hours, with continuous access evaluation). A longer lifetime is reduced
	// to maxLifetime, because it is a mistake and could overflow the
	// arithmetic of the schedule.
	maxLifetime = 7 * 24 * time.Hour

	// Exchange accepts 64 KiB of headers by default; tokens have 2 to 4 KiB.
	maxBearerToken = 48 << 10
)

// A requester requests tokens with one identity. MSAL makes the request and
// reads the response. MSAL's cache and error texts are not used. A requester is
// not safe for concurrent use.
type requester struct {
	identity identity
	cfg      Config
	client   *http.Client
	msal     *confidential.Client // made at the first use; keeps the address of the token endpoint

	now     time.Time // time in the assertion of the current attempt
	signErr error     // error of the signer in the latest attempt
}

func newRequester(cfg Config, client *http.Client, id identity) *requester {
	return &requester{identity: id, cfg: cfg, client: client}
}

// acquire makes one attempt. correction is added to the local clock for the times
// in the assertion.
func (r *requester) acquire(ctx context.Context, correction time.Duration) (Grant, *Error) {
	attempt, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	attempt, rt := withRoundTrip(attempt)
	r.now, r.signErr = wall().Add(correction), nil
	result, err := r.request(attempt)
	var panicked *panicError
	switch {
	case err == nil:
		return rt.grant(result)
	case ctx.Err() != nil:
		return Grant{}, &Error{Class: Transient, what: "interrupted", cause: ctx.Err()}
	case errors.As(err, &panicked):
		r.msal = nil
		return Grant{}, rt.panicked(panicked)
	case r.signErr != nil && r.identity.federated != nil:
		return Grant{}, &Error{Class: Transient, what: "federated credential (experimental): " + oneLine(r.signErr), cause: r.signErr}
	case r.signErr != nil:
		return Grant{}, &Error{Class: Certificate, what: "client assertion: " + oneLine(r.signErr), cause: r.signErr}
	case attempt.Err() != nil: // the attempt's own timeout has ended, not the caller's context
		return Grant{}, &Error{Class: Transient, what: fmt.Sprintf("no response from Entra within %v, signing included", attemptTimeout)}
	default:
		return Grant{}, rt.failure(err)
	}
}

// A panicError is a panic of MSAL, of the HTTP client or of the signer. It does
// not keep the panic's value, which may hold the token.
type panicError struct{ kind string }

func (e *panicError) Error() string { return "panic: " + e.kind }

// request calls MSAL. A panic in MSAL must not end the process.
func (r *requester) request(ctx context.Context) (result confidential.AuthResult, err error) {
	defer func() {
		switch v := recover().(type) {
		case nil:
		case runtime.Error: // of the values in the program, its text contains only numbers and names of types
			err = &panicError{oneLine(v)}
		default:
			err = &panicError{fmt.Sprintf("%T", v)}
		}
	}()
	if r.msal == nil {
		client, err := confidential.New(
			r.cfg.Authority.JoinPath(r.cfg.TenantID).String(), r.cfg.ClientID,
			confidential.NewCredFromAssertionCallback(r.sign),
			confidential.WithHTTPClient(r.client),
			confidential.WithCache(nullCache{}),
			confidential.WithInstanceDiscovery(false),
			// Otherwise MSAL_FORCE_REGION in the environment makes MSAL ask the
			// VM's metadata service.
			confidential.WithAzureRegion("DisableMsalForceRegion"),
		)
		if err != nil {
			return confidential.AuthResult{}, err
		}
		r.msal = &client
	}
	return r.msal.AcquireTokenByCredential(ctx, []string{r.cfg.Resource + "/.default"})
}

// sign is a callback that MSAL calls for every request to the token endpoint.
func (r *requester) sign(ctx context.Context, to confidential.AssertionRequestOptions) (string, error) {
	jwt, err := r.identity.assertion(ctx, to.TokenEndpoint, to.ClientID, r.now)
	r.signErr = err
	return jwt, err
}

// nullCache empties MSAL's cache before every use, so that each call makes
// exactly one POST. MSAL's own cache does not return a token in the last five
// minutes of its lifetime, and hides the failure of a refresh.
type nullCache struct{}

func (nullCache) Replace(_ context.Context, c cache.Unmarshaler, _ cache.ReplaceHints) error {
	return c.Unmarshal([]byte("{}"))
}

func (nullCache) Export(context.Context, cache.Marshaler, cache.ExportHints) error { return nil }

// isBearerToken reports whether s has the form of a bearer token (b64token of RFC
// 6750, section 2.1) and is short enough for servers to accept.
func isBearerToken(s string) bool {
	if len(s) > maxBearerToken {
		return false
	}
	text := strings.TrimRight(s, "=")
	for _, c := range []byte(text) {
		switch {
		case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9', strings.IndexByte("-._~+/", c) >= 0:
		default:
			return false
		}
	}
	return text != ""
}

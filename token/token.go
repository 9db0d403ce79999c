package token

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"time"
)

// Config says which token to keep and what to prove the identity with.
type Config struct {
	Authority *url.URL // "https://login.microsoftonline.com"; https only, without a path
	TenantID  string   // GUID or a verified domain of the tenant
	ClientID  string   // application (client) id
	Resource  string   // "https://mail.contoso.com"; the scope is this + "/.default"

	// Certificates returns the certificates to sign with, newest first. Each
	// PrivateKey is a crypto.Signer with an RSA public key; one that signs over
	// the network must bound that itself. List and error may both be non-nil:
	// the look-up was incomplete, keep using these. It must return when its
	// context ends; it is never called twice at the same time.
	Certificates func(context.Context) ([]*tls.Certificate, error)

	PollInterval time.Duration // between calls of Certificates, ±10 %; 0 means 10 minutes

	// HTTPClient reaches Entra; nil means one of its own that honours
	// HTTPS_PROXY. Whatever it is, redirects are not followed, responses are
	// bounded, and nothing goes anywhere but to the authority's host.
	HTTPClient *http.Client

	Log *slog.Logger // nil discards

	// Attempted, when set, is called after every token request, from the
	// goroutine that refreshes: it must not block.
	Attempted func(Attempt)
}

// An Attempt is one token request, for metrics.
type Attempt struct {
	Reason   Reason
	Duration time.Duration
	Err      *Error // nil: it brought a token
}

// A Reason is why a token was requested.
type Reason string

const (
	Scheduled Reason = "scheduled" // none yet, or the old one nears its end
	Forced    Reason = "forced"    // the resource refused the current one
	Probe     Reason = "probe"     // to learn whether Entra accepts a new certificate
)

// ErrLimited is returned by [Keeper.Replace] when refreshes were forced too often.
var ErrLimited = errors.New("token: forced refreshes are limited to three at once and one per 30 s")

// ErrStopped is returned when there is no usable token and Run has ended.
var ErrStopped = errors.New("token: stopped")

// A Keeper keeps one access token usable. It is safe for concurrent use.
type Keeper struct{}

// New checks cfg. It does no I/O: nothing happens before [Keeper.Run].
func New(cfg Config) (*Keeper, error) { return &Keeper{}, nil }

// Run keeps the token usable until ctx ends. It must be called exactly once.
// Nothing that fails outside makes it return.
func (k *Keeper) Run(ctx context.Context) {}

// Token returns a usable token, at once whenever there is one. While there is
// none it waits for the refresh under way or the one that comes next, whichever
// caller or schedule caused it. It returns an error that wraps ctx.Err() when ctx
// ends first, and the last *Error at once when the next attempt lies beyond
// ctx's deadline: waiting never shortens the back-off.
func (k *Keeper) Token(ctx context.Context) (string, error) { return "", ErrStopped }

// Replace returns a usable token other than rejected, which the resource has
// refused. When the current one differs already, it is returned at once. Else one
// refresh is forced on behalf of all callers; the old token stays in service
// until the new one is there. Forced refreshes are limited to a burst of three
// and one per 30 s beyond it, across all callers: then the error is [ErrLimited]
// and comes at once. While refreshes fail, the error is the last *Error, at once.
func (k *Keeper) Replace(ctx context.Context, rejected string) (string, error) { return "", ErrStopped }

// Kick makes the keeper look again now at what it would look at later: the
// certificates, a candidate that was refused, and the token if there is none or
// its refresh has failed. Only a Retry-After of Entra's is still honoured.
// Call it when something was put right: a signal, a changed file.
func (k *Keeper) Kick() {}

// Status returns a snapshot.
func (k *Keeper) Status() Status { return Status{} }

// A Grant is what one successful attempt brought.
type Grant struct {
	Token      Secret
	Expires    time.Time     // by the local wall clock
	RefreshAt  time.Time     // when Entra advised to refresh; zero: it did not
	Claims     Claims        // what the token says about itself, unverified
	ServerDate time.Time     // Entra's clock when it answered; zero: unknown
	ClockSkew  time.Duration // local clock minus Entra's; positive: the local one is ahead
}

// Acquire requests one token with cert. It neither retries nor waits, makes at
// most two HTTP requests and ends within 15 seconds. The error is an *Error.
// cfg.Certificates, PollInterval, Log and Attempted are not used.
func Acquire(ctx context.Context, cfg Config, cert *tls.Certificate) (Grant, error) {
	return Grant{}, ErrStopped
}

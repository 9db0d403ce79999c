package token

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"hmaproxy/internal/lazyregexp"
)

// Config says which token to request and which certificates prove the identity
// of the application.
type Config struct {
	Authority *url.URL // "https://login.microsoftonline.com"; https only, without a path
	TenantID  string   // GUID or a verified domain of the tenant
	ClientID  string   // application (client) id
	Resource  string   // "https://mail.contoso.com"; the scope is Resource + "/.default"

	// Certificates returns the certificates to sign with, newest first. Each
	// PrivateKey is a crypto.Signer with an RSA public key. A signer that signs
	// over the network must have its own timeout. Both the list and the error
	// may be non-nil: then the look-up was incomplete, but the certificates in
	// the list are usable. The context ends after a minute, and Certificates
	// should then return. Calls of Certificates do not overlap.
	Certificates func(context.Context) ([]*tls.Certificate, error)

	// ExperimentalAssertion returns a client assertion that proves the identity
	// of the application without a certificate. The assertion is the token of a
	// workload or managed identity for api://AzureADTokenExchange. A federated
	// credential of the application must trust that identity. The function is
	// called before every token request, one call at a time. Its context ends
	// after 15 s. [New] requires that exactly one of ExperimentalAssertion and
	// Certificates is set.
	//
	// ExperimentalAssertion is experimental, because it is not known whether
	// Exchange Server accepts the tokens that Entra issues for such assertions.
	ExperimentalAssertion func(context.Context) (string, error)

	PollInterval time.Duration // interval between calls of Certificates, ±10 %; 0 means 10 minutes

	// HTTPClient sends the requests to Entra. nil means a client with its own
	// transport, which honours HTTPS_PROXY and requires TLS 1.2 or later. With
	// every client, redirects are not followed, the size of response bodies is limited,
	// and requests to hosts other than the authority are refused.
	HTTPClient *http.Client

	Log *slog.Logger // nil: no log

	// Attempted, when set, is called after every token request, one call at a
	// time. The function must not block, because it runs on the goroutine of
	// Run.
	Attempted func(Attempt)
}

// An Attempt is one token request, for metrics.
type Attempt struct {
	Reason   Reason
	Duration time.Duration
	Err      *Error // nil: Entra issued a token
}

// A Reason says why a token was requested.
type Reason string

const (
	Scheduled Reason = "scheduled" // there is no token yet, or the current token is due for a refresh
	Forced    Reason = "forced"    // the resource refused the current token
	Probe     Reason = "probe"     // test whether Entra accepts a new certificate
)

const defaultPollInterval = 10 * time.Minute

var (
	// A tenant is used as a path segment of the authority's URL.
	tenantForm = lazyregexp.New(`^[0-9A-Za-z][0-9A-Za-z.-]*$`)
	// The form of the client id and of the resource. A space in the resource
	// would split the scope in two.
	valueForm = lazyregexp.New(`^[!-~]+$`)
)

// reservedTenants are path segments that Entra or MSAL do not treat as a tenant.
var reservedTenants = []string{"common", "organizations", "consumers", "adfs", "dstsv2"}

// checked returns cfg with defaults, or an error that lists everything that is
// wrong with its fields.
func (cfg Config) checked() (Config, error) {
	var problems []error
	wrong := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if u := cfg.Authority; u == nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil ||
		u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		wrong("Authority: want an https URL of a host alone")
	}
	if !tenantForm().MatchString(cfg.TenantID) || slices.Contains(reservedTenants, strings.ToLower(cfg.TenantID)) {
		wrong("TenantID: want the GUID or a domain of one tenant")
	}
	if !valueForm().MatchString(cfg.ClientID) {
		wrong("ClientID: want the application id")
	}
	if !valueForm().MatchString(cfg.Resource) {
		wrong("Resource: want one URI without spaces")
	}
	if cfg.PollInterval < 0 {
		wrong("PollInterval: negative")
	}
	if cfg.PollInterval == 0 {
		cfg.PollInterval = defaultPollInterval
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Attempted == nil {
		cfg.Attempted = func(Attempt) {}
	}
	return cfg, errors.Join(problems...)
}

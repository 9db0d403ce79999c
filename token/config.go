package token

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
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
	// the look-up was incomplete, keep using these. Certificates must return
	// when its context ends, which is after a minute at the latest; it is never
	// called twice at the same time.
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

const defaultPollInterval = 10 * time.Minute

var (
	// A tenant becomes a segment of the authority's path.
	tenantForm = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z.-]*$`)
	// Values of the token request; a space would make one scope two.
	valueForm = regexp.MustCompile(`^[!-~]+$`)
)

// Names in a tenant's place that mean something else to Entra or to MSAL.
var notTenants = []string{"common", "organizations", "consumers", "adfs", "dstsv2"}

// checked returns cfg with its defaults, or all that is wrong with what a token
// request needs.
func (cfg Config) checked() (Config, error) {
	var problems []error
	wrong := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if u := cfg.Authority; u == nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil ||
		u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		wrong("Authority: want an https URL of a host alone")
	}
	if !tenantForm.MatchString(cfg.TenantID) || slices.Contains(notTenants, strings.ToLower(cfg.TenantID)) {
		wrong("TenantID: want the GUID or a domain of one tenant")
	}
	if !valueForm.MatchString(cfg.ClientID) {
		wrong("ClientID: want the application id")
	}
	if !valueForm.MatchString(cfg.Resource) {
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

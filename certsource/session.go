package certsource

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
)

// Limits for the tries within callTimeout. The library's defaults would wait
// for minutes. The first try of a session makes four requests, because it
// includes the log-in. tryTimeout allows two seconds for each of them, because
// a log-in that times out is not tried again. Any other request that hangs is
// tried again: two tries fit into callTimeout.
const (
	maxRetries    = 2
	tryTimeout    = 9 * time.Second
	retryDelay    = 500 * time.Millisecond
	maxRetryDelay = 5 * time.Second
)

// A session holds the clients for one client secret, and the access token that
// they obtained.
type session struct {
	secrets *azsecrets.Client
	keys    *azkeys.Client
	secret  [sha256.Size]byte // hash of the client secret
	pasted  bool              // the client secret has the form of an id
}

// A vaultClient sends requests to one vault. It is safe for concurrent use.
type vaultClient struct {
	cfg    KeyVaultConfig       // Log is not nil
	secret blockingCall[string] // used with AuthSecret

	mu      sync.Mutex
	session *session // the session that signatures use; it has logged in or will do so at its first request
}

func newVaultClient(cfg KeyVaultConfig) *vaultClient {
	c := &vaultClient{cfg: cfg}
	c.secret.run = c.loadSecret
	return c
}

// keep makes s the session that signatures use.
func (c *vaultClient) keep(s *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session = s
}

// open returns the session for the current client secret.
func (c *vaultClient) open(ctx context.Context) (*session, *Error) {
	secret, failure := c.clientSecret(ctx)
	if failure != nil {
		return nil, failure
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session != nil && c.session.secret == sha256.Sum256([]byte(secret)) {
		return c.session, nil
	}
	s, failure := c.newSession(secret)
	if failure == nil {
		c.session = s
	}
	return s, failure
}

// reopen returns a session for a poll. With a client secret it returns a new
// session, so an expired secret is noticed at this poll and not when the access
// token expires. Signatures use the new session only after it has logged in (see
// keep).
func (c *vaultClient) reopen(ctx context.Context) (*session, *Error) {
	if c.cfg.Auth != AuthSecret {
		return c.open(ctx)
	}
	secret, failure := c.clientSecret(ctx)
	if failure != nil {
		return nil, failure
	}
	return c.newSession(secret)
}

// clientSecret returns the current client secret, "" without AuthSecret.
func (c *vaultClient) clientSecret(ctx context.Context) (string, *Error) {
	if c.cfg.Auth != AuthSecret {
		return "", nil
	}
	secret, failure, ok := c.secret.do(ctx)
	switch {
	case !ok && ctx.Err() != nil:
		return "", c.canceled("read client secret", ctx)
	case !ok:
		return "", &Error{Op: "read client secret", Code: CodeBlocked, Remedy: remedy(CodeBlocked)}
	}
	return secret, failure
}

// loadSecret calls the function that returns the client secret. It may block.
func (c *vaultClient) loadSecret() (string, *Error) {
	secret, err := c.cfg.Secret()
	if err != nil {
		return "", &Error{Op: "read client secret", Code: CodeUnreadable, Err: err, Remedy: remedy(CodeUnreadable)}
	}
	if secret == "" {
		return "", &Error{Op: "read client secret", Code: CodeEmpty, Remedy: remedy(CodeEmpty)}
	}
	return secret, nil
}

// newSession makes a session. It makes no request yet.
func (c *vaultClient) newSession(secret string) (*session, *Error) {
	s, err := newClients(&c.cfg, secret)
	if err != nil {
		// An error that the libraries return about options names environment
		// variables. It contains no secret, so it may be logged.
		e := &Error{Code: CodeNoCredential, Err: err, Remedy: loginRemedy(c.cfg.Auth)}
		logIn(&c.cfg, e, "")
		return nil, e
	}
	s.secret, s.pasted = sha256.Sum256([]byte(secret)), isGUID(secret)
	return s, nil
}

func newClients(cfg *KeyVaultConfig, secret string) (*session, error) {
	opts := clientOptions(cfg)
	cred, err := credential(cfg, secret, opts)
	if err != nil {
		return nil, err
	}
	vault := strings.TrimSuffix(cfg.Vault.String(), "/")
	trusting := isLoopback(cfg.Vault)
	secrets, err := azsecrets.NewClient(vault, cred, &azsecrets.ClientOptions{ClientOptions: opts, DisableChallengeResourceVerification: trusting})
	if err != nil {
		return nil, err
	}
	keys, err := azkeys.NewClient(vault, cred, &azkeys.ClientOptions{ClientOptions: opts, DisableChallengeResourceVerification: trusting})
	if err != nil {
		return nil, err
	}
	return &session{secrets: secrets, keys: keys}, nil
}

func clientOptions(cfg *KeyVaultConfig) azcore.ClientOptions {
	client := *cfg.HTTPClient
	// A log-in that followed a redirect would send the client secret to another
	// host.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	authority := cloud.AzurePublic.ActiveDirectoryAuthorityHost
	if cfg.Authority != nil {
		authority = cfg.Authority.String()
	}
	return azcore.ClientOptions{
		Cloud:     cloud.Configuration{ActiveDirectoryAuthorityHost: authority},
		Transport: recordingClient{&client},
		Retry:     policy.RetryOptions{MaxRetries: maxRetries, TryTimeout: tryTimeout, RetryDelay: retryDelay, MaxRetryDelay: maxRetryDelay},
	}
}

// credential makes the configured credential. It accepts the tenant in the
// vault's challenge, which is the vault's own tenant. Instance discovery is
// off, because it would send requests to login.microsoftonline.com in other
// clouds too.
func credential(cfg *KeyVaultConfig, secret string, opts azcore.ClientOptions) (azcore.TokenCredential, error) {
	any := []string{"*"}
	switch cfg.Auth {
	case AuthWorkload:
		return azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
			ClientOptions: opts, ClientID: cfg.ClientID, TenantID: cfg.TenantID,
			AdditionallyAllowedTenants: any, DisableInstanceDiscovery: true,
		})
	case AuthManaged:
		managed := &azidentity.ManagedIdentityCredentialOptions{ClientOptions: opts}
		if cfg.ClientID != "" {
			managed.ID = azidentity.ClientID(cfg.ClientID)
		}
		return azidentity.NewManagedIdentityCredential(managed)
	case AuthDefault:
		return azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{
			ClientOptions: opts, TenantID: cfg.TenantID,
			AdditionallyAllowedTenants: any, DisableInstanceDiscovery: true,
		})
	case AuthSecret:
		return azidentity.NewClientSecretCredential(cfg.TenantID, cfg.ClientID, secret, &azidentity.ClientSecretCredentialOptions{
			ClientOptions: opts, AdditionallyAllowedTenants: any, DisableInstanceDiscovery: true,
		})
	}
	return nil, errors.New("unknown way to log in")
}

// isGUID reports whether s is a GUID. The id of a client secret is a GUID and
// is often pasted instead of the secret's value. The value has another form.
func isGUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i, c := range s {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if dash != (c == '-') || !dash && !strings.ContainsRune("0123456789abcdefABCDEF", c) {
			return false
		}
	}
	return true
}

package certsource

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

// FederatedAudience is the audience of federated credentials in the public
// cloud. The US government cloud uses api://AzureADTokenExchangeUSGov, and the
// cloud in China api://AzureADTokenExchangeChina.
const FederatedAudience = "api://AzureADTokenExchange"

// ExperimentalFederatedConfig says which token replaces the certificate.
type ExperimentalFederatedConfig struct {
	Auth Auth // AuthWorkload or AuthManaged

	TokenFile string // for AuthWorkload: the file of the service account's token, which the platform renews
	ClientID  string // for AuthManaged: id of the user-assigned identity; empty means the machine's only identity

	Audience string // empty means FederatedAudience

	// HTTPClient connects to the machine's metadata service, for AuthManaged.
	// nil means a new client.
	HTTPClient *http.Client
}

// ExperimentalFederated supplies tokens that replace the certificate. The type
// is experimental, because it is not known whether Exchange Server accepts the
// tokens that Entra ID issues in return. An ExperimentalFederated is safe for
// concurrent use.
type ExperimentalFederated struct {
	cfg     ExperimentalFederatedConfig
	file    blockingCall[string]
	managed azcore.TokenCredential // nil unless Auth is AuthManaged
}

// NewExperimentalFederated checks cfg. It reads no file and makes no request yet.
func NewExperimentalFederated(cfg ExperimentalFederatedConfig) (*ExperimentalFederated, error) {
	if cfg.Audience == "" {
		cfg.Audience = FederatedAudience
	}
	f := &ExperimentalFederated{cfg: cfg}
	f.file.run = f.load
	switch cfg.Auth {
	case AuthWorkload:
		if cfg.TokenFile == "" {
			return nil, errors.New("certsource: the token file is missing")
		}
	case AuthManaged:
		if cfg.HTTPClient == nil {
			cfg.HTTPClient = newHTTPClient()
		}
		options := &azidentity.ManagedIdentityCredentialOptions{ClientOptions: azcore.ClientOptions{
			Transport: cfg.HTTPClient,
			Retry:     policy.RetryOptions{MaxRetries: maxRetries, TryTimeout: tryTimeout, RetryDelay: retryDelay, MaxRetryDelay: maxRetryDelay},
		}}
		if cfg.ClientID != "" {
			options.ID = azidentity.ClientID(cfg.ClientID)
		}
		var err error
		if f.managed, err = azidentity.NewManagedIdentityCredential(options); err != nil {
			return nil, fmt.Errorf("certsource: managed identity: %w", err)
		}
	default:
		return nil, fmt.Errorf("certsource: unknown federated credential: %q", cfg.Auth)
	}
	return f, nil
}

// Assertion returns the token. It blocks for at most 10 seconds for a file and
// 20 seconds for a managed identity, or until ctx ends. The error is an
// [*Error].
func (f *ExperimentalFederated) Assertion(ctx context.Context) (string, error) {
	token, failure := f.token(ctx)
	if failure != nil {
		return "", failure
	}
	return token, nil
}

func (f *ExperimentalFederated) token(ctx context.Context) (string, *Error) {
	if f.managed != nil {
		return f.fromIdentity(ctx)
	}
	token, failure, ok := f.file.do(ctx)
	switch {
	case !ok && ctx.Err() != nil:
		return "", f.error(CodeCanceled, ctx.Err())
	case !ok:
		return "", f.error(CodeBlocked, nil)
	}
	return token, failure
}

// load reads and checks the token file. It may block.
func (f *ExperimentalFederated) load() (string, *Error) {
	data, code, err := readRegular(f.cfg.TokenFile)
	if err != nil {
		return "", f.error(code, err)
	}
	token := strings.TrimSpace(string(data))
	if token == "" {
		return "", f.error(CodeEmpty, nil)
	}
	return token, f.check(token)
}

// fromIdentity requests the token from the machine's metadata service.
func (f *ExperimentalFederated) fromIdentity(ctx context.Context) (string, *Error) {
	inner, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var token azcore.AccessToken
	err := recovered(inner, func(ctx context.Context) (err error) {
		token, err = f.managed.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{f.cfg.Audience + "/.default"}})
		return err
	})
	var login *azidentity.AuthenticationFailedError
	switch {
	case err == nil:
		return token.Token, f.check(token.Token)
	case ctx.Err() != nil:
		return "", f.error(CodeCanceled, ctx.Err())
	case inner.Err() != nil:
		return "", f.error(CodeTimeout, nil)
	case errors.As(err, &login) && login.RawResponse != nil:
		e := f.error(CodeNoCredential, nil)
		e.Status = login.RawResponse.StatusCode
		return "", e
	}
	return "", f.error(CodeNoCredential, nil)
}

// check returns an error if token is not a JWT or has expired. With
// AuthWorkload it also returns an error if the token has another audience.
// Entra ID's refusal does not clearly name a wrong audience or a past expiry.
func (f *ExperimentalFederated) check(token string) *Error {
	var claims struct {
		Audience any     `json:"aud"`
		Expires  float64 `json:"exp"`
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return f.error(CodeNotAToken, nil)
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(payload, &claims) != nil {
		return f.error(CodeNotAToken, nil)
	}
	if claims.Expires > 0 && claims.Expires < 1e11 && time.Now().After(time.Unix(int64(claims.Expires), 0)) {
		return f.error(CodeTokenExpired, nil)
	}
	if !holds(claims.Audience, f.cfg.Audience) && f.cfg.Auth == AuthWorkload {
		return f.error(CodeTokenAudience, nil)
	}
	return nil
}

// holds reports whether the claim aud, a string or a list of strings, contains
// want.
func holds(aud any, want string) bool {
	if list, ok := aud.([]any); ok {
		for _, a := range list {
			if a == want {
				return true
			}
		}
	}
	return aud == want
}

func (f *ExperimentalFederated) error(code string, err error) *Error {
	e := &Error{Op: "read service account token", Name: f.cfg.TokenFile, Code: code, Err: err, Remedy: federatedRemedy(code, f.cfg.Audience)}
	if f.managed != nil {
		e.Op, e.Name = "log in as managed identity", f.cfg.ClientID
		if code == CodeNoCredential || code == CodeTimeout {
			e.Remedy = "check that this machine has a user-assigned managed identity, that its client id is the configured one if there are several, and that 169.254.169.254 is reachable without a proxy"
		}
	}
	return e
}

func federatedRemedy(code, audience string) string {
	switch code {
	case CodeUnreadable, CodeEmpty, CodeNotAFile:
		return "the pod needs the label azure.workload.identity/use: \"true\", and a service account with the annotation azure.workload.identity/client-id; the path must be that of AZURE_FEDERATED_TOKEN_FILE"
	case CodeNotAToken:
		return "it is not a signed JSON web token: name the file that the platform projects for the service account"
	case CodeTokenExpired:
		return "the platform has not renewed the token: check that the file is the projected volume and not a copy, and this machine's clock"
	case CodeTokenAudience:
		return "the projected volume must ask for the audience " + audience
	}
	return remedy(code)
}

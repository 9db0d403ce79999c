package certsource

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
)

// Auth is the way to log in to Key Vault.
type Auth string

const (
	AuthSecret   Auth = "secret"   // client id and client secret of an app registration
	AuthWorkload Auth = "workload" // a Kubernetes service account, federated
	AuthManaged  Auth = "managed"  // the managed identity of an Azure machine
	AuthDefault  Auth = "default"  // whatever is there: az login on a developer's machine
)

// KeyVaultConfig says which certificate to read and how to log in.
type KeyVaultConfig struct {
	Vault *url.URL // "https://contoso.vault.azure.net"; required
	Name  string   // of the certificate: "HMA-Cert"; required
	Auth  Auth     // empty means AuthSecret

	TenantID string // of the vault; required with AuthSecret, else found in the environment
	ClientID string // required with AuthSecret; AuthManaged: empty means the system-assigned identity

	// Secret returns the client secret and is called before each poll and
	// signature, so that a renewed secret is picked up. It must be safe for
	// concurrent use, and its errors are logged: they must not hold the secret.
	// Required with AuthSecret, not used otherwise.
	Secret func() (string, error)

	Authority *url.URL // nil means "https://login.microsoftonline.com"

	// HTTPClient makes all requests, to Entra ID too; required. Proxy, trusted
	// roots and the size of responses are its matter; redirects are never followed.
	HTTPClient *http.Client

	// KeyInVault leaves the private key in the vault: the certificates' PrivateKey
	// is a crypto.Signer that signs there. It needs the permission keys/sign.
	KeyInVault bool

	Log *slog.Logger // nil means none
}

// KeyVault reads a certificate from Azure Key Vault. It is safe for concurrent
// use.
type KeyVault struct {
	cfg KeyVaultConfig
	log *slog.Logger
}

// NewKeyVault checks cfg and makes no request yet.
func NewKeyVault(cfg KeyVaultConfig) (*KeyVault, error) {
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("certsource: %w", err)
	}
	return &KeyVault{cfg: cfg}, nil
}

func (c *KeyVaultConfig) check() error { return errors.New("not yet") }

// Certificates asks Key Vault for the newest version and the one before it.
func (k *KeyVault) Certificates(ctx context.Context) ([]*tls.Certificate, error) {
	return nil, problem(strings.Clone(CodeEmpty))
}

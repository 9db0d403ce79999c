package certsource

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
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
	// roots and the size of responses are its matter; redirects are never
	// followed. With AuthManaged it must reach 169.254.169.254 without a proxy.
	HTTPClient *http.Client

	// KeyInVault leaves the private key in the vault: the certificates' PrivateKey
	// is a crypto.Signer that signs there. It needs the permission keys/sign.
	KeyInVault bool

	Log *slog.Logger // nil means none
}

// check reports everything that is wrong with c.
func (c *KeyVaultConfig) check() error {
	var errs []error
	must := func(ok bool, text string) {
		if !ok {
			errs = append(errs, errors.New(text))
		}
	}
	must(isOrigin(c.Vault), "the vault must be a URL like https://contoso.vault.azure.net")
	must(c.Authority == nil || isOrigin(c.Authority), "the authority must be a URL like https://login.microsoftonline.com")
	must(regexp.MustCompile(`^[0-9A-Za-z-]{1,127}$`).MatchString(c.Name), "a certificate's name is up to 127 letters, digits and dashes")
	must(c.HTTPClient != nil, "the HTTP client is missing")
	switch c.Auth {
	case AuthSecret, "":
		must(c.TenantID != "" && c.ClientID != "" && c.Secret != nil, "tenant, client id and client secret are required")
	case AuthWorkload, AuthManaged, AuthDefault:
	default:
		errs = append(errs, fmt.Errorf("unknown way to log in: %q", c.Auth))
	}
	return errors.Join(errs...)
}

// isOrigin wants https, a host, and nothing else.
func isOrigin(u *url.URL) bool {
	return u != nil && u.Scheme == "https" && u.Hostname() != "" && u.User == nil &&
		(u.Path == "" || u.Path == "/") && u.RawQuery == "" && u.Fragment == ""
}

// isLoopback: only there may a challenge name another resource than the vault's
// own domain, because no vault is there but an emulator.
func isLoopback(u *url.URL) bool {
	addr, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && addr.IsLoopback()
}

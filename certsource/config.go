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
	AuthDefault  Auth = "default"  // what azidentity finds: az login on a developer's machine
)

// KeyVaultConfig says which certificate to read and how to log in.
type KeyVaultConfig struct {
	Vault *url.URL // "https://contoso.vault.azure.net"; required
	Name  string   // of the certificate: "HMA-Cert"; required
	Auth  Auth     // empty means AuthSecret

	TenantID string // of the vault; required with AuthSecret, else found in the environment
	ClientID string // required with AuthSecret; AuthManaged: empty means the system-assigned identity

	// Secret returns the client secret and is called before each poll and
	// signature, one call at a time, so that a renewed secret is used. It may
	// block, as a read of a file can: a call that does not return within 10 seconds
	// is reported as an error. Its errors are logged: they must not hold the secret.
	// Required with AuthSecret, not used otherwise.
	Secret func() (string, error)

	Authority *url.URL // nil means "https://login.microsoftonline.com"

	// HTTPClient sends all requests, also those to Entra ID. nil means a client
	// that honours HTTPS_PROXY, requires TLS 1.2 and connects to 169.254.169.254
	// without a proxy, where AuthManaged logs in. An own client must do the latter
	// too, and should bound the headers of responses. Redirects are not followed
	// with any client.
	HTTPClient *http.Client

	// KeyInVault leaves the private key in the vault: the certificates' PrivateKey
	// is a crypto.Signer that signs there. It needs the permission keys/sign.
	KeyInVault bool

	Log *slog.Logger // nil means none
}

// check returns an error that lists everything that is wrong with c.
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
	switch c.Auth {
	case AuthSecret, "":
		must(c.TenantID != "" && c.ClientID != "" && c.Secret != nil, "tenant, client id and client secret are required")
	case AuthWorkload, AuthManaged, AuthDefault:
	default:
		errs = append(errs, fmt.Errorf("unknown way to log in: %q", c.Auth))
	}
	return errors.Join(errs...)
}

// isOrigin reports whether u consists of https and a host.
func isOrigin(u *url.URL) bool {
	return u != nil && u.Scheme == "https" && u.Hostname() != "" && u.User == nil &&
		(u.Path == "" || u.Path == "/") && u.RawQuery == "" && u.Fragment == ""
}

// isLoopback reports whether u is on this machine. Only there may a challenge name
// another resource than the vault's own domain, because it is an emulator.
func isLoopback(u *url.URL) bool {
	addr, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && addr.IsLoopback()
}

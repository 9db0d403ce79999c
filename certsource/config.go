package certsource

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"

	"hmaproxy/internal/lazyregexp"
)

// Auth is the way to log in to Key Vault.
type Auth string

const (
	AuthSecret   Auth = "secret"   // client id and client secret of an app registration
	AuthWorkload Auth = "workload" // workload identity federation with a Kubernetes service account
	AuthManaged  Auth = "managed"  // the managed identity of an Azure machine
	AuthDefault  Auth = "default"  // azidentity's default chain, which includes az login on a developer's machine
)

// KeyVaultConfig says which certificate to read and how to log in.
type KeyVaultConfig struct {
	Vault *url.URL // "https://contoso.vault.azure.net"; required
	Name  string   // name of the certificate: "HMA-Cert"; required
	Auth  Auth     // empty means AuthSecret

	TenantID string // tenant of the vault; required with AuthSecret, optional otherwise
	ClientID string // required with AuthSecret; with AuthManaged, empty means the system-assigned identity

	// Secret returns the client secret. It is called before each poll and each
	// signature, so a renewed secret is used. Calls do not overlap. Secret may
	// block, for example while reading a file; a call that does not return
	// within 10 seconds is reported as an error. Its errors are logged and must
	// not hold the secret. Secret is required with AuthSecret and not used
	// otherwise.
	Secret func() (string, error)

	Authority *url.URL // nil means "https://login.microsoftonline.com"

	// HTTPClient sends all requests, including requests to Entra ID. nil means
	// a client that honours HTTPS_PROXY, requires TLS 1.2 or later and connects to
	// 169.254.169.254, where AuthManaged logs in, without a proxy. A client
	// that the caller supplies must not use a proxy for that address either,
	// and should limit the size of response headers. Redirects are never
	// followed.
	HTTPClient *http.Client

	// KeyInVault leaves the private key in the vault. The PrivateKey of each
	// certificate is then a crypto.Signer that sends digests to the vault for
	// signing. The application then needs the permission keys/sign.
	KeyInVault bool

	Log *slog.Logger // nil: no log
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
	must(len(c.Name) <= maxCertName && certName().MatchString(c.Name), "a certificate's name is up to 127 letters, digits and dashes")
	switch c.Auth {
	case AuthSecret, "":
		must(c.TenantID != "" && c.ClientID != "" && c.Secret != nil, "tenant, client id and client secret are required")
	case AuthWorkload, AuthManaged, AuthDefault:
	default:
		errs = append(errs, fmt.Errorf("unknown way to log in: %q", c.Auth))
	}
	return errors.Join(errs...)
}

// maxCertName is the length of the longest name of a certificate. It is not in
// certName, because a regular expression with a large count takes long to compile.
const maxCertName = 127

var certName = lazyregexp.New(`^[0-9A-Za-z-]+$`)

// isOrigin reports whether u consists of https and a host.
func isOrigin(u *url.URL) bool {
	return u != nil && u.Scheme == "https" && u.Hostname() != "" && u.User == nil &&
		(u.Path == "" || u.Path == "/") && u.RawQuery == "" && u.Fragment == ""
}

// isLoopback reports whether u is on this machine. A vault must send a
// challenge whose resource belongs to the vault's domain. This is not checked
// for an emulator on this machine.
func isLoopback(u *url.URL) bool {
	addr, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && addr.IsLoopback()
}

package doctor

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"hmaproxy/internal/config"
)

// vaultVersion is an API version that the Key Vault of every cloud has.
const vaultVersion = "7.4"

// vaultURL returns the URL of the certificate if collection is "certificates", or
// of the secret that belongs to the certificate if collection is "secrets".
func vaultURL(c *config.Config, collection string) *url.URL {
	u := c.VaultURI.JoinPath(collection, string(c.VaultCertName))
	u.RawQuery = "api-version=" + vaultVersion
	return u
}

// gatherVaultConnection requests the certificate's secret without a token. A Key
// Vault responds with a challenge that names its tenant.
func gatherVaultConnection(ctx context.Context, s *session, f *facts) {
	f.network.vault = s.connect(ctx, target{url: vaultURL(f.config, "secrets"), variable: vaultURI}, nil)
}

func evaluateVaultConnection(f *facts) Result {
	c := f.network.vault
	switch {
	case c.err != nil:
		return evaluateFailure(f, c)
	case isVaultChallenge(c):
		return evaluateVaultChallenge(f, c)
	case c.response.status == http.StatusForbidden && strings.Contains(string(c.response.body), `"Forbidden`):
		return ok(c.describe()) // the vault accepts private connections only; the result of the product's own request will say more
	case vaultBusy(c):
		return f.fail(c.describe(), "Key Vault has a passing problem, or limits the rate of requests", "try again in some minutes; https://azure.status.microsoft shows known outages")
	}
	return f.fail(c.describe(), otherResponder(c, "is not a Key Vault"), passThrough(c, "compare HMA_KEY_VAULT_URI with the portal: Key vaults > (the vault) > Overview > Vault URI")...)
}

func isVaultChallenge(c connection) bool {
	return c.response.status == http.StatusUnauthorized && signInURL(c) != ""
}

// vaultBusy reports whether Key Vault itself says that it cannot serve now. A
// response of Key Vault is JSON; a device that responds in its place sends an
// HTML page.
func vaultBusy(c connection) bool {
	r := c.response
	return (r.status >= 500 || r.status == http.StatusTooManyRequests) && r.status != http.StatusNetworkAuthenticationRequired &&
		(len(r.body) == 0 || json.Valid(r.body))
}

// evaluateVaultChallenge compares the cloud and the tenant that the vault's
// challenge names with the configuration. A different tenant is only a note,
// because hmaproxy uses the vault's tenant.
func evaluateVaultChallenge(f *facts, c connection) Result {
	detail := c.describe()
	u, tenant := signIn(c)
	if tenant == "" {
		return f.fail(detail, "what responded names no tenant to sign in to, as every Key Vault does: it is another service, or a device on the way alters headers", "{vault-uri-check}")
	}
	theirs, ours := cloudOf(u.Hostname()), cloudOf(f.config.Authority.Hostname())
	if theirs != "" && ours != "" && theirs != ours {
		return f.fail(detail+"; it asks for a sign-in at "+quote(u.Host),
			"the vault belongs to another cloud ("+theirs+") than HMA_AUTHORITY_HOST ("+ours+")",
			"set HMA_AUTHORITY_HOST=https://"+authorities[theirs], "or correct HMA_KEY_VAULT_URI")
	}
	r := ok(detail)
	if want := string(f.config.VaultTenant); guid().MatchString(want) && guid().MatchString(tenant) && !strings.EqualFold(want, tenant) {
		r.Notes = append(r.Notes, "the vault belongs to the tenant "+tenant+", the configuration says "+want+": hmaproxy uses the vault's; KV-App must be known there")
	}
	return r
}

// signInURL returns the sign-in URL in the vault's challenge, or "" if there is
// none. Like the Azure SDK it reads the parameter "authorization". If
// that parameter is missing, it reads "authorization_uri".
func signInURL(vault connection) string {
	challenge := bearerChallenge(vault.response.header)
	return cmp.Or(challenge["authorization"], challenge["authorization_uri"])
}

// challengedTenant returns the tenant that the vault's challenge names, or "" if
// the challenge names no tenant.
func challengedTenant(vault connection) string {
	_, tenant := signIn(vault)
	return tenant
}

// signIn returns the sign-in URL in the vault's challenge, and the tenant, which
// is the path of this URL. The tenant is "" if the challenge has no
// sign-in URL, or the URL has no path.
func signIn(vault connection) (u *url.URL, tenant string) {
	u, err := url.Parse(signInURL(vault))
	if err != nil {
		return nil, ""
	}
	return u, strings.Trim(u.Path, "/")
}

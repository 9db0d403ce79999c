package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// checkVaultConnection asks the vault for the certificate without a token. A
// Key Vault answers with a challenge that names its tenant.
func (x *examination) checkVaultConnection(ctx context.Context) Result {
	p := x.probes["vault"]
	x.send(ctx, p, nil)
	if p.err != nil {
		return x.explainConnection(ctx, p, "HMA_KEY_VAULT_URI")
	}
	c := bearerChallenge(p.header)
	if p.status != http.StatusUnauthorized || c["authorization"] == "" && c["authorization_uri"] == "" {
		if p.status == http.StatusForbidden && strings.Contains(string(p.body), `"Forbidden`) {
			return ok(p.describe()) // a private vault; the product's request will say more
		}
		if vaultBusy(p) {
			return failed(p.describe(), "Key Vault has a passing problem, or limits the rate of requests", "try again in some minutes; https://azure.status.microsoft shows known outages")
		}
		return failed(p.describe(), x.stranger(p, "is no Key Vault"), passThrough(p, "compare HMA_KEY_VAULT_URI with the portal: Key vaults > (the vault) > Overview > Vault URI")...)
	}
	return x.judgeVaultChallenge(p, c["authorization"]+c["authorization_uri"])
}

// vaultBusy knows Key Vault's own way to say that it cannot answer now, which is
// JSON; a device that answers in its place sends a page.
func vaultBusy(p *probe) bool {
	return (p.status >= 500 || p.status == http.StatusTooManyRequests) && p.status != http.StatusNetworkAuthenticationRequired &&
		(len(p.body) == 0 || json.Valid(p.body))
}

// passThrough is the repair where something answers in a service's place: for
// one of Microsoft's names the way there, else the setting that holds the name.
func passThrough(p *probe, compare string) []string {
	if !microsoft(p) {
		return []string{compare}
	}
	return []string{"have " + p.dialled() + " permitted on the proxy, firewall or web filter, without sign-in and without inspection",
		"curl -v " + p.url.Scheme + "://" + p.url.Host + "/     # shows who answers", compare}
}

// judgeVaultChallenge compares the sign-in service that the vault names with
// the configured one.
func (x *examination) judgeVaultChallenge(p *probe, authorization string) Result {
	u, err := url.Parse(authorization)
	tenant := ""
	if err == nil {
		tenant = strings.Trim(u.Path, "/")
	}
	if tenant == "" {
		return failed(p.describe(), "what answered names no tenant to sign in to, as every Key Vault does: it is another service, or a device on the way alters headers",
			"compare HMA_KEY_VAULT_URI with the portal: Key vaults > (the vault) > Overview > Vault URI")
	}
	theirs, ours := cloudOf(u.Hostname()), cloudOf(x.config.Authority.Hostname())
	if theirs != "" && ours != "" && theirs != ours {
		return failed(p.describe()+"; it asks for a sign-in at "+quote(u.Host),
			fmt.Sprintf("the vault lives in another cloud (%s) than HMA_AUTHORITY_HOST (%s)", theirs, ours),
			"set HMA_AUTHORITY_HOST=https://"+authorities[theirs], "or correct HMA_KEY_VAULT_URI")
	}
	r := ok(p.describe())
	if want := string(x.config.VaultTenant); guid.MatchString(want) && guid.MatchString(tenant) && !strings.EqualFold(want, tenant) {
		r.Notes = append(r.Notes, fmt.Sprintf("the vault belongs to the tenant %s, the configuration says %s: the vault's word counts; KV-App must be known there", tenant, want))
	}
	return r
}

// checkEntraConnection asks for the tenant's metadata, which checkTenant reads.
func (x *examination) checkEntraConnection(ctx context.Context) Result {
	p := x.probes["entra"]
	x.send(ctx, p, nil)
	switch {
	case p.err != nil:
		return x.explainConnection(ctx, p, "HMA_AUTHORITY_HOST")
	case p.status != http.StatusNetworkAuthenticationRequired && p.status >= 500 || p.status == http.StatusTooManyRequests:
		return failed(p.describe(), "Entra ID has a passing problem, or something on the way answers in its place", "try again in some minutes; https://azure.status.microsoft shows known outages")
	case !json.Valid(p.body):
		return failed(p.describe(), x.stranger(p, "is not Entra ID"), passThrough(p, "compare HMA_AUTHORITY_HOST with the cloud of your tenant: "+authorityList)...)
	}
	return ok(p.describe())
}

// checkTenant reads the tenant's metadata.
func (x *examination) checkTenant(context.Context) Result {
	p := x.probes["entra"]
	var answer struct {
		Issuer        string `json:"issuer"`
		TokenEndpoint string `json:"token_endpoint"`
		Codes         []int  `json:"error_codes"`
	}
	if json.Unmarshal(p.body, &answer) != nil || p.status != http.StatusOK {
		return x.tenantUnknown(p, answer.Codes)
	}
	issuer, _ := url.Parse(answer.Issuer)
	endpoint, err := url.Parse(answer.TokenEndpoint)
	if issuer == nil || err != nil || endpoint.Host == "" {
		return failed("the answer names no issuer or token endpoint", x.stranger(p, "is not Entra ID"), "compare HMA_AUTHORITY_HOST with the cloud of your tenant: "+authorityList)
	}
	if !strings.EqualFold(origin(endpoint), origin(x.config.Authority.URL)) {
		return failed("its token endpoint is at "+quote(endpoint.Host), "the tenant lives in another cloud than HMA_AUTHORITY_HOST",
			"set HMA_AUTHORITY_HOST=https://"+printable(endpoint.Host, 120))
	}
	x.tenant, _, _ = strings.Cut(strings.TrimPrefix(issuer.Path, "/"), "/")
	return ok(string(x.config.Tenant) + " exists there" + differently(x.tenant, string(x.config.Tenant)))
}

func differently(id, configured string) string {
	if strings.EqualFold(id, configured) || !guid.MatchString(id) {
		return ""
	}
	return " and is " + id
}

func (x *examination) tenantUnknown(p *probe, codes []int) Result {
	detail := fmt.Sprintf("Entra ID answered %d for the tenant %s", p.status, x.config.Tenant)
	if len(codes) > 0 {
		detail += fmt.Sprintf(" (AADSTS%d)", codes[0])
	}
	cause := "HMA_TENANT_ID is not a tenant of this cloud (" + x.config.Authority.Host + "): mistyped, the id of something else, or the tenant of another cloud"
	if c := bearerTenant(x.probes["vault"]); guid.MatchString(c) && c != string(x.config.Tenant) {
		cause += "; Key Vault, for one, belongs to " + c
	}
	return failed(detail, cause,
		"az account show --query tenantId -o tsv     # or portal: Entra ID > Overview > Tenant ID",
		"in another cloud set HMA_AUTHORITY_HOST too: "+authorityList)
}

// bearerTenant returns the tenant that the vault's challenge named.
func bearerTenant(p *probe) string {
	if p == nil {
		return ""
	}
	u, err := url.Parse(bearerChallenge(p.header)["authorization"])
	if err != nil {
		return ""
	}
	return strings.Trim(u.Path, "/")
}

// checkExchangeConnection sends the empty bearer that makes Exchange name all
// it accepts, which checkChallenge judges.
func (x *examination) checkExchangeConnection(ctx context.Context) Result {
	p := x.probes["exchange"]
	x.send(ctx, p, func(r *http.Request) { r.Header.Set("Authorization", "Bearer") })
	if p.err != nil {
		return x.explainConnection(ctx, p, "HMA_EWS_URL")
	}
	return ok(p.describe())
}

// stranger says what it means that something else answered.
func (x *examination) stranger(p *probe, what string) string {
	s := "what answered " + what
	switch {
	case p.status >= 300 && p.status < 400:
		s += ", but redirects to " + quote(host(p.header.Get("Location")))
	case p.status == http.StatusProxyAuthRequired:
		s += ", but a proxy that asks for credentials"
	}
	switch {
	case p.proxy != "" && microsoft(p):
		return s + ": the corporate proxy " + p.proxy + " answers in its place"
	case microsoft(p):
		return s + ": a corporate proxy, web filter or captive portal answers in its place"
	case p.proxy != "":
		return s + ": the corporate proxy " + p.proxy + " answers in its place, or the URL is another service's"
	}
	return s + ": the URL is another service's, or a corporate proxy or captive portal answers in its place"
}

// host returns a URL's host, which is all that is shown of it.
func host(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return "another path"
	}
	return u.Host
}

package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"hmaproxy/internal/lazyregexp"
	"hmaproxy/internal/printable"
)

var guid = lazyregexp.New(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// gatherEntraConnection requests the tenant's metadata from Entra ID.
func gatherEntraConnection(ctx context.Context, s *session, f *facts) {
	metadata := f.config.Authority.JoinPath(string(f.config.Tenant), "v2.0/.well-known/openid-configuration")
	f.network.entra = s.connect(ctx, target{url: metadata, variable: "HMA_AUTHORITY_HOST"}, nil)
}

const compareAuthority = "compare HMA_AUTHORITY_HOST with the cloud of your tenant: " + authorityList

func evaluateEntraConnection(f *facts) Result {
	c := f.network.entra
	switch status := c.response.status; {
	case c.err != nil:
		return evaluateFailure(f, c)
	case status >= 500 && status != http.StatusNetworkAuthenticationRequired, status == http.StatusTooManyRequests:
		return f.fail(c.describe(), "Entra ID has a passing problem, or something on the way responds in its place", "try again in some minutes; https://azure.status.microsoft shows known outages")
	case !json.Valid(c.response.body):
		return f.fail(c.describe(), otherResponder(c, "is not Entra ID"), passThrough(c, compareAuthority)...)
	}
	return ok(c.describe())
}

// tenantMetadata holds the fields of the tenant's metadata, or of an error
// response, that checks use.
type tenantMetadata struct {
	Issuer        string `json:"issuer"`
	TokenEndpoint string `json:"token_endpoint"`
	Codes         []int  `json:"error_codes"`
}

func readTenantMetadata(f *facts) (m tenantMetadata, found bool) {
	r := f.network.entra.response
	err := json.Unmarshal(r.body, &m)
	return m, err == nil && r.status == http.StatusOK
}

// tenantID returns the first part of the issuer's path in Entra ID's metadata,
// which is the tenant's GUID. It returns "" if there is no such part. Callers
// check that the result is a GUID.
func tenantID(f *facts) string {
	m, _ := readTenantMetadata(f)
	issuer, err := url.Parse(m.Issuer)
	if err != nil {
		return ""
	}
	id, _, _ := strings.Cut(strings.TrimPrefix(issuer.Path, "/"), "/")
	return id
}

// evaluateTenant evaluates the tenant's metadata.
func evaluateTenant(f *facts) Result {
	m, found := readTenantMetadata(f)
	if !found {
		return unknownTenant(f, m.Codes)
	}
	_, issuerErr := url.Parse(m.Issuer)
	endpoint, err := url.Parse(m.TokenEndpoint)
	switch {
	case issuerErr != nil || err != nil || endpoint.Host == "":
		return f.fail("the response names no issuer or token endpoint", otherResponder(f.network.entra, "is not Entra ID"), compareAuthority)
	case !strings.EqualFold(origin(endpoint), origin(f.config.Authority.URL)):
		return f.fail("its token endpoint is at "+quote(endpoint.Host), "the tenant belongs to another cloud than HMA_AUTHORITY_HOST",
			"set HMA_AUTHORITY_HOST=https://"+printable.Short(endpoint.Host, 120))
	}
	detail := string(f.config.Tenant) + " exists there"
	if id := tenantID(f); guid().MatchString(id) && !strings.EqualFold(id, string(f.config.Tenant)) {
		detail += " and is " + id
	}
	return ok(detail)
}

func unknownTenant(f *facts, codes []int) Result {
	detail := fmt.Sprintf("Entra ID returned %d for the tenant %s", f.network.entra.response.status, f.config.Tenant)
	if len(codes) > 0 {
		detail += fmt.Sprintf(" (AADSTS%d)", codes[0])
	}
	cause := "HMA_TENANT_ID is not a tenant of this cloud ({authority}): mistyped, the id of something else, or the tenant of another cloud"
	if id := challengedTenant(f.network.vault); guid().MatchString(id) && id != string(f.config.Tenant) {
		cause += "; Key Vault, for one, belongs to " + id
	}
	return f.fail(detail, cause,
		"az account show --query tenantId -o tsv     # or portal: Entra ID > Overview > Tenant ID",
		"in another cloud set HMA_AUTHORITY_HOST too: {authorities}")
}

// otherResponder returns the cause of a response that did not come from the
// service. The cause begins with "what responded", followed by the argument
// "what", for example "is not Entra ID".
func otherResponder(c connection, what string) string {
	s := "what responded " + what
	switch status := c.response.status; {
	case status >= 300 && status < 400:
		s += ", but redirects to " + quote(redirectHost(c.response.header.Get("Location")))
	case status == http.StatusProxyAuthRequired:
		s += ", but a proxy that asks for credentials"
	}
	proxy := "the corporate proxy " + c.route.proxy + " responds in its place"
	switch {
	case c.route.proxy != "" && microsoft(c.target.url):
		return s + ": " + proxy
	case microsoft(c.target.url):
		return s + ": a corporate proxy, web filter or captive portal responds in its place"
	case c.route.proxy != "":
		return s + ": " + proxy + ", or the URL is another service's"
	}
	return s + ": the URL is another service's, or a corporate proxy or captive portal responds in its place"
}

// passThrough returns the repair when another program responds instead of a
// service. For a host of Microsoft, the repair concerns the network path. For
// another host, it concerns the setting that holds the host.
func passThrough(c connection, compare string) []string {
	if !microsoft(c.target.url) {
		return []string{compare}
	}
	return []string{"have " + c.target.address() + " permitted on the proxy, firewall or web filter, without sign-in and without inspection",
		"curl -v " + c.target.url.Scheme + "://" + c.target.url.Host + "/     # shows who responds", compare}
}

// redirectHost returns the host in a Location header, or "another path" if the
// header has no host. Results show no other part of the header.
func redirectHost(location string) string {
	u, err := url.Parse(location)
	if err != nil || u.Host == "" {
		return "another path"
	}
	return u.Host
}

package doctor

import (
	"net/http"
	"slices"
	"strings"

	"hmaproxy/certsource"
	"hmaproxy/internal/lazyregexp"
	"hmaproxy/internal/printable"
)

// evaluateVaultSecret evaluates whether the vault returned the secret that
// belongs to the certificate. This secret contains the certificate and its key.
func evaluateVaultSecret(f *facts) Result {
	e := f.source.err
	v := failedSecret{facts: f, err: e}
	if e == nil || aboutContent(e) {
		r := ok("get secret: permitted")
		if text := v.publicText(); text != "" {
			r.Detail += "; get certificate: " + text
		}
		if v.publicForbidden() {
			r.Notes = []string{"the permission get on certificates is missing: hmaproxy works without it, Microsoft's guide asks for it"}
		}
		return r
	}
	n := f.names.with("{code}", printable.Short(e.Code, 80), "{remedy}", remedyOr(e.Remedy), "{version}", "", "{version-option}", "")
	if e.Version != "" {
		n = n.with("{version}", " ("+printable.Short(e.Version, 40)+")", "{version-option}", " --version "+printable.Short(e.Version, 40))
	}
	if e.Status == http.StatusForbidden && !versionProblem(e.Code) {
		detail := "get secret: " + statusText(e.Status, e.Code)
		if text := v.publicText(); text != "" {
			detail += "; get certificate: " + text
		}
		if ex, closed := explain(closedVault, vaultRefusal{e.Code, f.network.vault}); closed {
			return n.failed(detail, ex)
		}
		return n.failed(detail, must(explain(forbiddenSecrets, v)))
	}
	r := n.failed("get secret {cert}: "+statusText(e.Status, e.Code), must(explain(secretFailures, v)))
	r.Detail = n.expand(r.Detail)
	r.carryOn = e.Code == "SecretDisabled" && len(f.source.certs) > 0
	return r
}

// aboutContent reports whether an error concerns the content: a certificate was
// read but cannot be used.
func aboutContent(e *certsource.Error) bool {
	return e.Status == 0 && e.Host == "" && e.Code != codeUnknown
}

func versionProblem(code string) bool {
	return code == "SecretDisabled" || code == "SecretExpired" || code == "SecretNotYetValid"
}

// A failedSecret is the input of the rules about the vault's secret.
type failedSecret struct {
	facts *facts
	err   *certsource.Error
}

// publicText says whether Key Vault permits certificates/get, which returns the
// public certificate. It is "" if there is no response to that request.
func (v failedSecret) publicText() string {
	switch status := v.facts.source.public.status; status {
	case 0:
		return ""
	case http.StatusForbidden:
		return "refused"
	case http.StatusOK, http.StatusNotFound:
		return "permitted"
	default:
		return "returned " + strings.TrimPrefix(statusText(status, ""), "HTTP ")
	}
}

func (v failedSecret) publicForbidden() bool {
	return v.facts.source.public.status == http.StatusForbidden
}

// is(codes...) reports whether the code of the failure is one of codes.
func (v failedSecret) is(codes ...string) bool { return slices.Contains(codes, v.err.Code) }

// A vaultRefusal is a code with which the vault, or a device in its place,
// refuses a request.
type vaultRefusal struct {
	code  string
	vault connection
}

// closedVault explains refusals whose cause is not a permission: the vault's
// network rules, or a device that responds in place of the vault.
var closedVault = []rule[vaultRefusal]{
	{
		when:   func(v vaultRefusal) bool { return v.code == "" && microsoft(v.vault.target.url) },
		detail: "{detail}" + withoutReason,
		cause:  deviceForVault,
		repair: []string{"have {vault-host}:443 permitted on the proxy, firewall or web filter, without sign-in and without inspection", "curl -v https://{vault-host}/     # shows who responds", "{vault-uri-check}"},
	},
	{
		when:   func(v vaultRefusal) bool { return v.code == "" },
		detail: "{detail}" + withoutReason,
		cause:  deviceForVault,
		repair: []string{"{vault-uri-check}"},
	},
	{
		when:  func(v vaultRefusal) bool { return v.code == "ForbiddenByConnection" },
		cause: "the vault's firewall takes no connection from public networks, and this machine does not come through a private endpoint; permissions were not checked",
		repair: []string{"nslookup {vault-host}     # behind a private endpoint it must resolve to a private address here",
			"or az keyvault update -n {vault} --public-network-access Enabled, and az keyvault network-rule add -n {vault} --ip-address ADDRESS"},
	},
	{
		when:  func(v vaultRefusal) bool { return v.code == "ForbiddenByFirewall" },
		cause: "the vault's firewall does not let this machine's address in; permissions were not checked",
		repair: []string{"az keyvault network-rule add -n {vault} --ip-address ADDRESS     # this machine's public one, or that of the corporate proxy",
			"or use a private endpoint, and HMA_KEY_VAULT_URI as it is"},
	},
}

const (
	withoutReason  = " without a reason, as Key Vault always gives one"
	deviceForVault = "something on the way responds in Key Vault's place: a proxy, web filter or firewall forbids requests with a token"
)

// forbiddenSecrets explain the vault's refusals of a permission.
var forbiddenSecrets = []rule[failedSecret]{
	{
		when:  func(v failedSecret) bool { return v.is("ForbiddenByRbac") && v.publicForbidden() },
		cause: "{identity} lacks the permissions get on secrets and get on certificates: the vault works with role assignments (RBAC), and Key Vault Secrets User is not assigned",
		repair: []string{`az role assignment create --assignee {kv-app} --role "Key Vault Secrets User" --scope {vault-scope}`,
			`az role assignment create --assignee {kv-app} --role "Key Vault Certificate User" --scope {vault-scope}`, newAssignment},
	},
	{
		when:   func(v failedSecret) bool { return v.is("ForbiddenByRbac") },
		cause:  "{identity} lacks the permission get on secrets: the vault works with role assignments (RBAC), and Key Vault Secrets User is not assigned",
		repair: []string{`az role assignment create --assignee {kv-app} --role "Key Vault Secrets User" --scope {vault-scope}`, newAssignment},
	},
	{
		when:   func(v failedSecret) bool { return !v.is("ForbiddenByPolicy", "AccessDenied", "Forbidden") },
		cause:  "the vault forbids it for a reason that is not known here: {code}",
		repair: []string{"portal: Key vaults > {vault} > Access control (IAM), Access policies, Networking", "az keyvault show -n {vault} --query properties"},
	},
	{
		when:   failedSecret.publicForbidden,
		cause:  "{identity} lacks the permissions get on secrets and get on certificates in the vault's access policy",
		repair: setPolicy,
	},
	{
		cause:  "{identity} lacks the permission get on secrets in the vault's access policy",
		repair: setPolicy,
	},
}

const newAssignment = "a new assignment takes up to ten minutes to count"

var setPolicy = []string{
	"az keyvault set-policy -n {vault} --spn {kv-app} --secret-permissions get --certificate-permissions get",
	"portal: Key vaults > {vault} > Access policies > Create",
}

var thumbprint = lazyregexp.New(`^([0-9A-Fa-f]{40}|[0-9A-Fa-f]{64})$`)

// secretFailures explain why the vault did not return the secret, for reasons
// other than a refused permission.
var secretFailures = []rule[failedSecret]{
	{
		when: func(v failedSecret) bool {
			return strings.HasSuffix(v.err.Code, "NotFound") && thumbprint().MatchString(string(v.facts.config.VaultCertName))
		},
		cause:  "HMA_KEY_VAULT_CERT_NAME is a thumbprint, and the certificate's name in the vault is needed",
		repair: []string{`az keyvault certificate list --vault-name {vault} --query "[].[name,x509ThumbprintHex]" -o tsv     # shows name and thumbprint`},
	},
	{
		when:  func(v failedSecret) bool { return strings.HasSuffix(v.err.Code, "NotFound") },
		cause: "the vault has no certificate “{cert}”: HMA_KEY_VAULT_CERT_NAME is mistyped, it is in another vault, or it was deleted",
		repair: []string{`az keyvault certificate list --vault-name {vault} --query "[].name" -o tsv`,
			"az keyvault certificate list-deleted --vault-name {vault} -o table     # then: az keyvault certificate recover"},
	},
	{
		when:   func(v failedSecret) bool { return v.is("SecretDisabled") },
		cause:  "the newest version of the certificate is disabled{version}",
		repair: []string{"az keyvault certificate set-attributes --vault-name {vault} -n {cert}{version-option} --enabled true"},
	},
	{
		when:   func(v failedSecret) bool { return versionProblem(v.err.Code) },
		cause:  "the activation or expiry date of the newest version forbids its use",
		repair: []string{"az keyvault secret show --vault-name {vault} -n {cert} --query attributes"},
	},
	{
		when:   func(v failedSecret) bool { return v.err.Status == http.StatusUnauthorized },
		cause:  "the vault does not accept the sign-in: the application belongs to another tenant or cloud than the vault",
		repair: []string{"compare HMA_KEY_VAULT_TENANT_ID and HMA_AUTHORITY_HOST with the vault's"},
	},
	{
		when:   func(v failedSecret) bool { return v.err.Status >= 500 || v.err.Status == http.StatusTooManyRequests },
		cause:  "Key Vault has a passing problem, or limits the rate of requests",
		repair: []string{"try again in some minutes"},
	},
	{
		when:   func(v failedSecret) bool { return v.is(certsource.CodeTimeout, certsource.CodeUnreachable) },
		cause:  "the vault responded to a request without a token, and not to this one: it hangs, or a device on the way drops requests with a token",
		repair: []string{"try again in some minutes; look for a proxy that inspects TLS"},
	},
	{
		when:   func(v failedSecret) bool { return v.is(certsource.CodeNotKeyVault) },
		cause:  "what responded does not behave as a Key Vault",
		repair: []string{"{vault-uri-check}"},
	},
	{
		cause:  "Key Vault could not be asked",
		repair: []string{"{remedy}"},
	},
}

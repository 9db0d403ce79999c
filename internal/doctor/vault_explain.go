package doctor

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"hmaproxy/certsource"
)

func statusText(status int, code string) string {
	if status == 0 {
		return code
	}
	return strings.TrimSpace(fmt.Sprintf("HTTP %d %s", status, code))
}

// checkVaultSecret judges whether the vault hands out the secret behind the
// certificate, which holds certificate and key.
func (x *examination) checkVaultSecret(context.Context) Result {
	e := x.problem()
	public, publicForbidden := x.permitted()
	switch {
	case e == nil, aboutContent(e):
		r := ok("get secret: permitted")
		if public != "" {
			r.Detail += "; get certificate: " + public
		}
		if publicForbidden {
			r.Notes = []string{"the permission get on certificates is missing: hmaproxy works without it, Microsoft's guide asks for it"}
		}
		return r
	case e.Status == http.StatusForbidden && !versionProblem(e.Code):
		return x.explainForbidden(e, public, publicForbidden)
	}
	return x.explainVault(e)
}

// aboutContent tells an unusable certificate from one that could not be had.
func aboutContent(e *certsource.Error) bool {
	return e.Status == 0 && e.Host == "" && e.Code != "Unknown"
}

func versionProblem(code string) bool {
	return code == "SecretDisabled" || code == "SecretExpired" || code == "SecretNotYetValid"
}

// explainForbidden tells the vault's ways to say no apart.
func (x *examination) explainForbidden(e *certsource.Error, public string, both bool) Result {
	detail := "get secret: " + statusText(e.Status, e.Code)
	if public != "" {
		detail += "; get certificate: " + public
	}
	vault, app := x.vaultName(), x.principal()
	missing := "the permission get on secrets"
	if both {
		missing = "the permissions get on secrets and get on certificates"
	}
	if r, closed := x.closedVault(e.Code, detail); closed {
		return r
	}
	if e.Code == "ForbiddenByRbac" {
		roles := []string{"az role assignment create --assignee " + app + " --role \"Key Vault Secrets User\" --scope $(az keyvault show -n " + vault + " --query id -o tsv)"}
		if both {
			roles = append(roles, "az role assignment create --assignee "+app+" --role \"Key Vault Certificate User\" --scope $(az keyvault show -n "+vault+" --query id -o tsv)")
		}
		return failed(detail, x.identity()+" lacks "+missing+": the vault works with role assignments (RBAC), and Key Vault Secrets User is not assigned",
			append(roles, "a new assignment takes up to ten minutes to count")...)
	}
	if e.Code != "ForbiddenByPolicy" && e.Code != "AccessDenied" && e.Code != "Forbidden" {
		return failed(detail, "the vault forbids it for a reason that is not known here: "+printable(e.Code, 80), "portal: Key vaults > "+vault+" > Access control (IAM), Access policies, Networking", "az keyvault show -n "+vault+" --query properties")
	}
	policy := "az keyvault set-policy -n " + vault + " --spn " + app + " --secret-permissions get --certificate-permissions get"
	return failed(detail, x.identity()+" lacks "+missing+" in the vault's access policy", policy,
		"portal: Key vaults > "+vault+" > Access policies > Create")
}

// closedVault is about refusals that have nothing to do with permissions: the
// vault's network rules, or a device that answers instead.
func (x *examination) closedVault(code, detail string) (Result, bool) {
	vault := x.vaultName()
	switch code {
	case "":
		return failed(detail+" without a reason, as Key Vault always gives one", "something on the way answers in Key Vault's place: a proxy, web filter or firewall forbids requests with a token",
			passThrough(x.probes["vault"], "compare HMA_KEY_VAULT_URI with the portal: Key vaults > "+vault+" > Overview > Vault URI")...), true
	case "ForbiddenByConnection":
		return failed(detail, "the vault's firewall takes no connection from public networks, and this machine does not come through a private endpoint; permissions were not even looked at",
			"nslookup "+x.config.VaultURI.Hostname()+"     # behind a private endpoint it must resolve to a private address here",
			"or az keyvault update -n "+vault+" --public-network-access Enabled, and az keyvault network-rule add -n "+vault+" --ip-address ADDRESS"), true
	case "ForbiddenByFirewall":
		return failed(detail, "the vault's firewall does not let this machine's address in; permissions were not even looked at",
			"az keyvault network-rule add -n "+vault+" --ip-address ADDRESS     # this machine's public one, or that of the corporate proxy",
			"or use a private endpoint, and HMA_KEY_VAULT_URI as it is"), true
	}
	return Result{}, false
}

// principal names KV-App for az.
func (x *examination) principal() string {
	if x.config.VaultApp != "" {
		return string(x.config.VaultApp)
	}
	return "CLIENT-ID-OF-THE-IDENTITY"
}

var thumbprint = regexp.MustCompile(`^([0-9A-Fa-f]{40}|[0-9A-Fa-f]{64})$`)

// explainVault is about other answers of the vault.
func (x *examination) explainVault(e *certsource.Error) Result {
	name, vault := string(x.config.VaultCertName), x.vaultName()
	detail := "get secret " + name + ": " + statusText(e.Status, e.Code)
	switch {
	case strings.HasSuffix(e.Code, "NotFound") && thumbprint.MatchString(name):
		return failed(detail, "HMA_KEY_VAULT_CERT_NAME is a thumbprint, and the certificate's name in the vault is needed",
			"az keyvault certificate list --vault-name "+vault+" --query \"[].[name,x509ThumbprintHex]\" -o tsv     # the name stands beside the thumbprint")
	case strings.HasSuffix(e.Code, "NotFound"):
		return failed(detail, "the vault has no certificate "+quote(name)+": HMA_KEY_VAULT_CERT_NAME is mistyped, it is in another vault, or it was deleted",
			"az keyvault certificate list --vault-name "+vault+" --query \"[].name\" -o tsv",
			"az keyvault certificate list-deleted --vault-name "+vault+" -o table     # then: az keyvault certificate recover")
	case e.Code == "SecretDisabled":
		r := failed(detail, "the newest version of the certificate is disabled"+x.versionText(e),
			"az keyvault certificate set-attributes --vault-name "+vault+" -n "+name+x.versionOption(e)+" --enabled true")
		r.carryOn = len(x.certs) > 0
		return r
	case versionProblem(e.Code):
		return failed(detail, "the activation or expiry date of the newest version forbids its use",
			"az keyvault secret show --vault-name "+vault+" -n "+name+" --query attributes")
	case e.Status == http.StatusUnauthorized:
		return failed(detail, "the vault does not accept the sign-in: the application belongs to another tenant or cloud than the vault", "compare HMA_KEY_VAULT_TENANT_ID and HMA_AUTHORITY_HOST with the vault's")
	case e.Status >= 500 || e.Status == http.StatusTooManyRequests:
		return failed(detail, "Key Vault has a passing problem, or limits the rate of requests", "try again in some minutes")
	case e.Code == certsource.CodeTimeout, e.Code == certsource.CodeUnreachable:
		return failed(detail, "the vault answered a question without a token, and not this one: it hangs, or a device on the way drops requests with a token", "try again in some minutes; look for a proxy that inspects TLS")
	case e.Code == certsource.CodeNotKeyVault:
		return failed(detail, "what answered does not behave as a Key Vault", "compare HMA_KEY_VAULT_URI with the portal: Key vaults > "+vault+" > Overview > Vault URI")
	}
	return failed(detail, "Key Vault could not be asked", orTry(e.Remedy))
}

func orTry(remedy string) string {
	if remedy == "" {
		return "try again; look at the Azure status page"
	}
	return remedy
}

func (x *examination) versionText(e *certsource.Error) string {
	if e.Version == "" {
		return ""
	}
	return " (" + printable(e.Version, 40) + ")"
}

func (x *examination) versionOption(e *certsource.Error) string {
	if e.Version == "" {
		return ""
	}
	return " --version " + printable(e.Version, 40)
}

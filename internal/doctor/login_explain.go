package doctor

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"hmaproxy/certsource"
	"hmaproxy/internal/config"
	"hmaproxy/token"
)

// vaultService is the application that Key Vault is in every tenant.
const vaultService = "cfa8b339-82a2-471a-a3c9-0fc0be7a4093"

// explainLogin is about KV-App, or another identity, that may not sign in.
func (x *examination) explainLogin(ctx context.Context, e *certsource.Error) Result {
	detail := "the sign-in of " + x.identity() + x.vaultTenant() + " failed: " + statusText(e.Status, e.Code)
	if e.Host != "" && e.Status == 0 {
		detail = "the sign-in of " + x.identity() + " got no answer from " + printable(e.Host, 120) + ": " + e.Code
	}
	if x.config.VaultAuth == config.AuthManaged && (e.Status == http.StatusBadRequest || e.Status == http.StatusNotFound) {
		return failed(detail, "this machine has no managed identity, or not the one in HMA_KEY_VAULT_APP_ID", noIdentity(config.AuthManaged), "az vm identity show -g GROUP -n MACHINE     # which has it?")
	}
	id := string(x.config.VaultApp)
	switch e.Code {
	case "AADSTS7000215":
		return x.wrongSecret(ctx, detail)
	case "AADSTS7000222":
		return failed(detail, "the client secret of KV-App has expired", x.newSecret())
	case "AADSTS700016", "AADSTS7000229":
		return failed(detail, "HMA_KEY_VAULT_APP_ID is not an application of the vault's tenant: mistyped (an object id, perhaps), or registered in another tenant",
			"az ad app list --display-name KV-App --query \"[].appId\" -o tsv", "az ad sp create --id "+id+"     # when it is registered and has no service principal")
	case "AADSTS500011", "AADSTS500014":
		return failed(detail, "the tenant that "+x.identity()+" signs in to does not know Azure Key Vault: it is another one than the vault's, or never had an Azure subscription",
			"az ad sp create --id "+vaultService+"     # Azure Key Vault itself", "compare HMA_KEY_VAULT_TENANT_ID with the portal: Key vaults > "+x.vaultName()+" > Overview > Directory ID")
	case certsource.CodeNoCredential:
		cause := "there is no such identity here (HMA_KEY_VAULT_AUTH=" + string(x.config.VaultAuth) + ")"
		if x.config.VaultAuth == config.AuthSecret {
			cause = "what answered the sign-in is not the Entra ID of this tenant: another cloud's, or a device on the way"
		}
		return failed(detail, cause, noIdentity(x.config.VaultAuth))
	case certsource.CodeTimeout, certsource.CodeUnreachable, certsource.CodeUnknownHost, certsource.CodeUntrusted:
		return failed(detail, "Entra ID answered another question before, and not the sign-in: it is busy, or a device on the way drops or alters what is sent (POST)",
			"try again; look for a proxy or firewall that inspects TLS and have it pass "+printable(e.Host, 120)+" through", orTry(e.Remedy))
	}
	return x.explainCode(detail, e)
}

func (x *examination) newSecret() string {
	return "az ad app credential reset --id " + string(x.config.VaultApp) + " --append --display-name hmaproxy --query password -o tsv     # prints the new secret's value"
}

// wrongSecret says what the secret may be instead of KV-App's.
func (x *examination) wrongSecret(ctx context.Context, detail string) Result {
	secret := x.config.VaultSecret.Reveal()
	switch {
	case guid.MatchString(secret):
		return failed(detail, "HMA_KEY_VAULT_CLIENT_SECRET holds the secret's ID; its Value is needed, which the portal shows only once", x.newSecret())
	case strings.HasPrefix(secret, "@Microsoft.KeyVault("):
		return failed(detail, "HMA_KEY_VAULT_CLIENT_SECRET holds a reference to a secret, which App Service alone resolves, and that only where its identity may read the vault",
			"set HMA_KEY_VAULT_CLIENT_SECRET to the value itself, or on App Service use its identity: HMA_KEY_VAULT_AUTH=managed", x.newSecret())
	case encoded(secret):
		return failed(detail, "HMA_KEY_VAULT_CLIENT_SECRET holds the secret in base64, as a Secret of Kubernetes shows it",
			"set it to the value decoded; in a manifest write stringData, or data with the value encoded once", x.newSecret())
	case altered(secret):
		return failed(detail, "the client secret is wrong: HMA_KEY_VAULT_CLIENT_SECRET holds quotes, %, a backslash, white space or another character that no secret of Entra ID has, so that it was altered on its way into the setting",
			"write the value as the portal showed it, without quotes and unescaped: HMA_KEY_VAULT_CLIENT_SECRET=value", x.newSecret())
	case x.config.VaultApp == x.config.App:
		return failed(detail, "HMA_KEY_VAULT_APP_ID and HMA_APP_ID are the same application, and the client secret is not its: HMA_APP_ID was copied into both settings",
			"portal: App registrations > KV-App > Overview > Application (client) ID; set HMA_KEY_VAULT_APP_ID to it", x.newSecret())
	case x.secretFits(ctx, string(x.config.App)):
		return failed(detail+"; the same secret is right for "+string(x.config.App)+" (HMA_APP_ID)", "the two applications are interchanged: the client secret is that of the application in HMA_APP_ID, or the two ids are in each other's place",
			"set HMA_APP_ID="+string(x.config.VaultApp)+" and HMA_KEY_VAULT_APP_ID="+string(x.config.App), "or, when the ids are right, make a secret for KV-App: "+x.newSecret())
	}
	return failed(detail, "the client secret is wrong: another application's, cut off (a double click ends at ~), or its Secret ID instead of its Value", x.newSecret())
}

// encoded reports whether a secret is the base64 of what has the form of one:
// text with the ~ that every secret of Entra ID holds.
func encoded(secret string) bool {
	inner, err := base64.StdEncoding.DecodeString(secret)
	plain := !bytes.ContainsFunc(inner, func(r rune) bool { return r <= ' ' || r > '~' })
	return err == nil && plain && bytes.ContainsRune(inner, '~')
}

// altered reports whether a secret holds what none of Entra ID's does, invisible
// characters among it.
func altered(secret string) bool {
	return strings.ContainsFunc(secret, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("\"'`%\\,;", r) }) || strings.HasPrefix(secret, "$")
}

// secretFits reports whether Entra ID takes the client secret for another
// application: it is asked for a token that nobody uses.
func (x *examination) secretFits(ctx context.Context, app string) bool {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	tenant := bearerTenant(x.probes["vault"])
	if tenant == "" {
		tenant = string(x.config.VaultTenant)
	}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {app}, "client_secret": {x.config.VaultSecret.Reveal()}, "scope": {vaultScope(x.probes["vault"])}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, x.config.Authority.JoinPath(tenant, "oauth2/v2.0/token").String(), strings.NewReader(form.Encode()))
	if err != nil {
		return false
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := x.control.client.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer))
	return err == nil && resp.StatusCode == http.StatusOK
}

// vaultScope is what the vault's challenge names.
func vaultScope(p *probe) string {
	if resource := bearerChallenge(p.header)["resource"]; resource != "" {
		return strings.TrimSuffix(resource, "/") + "/.default"
	}
	return "https://vault.azure.net/.default"
}

func noIdentity(auth config.VaultAuth) string {
	switch auth {
	case config.AuthWorkload:
		return "label the pod azure.workload.identity/use=true, and annotate its service account with azure.workload.identity/client-id"
	case config.AuthManaged:
		return "az vm identity assign -g GROUP -n MACHINE     # and reach 169.254.169.254 without a proxy"
	case config.AuthDefault:
		return "az login"
	}
	return "compare HMA_KEY_VAULT_APP_ID, HMA_KEY_VAULT_TENANT_ID and HMA_AUTHORITY_HOST"
}

const (
	inItsPlace = "something on the way answers in Entra ID's place: Entra ID names an AADSTS code with every refusal"
	signInLogs = "portal: Entra ID > Sign-in logs > Service principal sign-ins names the reason"
)

// explainCode uses what is known of a code in general. Permissions for mail are
// never what KV-App lacks.
func (x *examination) explainCode(detail string, e *certsource.Error) Result {
	code, _ := strconv.Atoi(strings.TrimPrefix(e.Code, "AADSTS"))
	meaning, remedy, known := token.Explain(code)
	switch {
	case aboutFederation[code]:
		return failed(detail, "no federated credential of "+x.identity()+" matches this pod's service account: issuer, subject or audience differ",
			"az ad app federated-credential list --id "+x.principal()+"     # subject: system:serviceaccount:NAMESPACE:NAME, audience: api://AzureADTokenExchange", signInLogs)
	case aboutPermissions[code]:
		return failed(detail, "Entra ID lets "+x.identity()+" have no token for Key Vault: the application demands an assignment or a consent that is missing", signInLogs,
			"az ad sp show --id "+vaultService+" --query appRoleAssignmentRequired     # must be false")
	case known:
		return failed(detail, "of KV-App: "+meaning, repairs(commandsFor(code, string(x.config.VaultApp), x), remedy)...)
	case e.Status >= 500 || e.Status == http.StatusTooManyRequests:
		return failed(detail, "the service has a passing problem", "try again in some minutes")
	case e.Code == "" && e.Status >= 300:
		return failed(detail, inItsPlace, passThrough(x.probes["entra"], "look for a proxy or web filter that forbids POST, or inspects TLS")...)
	case code != 0:
		return failed(detail, "Entra ID does not let this identity in, for a reason that is not known here", signInLogs, lookUp(code), orTry(e.Remedy))
	case e.Remedy != "":
		return failed(detail, "Entra ID does not let this identity in", e.Remedy)
	}
	return failed(detail, "Entra ID does not let this identity in", noIdentity(x.config.VaultAuth))
}

// aboutPermissions are the codes that commandsFor repairs with full_access_as_app.
var aboutPermissions = map[int]bool{650057: true, 65005: true, 650056: true, 501051: true, 65001: true}

var aboutFederation = map[int]bool{70021: true, 700211: true, 700212: true, 700213: true}

func lookUp(code int) string {
	return "look up " + strconv.Itoa(code) + " at https://login.microsoftonline.com/error"
}

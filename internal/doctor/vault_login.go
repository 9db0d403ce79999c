package doctor

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"

	"hmaproxy/certsource"
	"hmaproxy/internal/config"
	"hmaproxy/internal/printable"
	"hmaproxy/token"
)

// vaultService is the application id of Key Vault in every tenant.
const vaultService = "cfa8b339-82a2-471a-a3c9-0fc0be7a4093"

// evaluateVaultLogin evaluates whether hmaproxy could sign in to the vault.
func evaluateVaultLogin(f *facts) Result {
	e := f.source.err
	switch {
	case e == nil, e.Op != "log in" && e.Op != "read client secret" && (e.Host == "" || e.Host == f.config.VaultURI.Host):
		return ok(identity(f.config) + " signed in" + toTenant(f))
	case e.Op == "read client secret":
		return f.fail("the client secret could not be read ("+e.Code+")", "the file of HMA_KEY_VAULT_CLIENT_SECRET_FILE is missing, empty or not readable for this user",
			"ls -l the file; it must hold the secret's value alone")
	}
	l := failedLogin{facts: f, err: e}
	l.code, _ = strconv.Atoi(strings.TrimPrefix(e.Code, "AADSTS"))
	return l.evaluate()
}

// toTenant returns text that names the vault's tenant, to which the application
// signs in, or "" if the tenant is not known.
func toTenant(f *facts) string {
	if id := challengedTenant(f.network.vault); id != "" {
		return " to the vault's tenant " + printable.Short(id, 80)
	}
	return ""
}

// A failedLogin is the input of the rules about the sign-in to the vault.
type failedLogin struct {
	facts *facts
	err   *certsource.Error
	code  int // AADSTS code; 0 without a code
}

func (l failedLogin) evaluate() Result {
	f, e := l.facts, l.err
	detail := "the sign-in of {identity}" + toTenant(f) + " failed: " + statusText(e.Status, e.Code)
	if e.Host != "" && e.Status == 0 {
		detail = "the sign-in of {identity} got no response from " + printable.Short(e.Host, 120) + ": " + e.Code
	}
	meaning, remedy, known := token.Explain(l.code)
	n := f.names.with(
		"{no-identity}", noIdentity[f.config.VaultAuth],
		"{auth}", string(f.config.VaultAuth),
		"{code}", strconv.Itoa(l.code),
		"{meaning}", meaning,
		"{login-host}", printable.Short(e.Host, 120),
		"{login-remedy}", e.Remedy,
		"{remedy}", remedyOr(e.Remedy),
	)
	detail = n.expand(detail)
	if ex, is := explain(loginFailures, l); is {
		return n.failed(detail, ex)
	}
	if known {
		return n.failed(detail, explanation{cause: "of KV-App: {meaning}", repair: codeRepairs(l.code, remedy, "{kv-app}")})
	}
	return n.failed(detail, must(explain(unknownLoginFailures, l)))
}

// is(codes...) reports whether the code of the failure is one of codes.
func (l failedLogin) is(codes ...string) bool {
	for _, code := range codes {
		if l.err.Code == code {
			return true
		}
	}
	return false
}

// secret returns the client secret.
func (l failedLogin) secret() string { return l.facts.config.VaultSecret.Reveal() }

// loginFailures explain why the vault's application, or another identity, could
// not sign in.
var loginFailures = []rule[failedLogin]{
	{
		when: func(l failedLogin) bool {
			return l.facts.config.VaultAuth == config.AuthManaged && (l.err.Status == http.StatusBadRequest || l.err.Status == http.StatusNotFound)
		},
		cause:  "this machine has no managed identity, or not the one in HMA_KEY_VAULT_APP_ID",
		repair: []string{"{no-identity}", "az vm identity show -g GROUP -n MACHINE     # which has it?"},
	},
	{
		when:   func(l failedLogin) bool { return l.is("AADSTS7000215") && guid().MatchString(l.secret()) },
		cause:  "HMA_KEY_VAULT_CLIENT_SECRET holds the secret's ID; its Value is needed, which the portal shows only once",
		repair: []string{"{new-secret}"},
	},
	{
		when:   func(l failedLogin) bool { return l.is("AADSTS7000215") && vaultReference(l.secret()) },
		cause:  "HMA_KEY_VAULT_CLIENT_SECRET holds a reference to a secret, which App Service alone resolves, and that only where its identity may read the vault",
		repair: []string{"set HMA_KEY_VAULT_CLIENT_SECRET to the value itself, or on App Service use its identity: HMA_KEY_VAULT_AUTH=managed", "{new-secret}"},
	},
	{
		when:   func(l failedLogin) bool { return l.is("AADSTS7000215") && encoded(l.secret()) },
		cause:  "HMA_KEY_VAULT_CLIENT_SECRET holds the secret in base64, as a Secret of Kubernetes shows it",
		repair: []string{"set it to the value decoded; in a manifest write stringData, or data with the value encoded once", "{new-secret}"},
	},
	{
		when:   func(l failedLogin) bool { return l.is("AADSTS7000215") && altered(l.secret()) },
		cause:  "the client secret is wrong: HMA_KEY_VAULT_CLIENT_SECRET holds quotes, %, a backslash, white space or another character that no secret of Entra ID has, so that it was altered on its way into the setting",
		repair: []string{"write the value as the portal showed it, without quotes and unescaped: HMA_KEY_VAULT_CLIENT_SECRET=value", "{new-secret}"},
	},
	{
		when:   func(l failedLogin) bool { return l.is("AADSTS7000215") && oneApplication(l.facts.config) },
		cause:  "HMA_KEY_VAULT_APP_ID and HMA_APP_ID are the same application, and the client secret belongs to another one: HMA_APP_ID was copied into both settings",
		repair: []string{"portal: App registrations > KV-App > Overview > Application (client) ID; set HMA_KEY_VAULT_APP_ID to it", "{new-secret}"},
	},
	{
		when:   func(l failedLogin) bool { return l.is("AADSTS7000215") && l.facts.source.secretFitsOther },
		detail: "{detail}; the same secret is right for {hma-app} (HMA_APP_ID)",
		cause:  "the two applications are interchanged: the client secret is that of the application in HMA_APP_ID, or the two ids are in each other's place",
		repair: []string{"set HMA_APP_ID={kv-app} and HMA_KEY_VAULT_APP_ID={hma-app}", "or, when the ids are right, make a secret for KV-App: {new-secret}"},
	},
	{
		when:   func(l failedLogin) bool { return l.is("AADSTS7000215") },
		cause:  "the client secret is wrong: another application's, cut off (a double click ends at ~), or its Secret ID instead of its Value",
		repair: []string{"{new-secret}"},
	},
	{
		when:   func(l failedLogin) bool { return l.is("AADSTS7000222") },
		cause:  "the client secret of KV-App has expired",
		repair: []string{"{new-secret}"},
	},
	{
		when:   func(l failedLogin) bool { return l.is("AADSTS700016", "AADSTS7000229") },
		cause:  "HMA_KEY_VAULT_APP_ID is not an application of the vault's tenant: mistyped (an object id, perhaps), or registered in another tenant",
		repair: []string{`az ad app list --display-name KV-App --query "[].appId" -o tsv`, "az ad sp create --id {kv-app}     # when it is registered and has no service principal"},
	},
	{
		when:   func(l failedLogin) bool { return l.is("AADSTS500011", "AADSTS500014") },
		cause:  "the tenant that {identity} signs in to does not know Azure Key Vault: it is another one than the vault's, or never had an Azure subscription",
		repair: []string{"az ad sp create --id " + vaultService + "     # Azure Key Vault itself", "compare HMA_KEY_VAULT_TENANT_ID with the portal: Key vaults > {vault} > Overview > Directory ID"},
	},
	{
		when: func(l failedLogin) bool {
			return l.is(certsource.CodeNoCredential) && l.facts.config.VaultAuth == config.AuthSecret
		},
		cause:  "what responded to the sign-in is not the Entra ID of this tenant: another cloud's, or a device on the way",
		repair: []string{"{no-identity}"},
	},
	{
		when:   func(l failedLogin) bool { return l.is(certsource.CodeNoCredential) },
		cause:  "there is no such identity here (HMA_KEY_VAULT_AUTH={auth})",
		repair: []string{"{no-identity}"},
	},
	{
		when: func(l failedLogin) bool {
			return l.is(certsource.CodeTimeout, certsource.CodeUnreachable, certsource.CodeUnknownHost, certsource.CodeUntrusted)
		},
		cause:  "Entra ID responded to another request before, and not to the sign-in: it is busy, or a device on the way drops or alters what is sent (POST)",
		repair: []string{"try again; look for a proxy or firewall that inspects TLS and have it pass {login-host} through", "{remedy}"},
	},
	{
		when:   func(l failedLogin) bool { return federationCodes[l.code] },
		cause:  "no federated credential of {identity} matches this pod's service account: issuer, subject or audience differ",
		repair: []string{"az ad app federated-credential list --id {kv-app}     # subject: system:serviceaccount:NAMESPACE:NAME, audience: api://AzureADTokenExchange", "{sign-in-logs}"},
	},
	{
		when:   func(l failedLogin) bool { return permissionCodes[l.code] },
		cause:  "Entra ID gives {identity} no token for Key Vault: the application demands an assignment or a consent that is missing",
		repair: []string{"{sign-in-logs}", "az ad sp show --id " + vaultService + " --query appRoleAssignmentRequired     # must be false"},
	},
}

// unknownLoginFailures explain failures without an AADSTS code, or with an
// unknown code.
var unknownLoginFailures = []rule[failedLogin]{
	{
		when:   func(l failedLogin) bool { return l.err.Status >= 500 || l.err.Status == http.StatusTooManyRequests },
		cause:  "the service has a passing problem",
		repair: []string{"try again in some minutes"},
	},
	{
		when: func(l failedLogin) bool {
			return l.err.Code == "" && l.err.Status >= 300 && microsoft(l.facts.network.entra.target.url)
		},
		cause:  notFromEntra,
		repair: []string{"have {authority}:443 permitted on the proxy, firewall or web filter, without sign-in and without inspection", "curl -v https://{authority}/     # shows who responds", forbidsPOST},
	},
	{
		when:   func(l failedLogin) bool { return l.err.Code == "" && l.err.Status >= 300 },
		cause:  notFromEntra,
		repair: []string{forbidsPOST},
	},
	{
		when:   func(l failedLogin) bool { return l.code != 0 },
		cause:  "Entra ID does not let this identity in, for a reason that is not known here",
		repair: []string{"{sign-in-logs}", "look up {code} at https://login.microsoftonline.com/error", "{remedy}"},
	},
	{
		when:   func(l failedLogin) bool { return l.err.Remedy != "" },
		cause:  "Entra ID does not let this identity in",
		repair: []string{"{login-remedy}"},
	},
	{
		cause:  "Entra ID does not let this identity in",
		repair: []string{"{no-identity}"},
	},
}

const (
	notFromEntra = "something on the way responds in Entra ID's place: Entra ID names an AADSTS code with every refusal"
	forbidsPOST  = "look for a proxy or web filter that forbids POST, or inspects TLS"
)

// permissionCodes are the codes about a missing permission or consent. For
// these codes aadstsRepairs suggests full_access_as_app. That permission is
// wrong here, because the application that reads the vault never needs it.
var permissionCodes = map[int]bool{650057: true, 65005: true, 650056: true, 501051: true, 65001: true}

// federationCodes are the codes that concern the federated credentials of
// workload identity.
var federationCodes = map[int]bool{70021: true, 700211: true, 700212: true, 700213: true}

// noIdentity holds the repairs for a missing identity. The keys are the ways to sign
// in to the vault.
var noIdentity = map[config.VaultAuth]string{
	config.AuthWorkload: "label the pod azure.workload.identity/use=true, and annotate its service account with azure.workload.identity/client-id",
	config.AuthManaged:  "az vm identity assign -g GROUP -n MACHINE     # and reach 169.254.169.254 without a proxy",
	config.AuthDefault:  "az login",
	config.AuthSecret:   "compare HMA_KEY_VAULT_APP_ID, HMA_KEY_VAULT_TENANT_ID and HMA_AUTHORITY_HOST",
}

func oneApplication(c *config.Config) bool { return c.FromVault() && c.VaultApp == c.App }

// secretMistake reports whether the form of the client secret, or the
// application ids, explain why the secret is refused.
func secretMistake(f *facts) bool {
	secret := f.config.VaultSecret.Reveal()
	return guid().MatchString(secret) || vaultReference(secret) || encoded(secret) || altered(secret) || oneApplication(f.config)
}

// vaultReference reports whether a secret is a reference of App Service to a
// Key Vault secret.
func vaultReference(secret string) bool { return strings.HasPrefix(secret, "@Microsoft.KeyVault(") }

// encoded reports whether a secret is the base64 encoding of a client secret.
// Every client secret of Entra ID holds a "~".
func encoded(secret string) bool {
	inner, err := base64.StdEncoding.DecodeString(secret)
	plain := !bytes.ContainsFunc(inner, func(r rune) bool { return r <= ' ' || r > '~' })
	return err == nil && plain && bytes.ContainsRune(inner, '~')
}

// altered reports whether a secret holds a character that no secret of Entra ID
// has, for example an invisible character, or starts with "$".
func altered(secret string) bool {
	return strings.ContainsFunc(secret, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("\"'`%\\,;", r) }) || strings.HasPrefix(secret, "$")
}

// statusText returns status and code of an error as text.
func statusText(status int, code string) string {
	if status == 0 {
		return code
	}
	return strings.TrimSpace("HTTP " + strconv.Itoa(status) + " " + code)
}

// remedyOr returns remedy, or general advice if remedy is "".
func remedyOr(remedy string) string {
	if remedy == "" {
		return "try again; look at the Azure status page"
	}
	return remedy
}

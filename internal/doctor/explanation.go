package doctor

import (
	"cmp"
	"net"
	"net/url"
	"strings"

	"hmaproxy/internal/config"
)

// An explanation says what a failure means. Words in braces are replaced as
// names.expand does: {hma-app} becomes the application id. A line of repair that
// is empty after the replacement is left out.
type explanation struct {
	detail string // the observation, in which {detail} is the text of the check; "" means {detail} alone
	cause  string
	repair []string
}

// A rule explains one observation if the condition when holds. Of the rules of a
// table, the first one whose condition holds is used. If when is nil, the
// condition always holds.
type rule[T any] struct {
	when   func(T) bool
	detail string
	cause  string
	repair []string
}

// explain returns the explanation of the first rule that holds. It returns
// false if no rule holds.
func explain[T any](rules []rule[T], observed T) (explanation, bool) {
	for _, r := range rules {
		if r.when == nil || r.when(observed) {
			return explanation{r.detail, r.cause, r.repair}, true
		}
	}
	return explanation{}, false
}

// A codeRule explains the codes of one service that have the same meaning.
type codeRule[C comparable] struct {
	codes  []C
	cause  string
	repair []string
}

// explainCode returns the explanation of a code. It returns false if no rule
// has this code.
func explainCode[C comparable](rules []codeRule[C], code C) (explanation, bool) {
	for _, r := range rules {
		for _, known := range r.codes {
			if known == code {
				return explanation{cause: r.cause, repair: r.repair}, true
			}
		}
	}
	return explanation{}, false
}

// names holds the replacements of words in braces, as pairs. If several pairs
// have the same word, the first pair is used.
type names []string

// The method "with" returns a list of pairs followed by n, so that pairs take
// precedence.
func (n names) with(pairs ...string) names { return append(pairs[:len(pairs):len(pairs)], n...) }

// expand replaces the words in braces in s.
func (n names) expand(s string) string { return strings.NewReplacer(n...).Replace(s) }

// failed returns the Result of a failed check. detail is what the check
// observed.
func (n names) failed(detail string, e explanation) Result {
	n = n.with("{detail}", detail)
	r := Result{Status: Failed, Detail: n.expand(cmp.Or(e.detail, "{detail}")), Cause: n.expand(e.cause)}
	for _, line := range e.repair {
		if line = n.expand(line); line != "" {
			r.Repair = append(r.Repair, line)
		}
	}
	return r
}

// namesOf returns the replacements of those words in braces whose values come
// from the configuration.
func namesOf(c *config.Config) names {
	ews := origin(c.EWS.URL)
	n := names{
		"{ews}", ews,
		"{ews-host}", c.EWS.Host,
		"{ews-hostname}", c.EWS.Hostname(),
		"{ews-path}", c.EWS.Path,
		"{ews-connect}", string(c.Connect),
		"{resource}", strings.TrimSuffix(string(c.Resource), "/"),
		"{tenant}", string(c.Tenant),
		"{hma-app}", string(c.App),
		"{kv-app}", cmp.Or(string(c.VaultApp), "CLIENT-ID-OF-THE-IDENTITY"),
		"{identity}", identity(c),
		"{authority}", c.Authority.Host,
		"{authorities}", authorityList,
		"{cert}", string(c.VaultCertName),
		"{cert-file}", string(c.CertFile),
		"{store}", c.CertStore.String(),
	}
	if c.FromVault() {
		n = append(n, "{vault}", vaultName(c), "{vault-host}", c.VaultURI.Hostname())
	}
	for _, command := range commands(c) {
		n = append(n, command[0], n.expand(command[1]))
	}
	return n
}

// commands returns replacements that are whole commands. A command may contain
// the words in braces that stand for earlier commands.
func commands(c *config.Config) [][2]string {
	issue := `openssl req -x509 -newkey rsa:2048 -noenc -days 365 -subj /CN=HMA-Cert -keyout hma.key -out hma.crt && cat hma.key hma.crt >{cert-file}`
	fetch := `openssl x509 -in {cert-file} -out hma-cert.pem`
	if c.FromVault() {
		issue = `az keyvault certificate create --vault-name {vault} -n {cert} -p "$(az keyvault certificate get-default-policy)"`
		fetch = `az keyvault certificate download --vault-name {vault} -n {cert} -e PEM -f hma-cert.pem`
	}
	return [][2]string{
		{"{issue}", issue},
		{"{register}", fetch + " && az ad app credential reset --id {hma-app} --cert @hma-cert.pem --append"},
		{"{import}", "az keyvault certificate import --vault-name {vault} -n {cert} -f hma.pfx"},
		{"{new-secret}", "az ad app credential reset --id {kv-app} --append --display-name hmaproxy --query password -o tsv     # prints the new secret's value"},
		{"{register-resource}", `$x = Get-MgServicePrincipal -Filter "AppId eq '` + exchangeOnlineApp + `'"; Update-MgServicePrincipal -ServicePrincipalId $x.Id -ServicePrincipalNames ($x.ServicePrincipalNames + 'https://{ews}/')`},
		{"{vault-scope}", "$(az keyvault show -n {vault} --query id -o tsv)"},
		{"{vault-uri-check}", "compare HMA_KEY_VAULT_URI with the portal: Key vaults > {vault} > Overview > Vault URI"},
		{"{ews-url-check}", "compare HMA_EWS_URL with: Get-WebServicesVirtualDirectory | fl ExternalUrl,InternalUrl"},
		{"{sign-in-logs}", "portal: Entra ID > Sign-in logs > Service principal sign-ins names the reason"},
	}
}

// vaultName returns the first part of the vault's host name, which is the name
// that az expects. It returns the placeholder "VAULT" for an IP address.
func vaultName(c *config.Config) string {
	if net.ParseIP(c.VaultURI.Hostname()) != nil {
		return "VAULT"
	}
	name, _, _ := strings.Cut(c.VaultURI.Hostname(), ".")
	return name
}

// identity names the application that signs in to the vault.
func identity(c *config.Config) string {
	switch {
	case c.VaultAuth == config.AuthSecret:
		return "application " + string(c.VaultApp)
	case c.VaultApp != "":
		return string(c.VaultAuth) + " identity " + string(c.VaultApp)
	}
	return string(c.VaultAuth) + " identity"
}

// origin returns a URL's host, with the port unless it is 443.
func origin(u *url.URL) string { return strings.TrimSuffix(u.Host, ":443") }

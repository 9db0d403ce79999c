package config

import (
	"net/url"
	"slices"
	"strings"

	"hmaproxy/proxy/policy"
)

// Warnings returns a text for each setting that is valid but dangerous or
// rarely intended. The log at start and doctor show the texts. The texts hold no
// values, except choices such as workload. Warnings returns nil if there is no such
// setting.
func (c *Config) Warnings() []string {
	var all []string
	warn := func(when bool, text string) {
		if when {
			all = append(all, text)
		}
	}
	warn(c.NoListAlarm() != "", c.NoListAlarm())
	warn(c.ListMode == Audit, "HMA_ALLOW_LIST_MODE=audit: the allow-list refuses nothing, clients can open every mailbox of the organisation")
	warn(slices.ContainsFunc(c.Allowed(), hasShortDomain), "the allow-list has an address whose domain has no dot, such as alice@contoso: it allows mailboxes of exactly that domain and none of contoso.com; write the whole domain unless Exchange's is that short")
	warn(c.Operations.Unknown() != nil, "HMA_ALLOWED_OPERATIONS names an operation that no EWS schema has: check its spelling")
	warn(ExchangeOnline(c.EWS.URL), "HMA_EWS_URL is Exchange Online: EWS is switched off there tenant by tenant since 2026-10-01, stays for the applications in EwsAllowedAppIDs of tenants that opted in, and ends on 2027-04-01; Exchange Server on premises is not affected")
	warn(c.networked() && c.TLSCertFiles == nil, "HMA_LISTEN leaves loopback without TLS: mail and the clients' passwords cross the network in clear text")
	warn(c.networked(), "HMA_UNSAFE_LISTEN_ANY=true: every host that reaches HMA_LISTEN and knows a password of HMA_CLIENT_USERS_FILE can open mailboxes")
	warn(c.Autodiscover.On && c.uncovered, "HMA_HOST_NAMES has a name that no certificate of HMA_TLS_CERT_FILE is for: clients that look for Exchange under that name refuse the connection")
	warn(leadsRound(c), "HMA_AUTODISCOVER has the host of HMA_EWS_URL: where that name leads to Exchange, clients go round this proxy; where it leads here, this proxy does not find Exchange without HMA_EWS_CONNECT")
	warn(!c.Admin.Off() && !c.Admin.Addr().IsLoopback(), "HMA_ADMIN_LISTEN leaves loopback: every host that reaches it can read health and metrics")
	altered := alteration(c.VaultSecret.Reveal())
	warn(altered != "", c.vaultSecretName()+" "+altered)
	warn(c.SecretExposed, "the file of -env-file holds a secret, and every user of this machine may read it: chmod 600 it, or keep the secret in a file of its own and name it in "+c.secretFileSetting())
	warn(c.Federated(), "HMA_APP_AUTH="+string(c.AppAuth)+" is experimental: it is not known whether Exchange Server accepts the tokens that Entra ID issues for a federated credential; hmaproxy doctor -mailbox ADDRESS finds out")
	warn(c.FromVault() && c.VaultAuth == AuthDefault, "HMA_KEY_VAULT_AUTH=default is meant for development: it takes whichever credential it finds first")
	warn(slices.Contains(c.TLSCompatibility, RSAKeyExchange), "HMA_TLS_COMPATIBILITY=rsa-key-exchange: who records connections to Exchange can read them once the server's key is known; enable ECDHE cipher suites on the server instead")
	warn(slices.Contains(c.TLSCompatibility, CBC), "HMA_TLS_COMPATIBILITY=cbc: connections to Exchange may use AES-CBC, which has had padding attacks; enable AES-GCM cipher suites on the server instead")
	warn(slices.Contains(c.TLSCompatibility, ClassicGroups), "HMA_TLS_COMPATIBILITY=classic-groups: connections to Exchange have no post-quantum key exchange")
	return all
}

// hasShortDomain reports whether an entry is an address, a user principal name
// or a wildcard whose domain has no dot.
func hasShortDomain(p policy.Pattern) bool {
	_, domain, isAddress := strings.Cut(p.String(), "@")
	return isAddress && !strings.Contains(domain, ".")
}

// vaultSecretName returns a text that says where the client secret came from.
func (c *Config) vaultSecretName() string {
	if c.VaultSecretFile != "" {
		return "the content of HMA_KEY_VAULT_CLIENT_SECRET_FILE"
	}
	return "HMA_KEY_VAULT_CLIENT_SECRET"
}

// networked reports whether a listener can be reached from other machines.
func (c *Config) networked() bool {
	return slices.ContainsFunc(c.Listen, func(l Listener) bool { return !l.Local() })
}

// ExchangeOnline reports whether a URL is a service of Exchange Online, in any
// of Microsoft's clouds.
func ExchangeOnline(u *url.URL) bool {
	return slices.ContainsFunc([]string{
		"outlook.com", "office365.com", "office.com", "cloud.microsoft", "office365.us",
		"outlook.cn", "office.de", "outlook.sovcloud.fr", "outlook.sovcloud.de",
	}, func(domain string) bool {
		host := u.Hostname()
		return host == domain || strings.HasSuffix(host, "."+domain)
	})
}

// secretFileSetting returns the _FILE variable for the secret that is set.
func (c *Config) secretFileSetting() string {
	if c.VaultSecret == "" && c.CertPassword != "" {
		return "HMA_CERT_PASSWORD_FILE"
	}
	return "HMA_KEY_VAULT_CLIENT_SECRET_FILE"
}

package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
	"time"

	"hmaproxy/internal/config"
	"hmaproxy/internal/httpclient"
	"hmaproxy/proxy/policy"
	"hmaproxy/token"
)

// An examination is one walk along the chain and what it has found so far.
type examination struct {
	o       Options
	config  *config.Config
	clients *httpclient.Clients
	control *watch // on the way to Entra ID and Key Vault
	secrets []string
	done    map[string]Result

	probes   map[string]*probe // by check
	tenant   string            // the tenant's GUID, by Entra's metadata
	vaultErr error             // of the look-up of certificates
	certs    []*tls.Certificate
	public   *publicHalf // what the vault says of the certificate without its key
	grant    token.Grant
	online   bool // HMA_EWS_URL is Exchange Online
}

func newExamination(o Options) *examination {
	x := &examination{o: o, config: o.Config, done: map[string]Result{}}
	if x.config == nil {
		return x
	}
	x.secrets = []string{x.config.VaultSecret.Reveal(), x.config.CertPassword.Reveal(), proxyPassword(x.config)}
	x.probes = x.newProbes()
	x.online = config.ExchangeOnline(x.config.EWS.URL)
	return x
}

// newProbes are those of the checks of connections, which run together: the map
// does not change afterwards.
func (x *examination) newProbes() map[string]*probe {
	all := map[string]*probe{
		"entra":    {url: x.config.Authority.JoinPath(string(x.config.Tenant), "v2.0/.well-known/openid-configuration")},
		"exchange": {url: x.config.EWS.URL, pinned: true},
	}
	if x.config.FromVault() {
		all["vault"] = &probe{url: x.vaultURL("secrets")}
	}
	return all
}

// proxyPassword returns the corporate proxy's password, "" without one.
func proxyPassword(c *config.Config) string {
	proxy, err := c.Proxy()(&url.URL{Scheme: "https", Host: "proxy-password.invalid"})
	if err != nil || proxy == nil {
		return ""
	}
	password, _ := proxy.User.Password()
	return password
}

// checkConfig says what the configuration permits and should not, and prepares
// the ways out.
func (x *examination) checkConfig(context.Context) Result {
	if x.config == nil {
		return configFailure(x.o.ConfigError)
	}
	var err error
	if x.clients, err = httpclient.New(x.config, x.o.Dial); err != nil {
		return failed("the system's trusted roots cannot be read", "this machine has no usable store of trusted roots",
			"install the package ca-certificates, or name the roots in HMA_CA_FILE")
	}
	x.control = newWatch(x.clients)
	for _, address := range []string{x.o.Mailbox, x.o.Forbidden} {
		if _, err := policy.ParseAddress(address); address != "" && err != nil {
			return failed("-mailbox or -forbidden-mailbox is not an SMTP address", err.Error(), "write an address such as alice@contoso.com").goingOn()
		}
	}
	if name := x.placeholder(); name != "" {
		return failed(name+" is "+strings.Repeat("0", 8)+"-…, the placeholder of the example", "the example's values were not all replaced by those of your organisation",
			"docs/setup.md, “The eight values”, says where each is shown; deploy/azure/setup.sh prints the file filled in").goingOn()
	}
	if r, mixed := x.mixedUp(); mixed {
		return r.goingOn()
	}
	return ok(x.describeConfig(), append(x.config.Warnings(), x.remarks()...)...)
}

// mixedUp is about ids that are another thing's.
func (x *examination) mixedUp() (Result, bool) {
	const both = " are the same"
	show := func(app string) string {
		return "portal: App registrations > " + app + " > Overview shows both: Application (client) ID, Directory (tenant) ID"
	}
	switch c := x.config; {
	case c.Tenant == config.TenantID(c.App):
		return failed("HMA_TENANT_ID and HMA_APP_ID"+both, "one of the two ids was copied into both settings", show("HMA-App")), true
	case c.VaultApp != "" && (c.VaultTenant == config.TenantID(c.VaultApp) || c.Tenant == config.TenantID(c.VaultApp)):
		return failed("HMA_KEY_VAULT_APP_ID and the tenant"+both, "one of the two ids was copied into both settings", show("KV-App")), true
	case c.App == exchangeOnlineApp:
		return failed("HMA_APP_ID is "+exchangeOnlineApp, "that is Office 365 Exchange Online itself, the application whose permission HMA-App holds",
			"portal: App registrations > HMA-App > Overview > Application (client) ID; set HMA_APP_ID to it"), true
	}
	return Result{}, false
}

// configFailure shows each problem of the configuration on a line of its own.
func configFailure(err error) Result {
	const all = "hmaproxy -help lists every setting and its form"
	var problems *config.Problems
	if !errors.As(err, &problems) || len(problems.All) == 0 {
		lines := strings.Split(err.Error(), "\n")
		r := failed("the settings cannot be read", lines[0], "the file's lines are NAME=value, in UTF-8: no quotes, no white space around the =", all)
		r.Notes = lines[1:]
		return r
	}
	first := problems.All[0]
	r := failed("the configuration cannot be used", first.Variable+" "+first.Text, all)
	if first.Needless {
		r.Repair = []string{"remove " + first.Variable, all}
	} else if form := config.Form(first.Variable); form != "" {
		r.Repair = []string{"set " + first.Variable + " to " + form, all}
	}
	for _, p := range problems.All[1:] {
		r.Notes = append(r.Notes, "also: "+p.Variable+" "+p.Text)
	}
	return r
}

// placeholder names a setting that is still the example's, "" for none.
func (x *examination) placeholder() string {
	const nobody = "00000000-0000-0000-0000-000000000000"
	for name, value := range map[string]string{"HMA_TENANT_ID": string(x.config.Tenant), "HMA_APP_ID": string(x.config.App), "HMA_KEY_VAULT_APP_ID": string(x.config.VaultApp)} {
		if value == nobody {
			return name
		}
	}
	return ""
}

func (x *examination) describeConfig() string {
	c := x.config
	source := "certificate from " + quote(string(c.CertFile))
	if c.FromVault() {
		source = fmt.Sprintf("certificate %s from %s", c.VaultCertName, c.VaultURI.Host)
	}
	list := "no allow-list"
	if c.Limited() {
		list = "allow-list with " + counted(len(c.AllowedMailboxes))
	}
	return fmt.Sprintf("%s, resource %s, %s, %s", c.EWS, c.Resource, source, list)
}

func counted(entries int) string {
	if entries == 1 {
		return "one entry"
	}
	return fmt.Sprintf("%d entries", entries)
}

// remarks are about settings that are valid, and rarely meant.
func (x *examination) remarks() []string {
	var all []string
	note := func(when bool, format string, args ...any) {
		if when {
			all = append(all, fmt.Sprintf(format, args...))
		}
	}
	c := x.config
	note(!sameOrigin(string(c.Resource), c.EWS.URL), "HMA_RESOURCE_ID is %s and HMA_EWS_URL leads to %s: Exchange compares the two", c.Resource, c.EWS.Host)
	note(!strings.EqualFold(c.EWS.Path, "/EWS/Exchange.asmx"), "the path in HMA_EWS_URL is %s: that of every Exchange Server is /EWS/Exchange.asmx", c.EWS.Path)
	note(c.FromVault() && c.VaultApp == c.App, "HMA_KEY_VAULT_APP_ID and HMA_APP_ID are one application: with two, who reads the vault cannot read mail")
	if p, err := x.policy(); err == nil && p.Limited() {
		note(x.o.Mailbox != "" && !p.Allows(x.o.Mailbox), "-mailbox is not on the allow-list: hmaproxy refuses it to its clients")
	}
	return all
}

// policy returns the allow-list as the product judges by it.
func (x *examination) policy() (*policy.Policy, error) {
	return policy.New(policy.Config{Allowed: x.config.AllowedMailboxes, Audit: x.config.ListMode == config.Audit})
}

// sameOrigin compares as Exchange does: scheme, host and port.
func sameOrigin(resource string, u *url.URL) bool {
	r, err := url.Parse(resource)
	return err == nil && strings.EqualFold(r.Scheme, u.Scheme) && strings.EqualFold(origin(r), origin(u))
}

// origin returns host and port, the latter unless it is 443.
func origin(u *url.URL) string { return strings.TrimSuffix(u.Host, ":443") }

// vaultName is the vault's name as az takes it.
func (x *examination) vaultName() string {
	if net.ParseIP(x.config.VaultURI.Hostname()) != nil {
		return "VAULT"
	}
	name, _, _ := strings.Cut(x.config.VaultURI.Hostname(), ".")
	return name
}

// age rounds a duration for people.
func age(d time.Duration) string {
	switch d = d.Abs(); {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", int(d.Hours()/24))
	case d >= 2*time.Hour:
		return fmt.Sprintf("%d hours", int(d.Hours()))
	case d >= 2*time.Minute:
		return fmt.Sprintf("%d minutes", int(d.Minutes()))
	}
	return fmt.Sprintf("%d s", int(d.Seconds()))
}

var guid = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// commonName names a certificate's subject or issuer.
func commonName(c *x509.Certificate, issuer bool) string {
	name := c.Subject
	if issuer {
		name = c.Issuer
	}
	switch {
	case name.CommonName != "":
		return quote(name.CommonName)
	case len(name.Organization) > 0:
		return quote(name.Organization[0])
	}
	return quote(name.String())
}

package doctor

import (
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"hmaproxy/internal/allowlist"
	"hmaproxy/internal/config"
	"hmaproxy/internal/health"
	"hmaproxy/proxy/policy"
)

const settingsHelp = "hmaproxy help settings lists every setting and its form"

// evaluateConfiguration reports mistakes in the settings and in the command's
// flags, trusted roots that cannot be read, and settings that are valid but
// rarely intended.
func evaluateConfiguration(f *facts) Result {
	if f.config == nil {
		return configurationError(f.setup.configError)
	}
	if f.setup.rootsError != nil {
		return f.fail("the system's trusted roots cannot be read", "this machine has no usable store of trusted roots",
			"install the package ca-certificates, or name the roots in HMA_CA_FILE")
	}
	for _, address := range []string{f.flags.mailbox, f.flags.forbidden} {
		if _, err := policy.ParseAddress(address); address != "" && err != nil {
			return f.fail("-mailbox or -forbidden-mailbox is not an SMTP address", err.Error(), "write an address such as alice@contoso.com").goingOn()
		}
	}
	if e, mistaken := explain(idMistakes, f.config); mistaken {
		return f.failed("", e).goingOn()
	}
	r := ok(describeConfiguration(f.config))
	r.Warnings = append(append(warnings(f.config), remarks(f)...), listenerCertificates(f.config)...)
	return r
}

// idMistakes explain ids that have a valid form, but are placeholders or belong
// to another object.
var idMistakes = []rule[*config.Config]{
	{
		when:   func(c *config.Config) bool { return placeholder(string(c.Tenant)) },
		detail: "HMA_TENANT_ID is 00000000-…, the placeholder of the example",
		cause:  exampleNotFilledIn, repair: eightValues,
	},
	{
		when:   func(c *config.Config) bool { return placeholder(string(c.App)) },
		detail: "HMA_APP_ID is 00000000-…, the placeholder of the example",
		cause:  exampleNotFilledIn, repair: eightValues,
	},
	{
		when:   func(c *config.Config) bool { return placeholder(string(c.VaultApp)) },
		detail: "HMA_KEY_VAULT_APP_ID is 00000000-…, the placeholder of the example",
		cause:  exampleNotFilledIn, repair: eightValues,
	},
	{
		when:   func(c *config.Config) bool { return c.Tenant == config.TenantID(c.App) },
		detail: "HMA_TENANT_ID and HMA_APP_ID are the same",
		cause:  "one of the two ids was copied into both settings",
		repair: []string{"portal: App registrations > HMA-App > Overview shows both: Application (client) ID, Directory (tenant) ID"},
	},
	{
		when: func(c *config.Config) bool {
			app := config.TenantID(c.VaultApp)
			return app != "" && (c.VaultTenant == app || c.Tenant == app)
		},
		detail: "HMA_KEY_VAULT_APP_ID and the tenant are the same",
		cause:  "one of the two ids was copied into both settings",
		repair: []string{"portal: App registrations > KV-App > Overview shows both: Application (client) ID, Directory (tenant) ID"},
	},
	{
		when:   func(c *config.Config) bool { return c.App == exchangeOnlineApp },
		detail: "HMA_APP_ID is " + exchangeOnlineApp,
		cause:  "that is Office 365 Exchange Online itself, the application whose permission HMA-App holds",
		repair: []string{"portal: App registrations > HMA-App > Overview > Application (client) ID; set HMA_APP_ID to it"},
	},
}

const exampleNotFilledIn = "the example's values were not all replaced by those of your organisation"

var eightValues = []string{"docs/setup.md, “The eight values”, says where each is shown; deploy/azure/setup.sh prints the file filled in"}

func placeholder(id string) bool { return id == "00000000-0000-0000-0000-000000000000" }

// configurationError reports the first problem of the settings as the cause and
// the other problems as notes.
func configurationError(err error) Result {
	var problems *config.Problems
	if !errors.As(err, &problems) || len(problems.All) == 0 {
		lines := strings.Split(err.Error(), "\n")
		return Result{
			Status: Failed, Detail: "the settings cannot be read", Cause: lines[0],
			Repair: []string{"the file's lines are NAME=value, in UTF-8: no quotes, no white space around the =", settingsHelp},
			Notes:  lines[1:],
		}
	}
	first := problems.All[0]
	r := Result{Status: Failed, Detail: "the configuration cannot be used", Cause: first.Variable + " " + first.Text, Repair: []string{settingsHelp}}
	if first.Repair != "" {
		r.Repair = []string{first.Repair, settingsHelp}
	} else if form := config.Form(first.Variable); form != "" {
		r.Repair = []string{"set " + first.Variable + " to " + form, settingsHelp}
	}
	for _, p := range problems.All[1:] {
		r.Notes = append(r.Notes, "also: "+p.Variable+" "+p.Text)
	}
	return r
}

func describeConfiguration(c *config.Config) string {
	return fmt.Sprintf("%s, resource %s, %s", c.EWS, c.Resource, sourceOf(c))
}

// warnings returns the product's own warnings, except the warning that
// evaluateAccess reports.
func warnings(c *config.Config) []string {
	return slices.DeleteFunc(c.Warnings(), func(s string) bool { return s == c.NoListAlarm() })
}

// remarks returns warnings about settings that are valid but rarely intended,
// and about a mailbox in -mailbox that is not on the allow-list.
func remarks(f *facts) []string {
	var all []string
	note := func(when bool, format string, args ...any) {
		if when {
			all = append(all, fmt.Sprintf(format, args...))
		}
	}
	c := f.config
	note(!sameOrigin(string(c.Resource), c.EWS.URL), "HMA_RESOURCE_ID is %s and HMA_EWS_URL leads to %s: Exchange compares the two", c.Resource, c.EWS.Host)
	note(!strings.EqualFold(c.EWS.Path, "/EWS/Exchange.asmx"), "the path in HMA_EWS_URL is %s: that of every Exchange Server is /EWS/Exchange.asmx", c.EWS.Path)
	note(c.FromVault() && c.VaultApp == c.App, "HMA_KEY_VAULT_APP_ID and HMA_APP_ID are one application: with two, the application that reads the vault cannot read mail")
	if p, err := newPolicy(c, nil); err == nil && p.Limited() && c.AllowedGroups == nil {
		note(f.flags.mailbox != "" && !p.Allows(f.flags.mailbox), "-mailbox is not on the allow-list: hmaproxy refuses it to its clients")
	}
	return all
}

// listenerCertificates returns the alarms about the certificates that clients
// get. It returns nil if the files cannot be read, because config.Load reports
// such files.
func listenerCertificates(c *config.Config) []string {
	pairs, err := config.ReadKeyPairs(config.ReadFile, c.TLSCertFiles, c.TLSKeyFiles)
	if err != nil {
		return nil
	}
	var all []*x509.Certificate
	for _, pair := range pairs {
		all = append(all, pair.Leaf)
	}
	var texts []string
	now := time.Now()
	for _, alarm := range health.AlarmsForListener(all, now) {
		texts = append(texts, alarm.Text(now))
	}
	return texts
}

// newPolicy returns a policy that allows each mailbox that at least one client
// may open with this configuration when its groups have these members: the
// mailboxes of the allow-list that match a pattern of some client user. If a
// client user has no patterns, or there are no client users, these are all
// mailboxes of the allow-list.
func newPolicy(c *config.Config, members []policy.Pattern) (*policy.Policy, error) {
	list, err := allowlist.New(c, slog.New(slog.DiscardHandler))
	if err == nil && members != nil {
		err = list.SetMembers(members)
	}
	if err != nil {
		return nil, err
	}
	return list.Policy().Narrow(c.ClientUsers.Patterns()), nil
}

// sameOrigin reports whether resource and u have the same scheme, host and
// port, which is what Exchange compares.
func sameOrigin(resource string, u *url.URL) bool {
	r, err := url.Parse(resource)
	return err == nil && strings.EqualFold(r.Scheme, u.Scheme) && strings.EqualFold(origin(r), origin(u))
}

package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"hmaproxy/certsource"
	"hmaproxy/token"
)

func (x *examination) tokenConfig(resource string) token.Config {
	c := x.config
	return token.Config{
		Authority: c.Authority.URL, TenantID: string(c.Tenant), ClientID: string(c.App),
		Resource: resource, HTTPClient: x.control.client,
	}
}

// acquire makes one attempt. The token becomes one of the secrets.
func (x *examination) acquire(ctx context.Context, resource string, cert *tls.Certificate) (token.Grant, *token.Error) {
	grant, err := token.Acquire(ctx, x.tokenConfig(resource), cert)
	x.secrets = append(x.secrets, string(grant.Token))
	var e *token.Error
	if err != nil && !errors.As(err, &e) {
		e = &token.Error{Class: token.Configuration}
	}
	return grant, e
}

// checkToken gets a token as the product would: with the newest certificate,
// and where Entra refuses that, with the one before it.
func (x *examination) checkToken(ctx context.Context) Result {
	grant, e := x.acquire(ctx, string(x.config.Resource), x.certs[0])
	if e == nil {
		x.grant = grant
		return ok(fmt.Sprintf("obtained for %s, valid for %s", x.config.Resource, age(time.Until(grant.Expires))))
	}
	r := x.explainToken(ctx, e)
	if e.Class == token.Certificate && len(x.certs) > 1 {
		if grant, second := x.acquire(ctx, string(x.config.Resource), x.certs[1]); second == nil {
			x.grant, r.carryOn = grant, true
			r.Notes = append(r.Notes, "the version before it is accepted, and is used until it expires on "+x.certs[1].Leaf.NotAfter.UTC().Format("2006-01-02"))
		}
	}
	return r
}

// explainToken says why Entra gave no token.
func (x *examination) explainToken(ctx context.Context, e *token.Error) Result {
	if e.AADSTS == 0 {
		detail, _, _ := strings.Cut(strings.TrimPrefix(e.Error(), "token: "), "; remedy: ")
		if e.Foreign && e.Status >= 400 && e.Status < 500 && e.Status != http.StatusProxyAuthRequired {
			return failed(detail, causeOf(e), passThrough(x.probes["entra"], "look for a proxy or web filter that forbids POST, or inspects TLS")...)
		}
		return failed(detail, causeOf(e), orTry(e.Remedy))
	}
	detail := fmt.Sprintf("Entra ID answered %d with AADSTS%d", e.Status, e.AADSTS)
	if e.CorrelationID != "" {
		detail += " (correlation id " + e.CorrelationID + ")"
	}
	meaning, remedy, known := explainAADSTS(e.AADSTS)
	if !known {
		return failed(detail, "Entra ID refuses HMA-App for a reason that is not known here", orTry(e.Remedy), signInLogs)
	}
	r := failed(detail, meaning, repairs(commandsFor(e.AADSTS, string(x.config.App), x), remedy)...)
	switch e.AADSTS {
	case 500011, 50001:
		x.tryResources(ctx, &r)
	case 700027, 50012:
		x.nameThumbprint(&r)
	case 700024:
		x.nameSkew(&r)
	case 700016, 7000229:
		r.Cause = "HMA_APP_ID is not an application of the tenant " + string(x.config.Tenant) + ": mistyped (an object id, perhaps), or HMA_TENANT_ID is another organisation's"
	}
	return r
}

// explainAADSTS adds to the product's codes some that it need not tell apart.
func explainAADSTS(code int) (meaning, remedy string, known bool) {
	if meaning, remedy, known = token.Explain(code); known {
		return meaning, remedy, known
	}
	switch code {
	case 7000229: // repaired as 700016
		meaning, remedy, known = token.Explain(700016)
	case 500133, 500137:
		meaning, remedy, known = token.Explain(700024)
	case 900023:
		meaning, remedy, known = token.Explain(90002)
	case 500014:
		return "the resource's service principal (Office 365 Exchange Online) is disabled in the tenant, or its licence ended", "enable it: portal: Enterprise applications > Office 365 Exchange Online > Properties > Enabled for users to sign-in: Yes", true
	case 53000, 53001, 53002, 530003, 530035:
		meaning, remedy, known = token.Explain(53003)
	}
	return meaning, remedy, known
}

func causeOf(e *token.Error) string {
	switch {
	case errors.As(e.Unwrap(), new(*certsource.Error)):
		return "the client assertion could not be signed in Key Vault"
	case e.Status == http.StatusOK:
		return "the answer is not what Entra ID gives: a device on the way alters it, or the authority is another service's"
	case e.Foreign && e.Status >= 300 && e.Status < 400:
		return inItsPlace + " (a proxy or captive portal that redirects to its sign-in page)"
	case e.Foreign && e.Status < 500:
		return inItsPlace + " (a proxy, web filter or firewall that forbids this request)"
	case e.Class == token.Transient:
		return "Entra ID cannot be reached at the moment, or something on the way answers in its place"
	}
	return "Entra ID or something in its place answered in an unexpected way"
}

// tryResources asks for the token under the resource's other spellings, to
// find the one that is registered.
func (x *examination) tryResources(ctx context.Context, r *Result) {
	ours := string(x.config.Resource)
	for _, other := range spellings(ours, x.config.EWS.Scheme+"://"+origin(x.config.EWS.URL)) {
		grant, e := x.acquire(ctx, other, x.certs[0])
		if e != nil {
			r.Detail += fmt.Sprintf("; for %s it is AADSTS%d", other, e.AADSTS)
			continue
		}
		x.grant, r.carryOn = grant, true
		r.Detail += "; for " + other + " it grants a token"
		r.Cause = "Exchange is registered in Entra ID as " + other + ", which is not how HMA_RESOURCE_ID spells it"
		r.Repair = append([]string{"set HMA_RESOURCE_ID=" + other}, r.Repair...)
		return
	}
	r.Cause = "no spelling of " + strings.TrimSuffix(ours, "/") + " is registered in this tenant: the service principal name is missing, or the tenant is not that of Exchange"
}

// spellings returns the other forms of a resource, with and without the slash.
func spellings(ours, ews string) []string {
	var all []string
	for _, base := range []string{strings.TrimSuffix(ours, "/"), ews} {
		for _, s := range []string{base, base + "/"} {
			if s != ours && !contains(all, s) {
				all = append(all, s)
			}
		}
	}
	return all
}

func contains(list []string, s string) bool {
	for _, have := range list {
		if have == s {
			return true
		}
	}
	return false
}

func (x *examination) nameThumbprint(r *Result) {
	if x.config.FromVault() && x.config.VaultApp == x.config.App {
		r.Cause = "HMA_APP_ID and HMA_KEY_VAULT_APP_ID are the same application, which has a client secret and not the certificate: KV-App's id was copied into both settings"
		r.Repair = []string{"az ad app list --display-name HMA-App --query \"[].appId\" -o tsv     # set HMA_APP_ID to it; or portal: App registrations > HMA-App > Overview"}
		return
	}
	short, long := certsource.Thumbprints(x.certs[0].Leaf)
	r.Cause = fmt.Sprintf("the certificate with the thumbprint %s is not registered on HMA-App (%s)", short, x.config.App)
	r.Notes = append(r.Notes, "SHA-256: "+long, "portal: App registrations > HMA-App > Certificates & secrets > Certificates; a new one counts after some minutes")
}

// nameSkew measures with the very answer that refused the assertion.
func (x *examination) nameSkew(r *Result) {
	if c, known := x.control.clockOf(x.config.Authority.Host); known {
		r.Cause = "this machine's clock is " + aheadOrBehind(c.skew()) + " Entra ID's, so that the assertion is outside its time range"
	}
}

// checkClaims reads the token as Exchange will.
func (x *examination) checkClaims(context.Context) Result {
	c := x.grant.Claims
	detail := fmt.Sprintf("aud %s, tid %s, appid %s, appidacr %s, roles %s", quote(c.Audience), quote(c.TenantID), quote(c.AppID), quote(c.AuthKind), quote(strings.Join(c.Roles, " ")))
	r := x.judgeClaims(c, detail)
	r.carryOn = true // Exchange has the last word
	return r
}

func (x *examination) judgeClaims(c token.Claims, detail string) Result {
	consent := commandsFor(650057, string(x.config.App), x)
	switch {
	case c.Audience == "":
		return failed("the token cannot be read", "it is no JWT of Entra ID's v1 kind, which is the only one that Exchange takes", "compare HMA_RESOURCE_ID with https://"+origin(x.config.EWS.URL))
	// Roles are the audience's own: those of another say nothing of Exchange's.
	case guid.MatchString(c.Audience):
		return failed(detail, "the token's audience is a number and not the host of HMA_EWS_URL: the name in HMA_RESOURCE_ID is registered on an application of its own, and not on Office 365 Exchange Online",
			"remove it there (App registrations > the application > Expose an API > Application ID URI), then: "+commandsFor(500011, "", x)[0])
	case !sameOrigin(c.Audience, x.config.EWS.URL):
		return failed(detail, "the token's audience is not the host of HMA_EWS_URL ("+origin(x.config.EWS.URL)+"), which Exchange compares: HMA_RESOURCE_ID is wrong",
			"set HMA_RESOURCE_ID=https://"+origin(x.config.EWS.URL)+", and register it: "+commandsFor(500011, "", x)[0])
	case !c.FullAccess() && len(c.Roles) == 0:
		return failed(detail, "the roles claim is missing: HMA-App has no application permission full_access_as_app, or admin consent was not granted", consent...)
	case !c.FullAccess():
		return failed(detail, "the role full_access_as_app is missing: HMA-App has other permissions than the one that EWS needs", consent...)
	case guid.MatchString(x.tenant) && !strings.EqualFold(c.TenantID, x.tenant):
		return failed(detail, "the token is of another tenant than HMA_TENANT_ID", "compare HMA_TENANT_ID with the portal: Entra ID > Overview > Tenant ID")
	case c.AuthKind != "2":
		return failed(detail, "the token was not obtained with a certificate (appidacr is not 2), which Exchange demands", "register the certificate on HMA-App: "+x.registerCommand())
	}
	return ok(detail)
}

package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"hmaproxy/certsource"
	"hmaproxy/token"
)

// gatherToken requests a token as the product does. If Entra ID refuses the
// certificate, gatherToken tries the previous version of the certificate. If no
// application has the name of the resource, it tries other spellings of the
// resource.
func gatherToken(ctx context.Context, s *session, f *facts) {
	certs, resource := f.source.certs, string(f.config.Resource)
	if f.config.Federated() {
		certs = []*tls.Certificate{nil}
	}
	first := acquire(ctx, s, f, resource, certs[0])
	f.token.attempts = []tokenAttempt{first}
	f.token.clock = s.observed.clockOf(f.config.Authority.Host)
	if first.err == nil {
		return
	}
	if first.err.Class == token.Certificate && len(certs) > 1 {
		f.token.attempts = append(f.token.attempts, acquire(ctx, s, f, resource, certs[1]))
	}
	if unregisteredResource(first.err.AADSTS) {
		for _, other := range spellings(resource, f.config.EWS.Scheme+"://"+origin(f.config.EWS.URL)) {
			attempt := acquire(ctx, s, f, other, certs[0])
			f.token.attempts = append(f.token.attempts, attempt)
			if attempt.err == nil {
				return
			}
		}
	}
}

// unregisteredResource reports whether a code says that no application of the
// tenant has the resource's name.
func unregisteredResource(aadsts int) bool { return aadsts == 500011 || aadsts == 50001 }

// acquire makes one attempt to get a token. cert is nil with a federated
// credential.
func acquire(ctx context.Context, s *session, f *facts, resource string, cert *tls.Certificate) tokenAttempt {
	a := tokenAttempt{resource: resource}
	if cert != nil {
		a.cert = cert.Leaf
	}
	c := s.config
	var err error
	a.grant, err = token.Acquire(ctx, token.Config{
		Authority: c.Authority.URL, TenantID: string(c.Tenant), ClientID: string(c.App),
		Resource: resource, HTTPClient: s.control, ExperimentalAssertion: f.federated.assertion,
	}, cert)
	s.redactor.add(string(a.grant.Token))
	if err != nil && !errors.As(err, &a.err) {
		a.err = &token.Error{Class: token.Configuration}
	}
	return a
}

// spellings returns other names under which the resource may be registered.
// ours is the configured name, ews the scheme and host of HMA_EWS_URL. The
// result contains both, each with and without a final slash, but not ours
// itself.
func spellings(ours, ews string) []string {
	var all []string
	for _, base := range []string{strings.TrimSuffix(ours, "/"), ews} {
		for _, s := range []string{base, base + "/"} {
			if s != ours && !slices.Contains(all, s) {
				all = append(all, s)
			}
		}
	}
	return all
}

// evaluateToken evaluates the first attempt. If the first attempt failed, the
// other attempts help to explain why.
func evaluateToken(f *facts) Result {
	first := f.token.attempts[0]
	if first.err == nil {
		return ok(fmt.Sprintf("obtained for %s, valid for %s", f.config.Resource, age(time.Until(first.grant.Expires))))
	}
	r := explainToken(f, first)
	for _, a := range f.token.attempts[1:] {
		if a.cert != first.cert && a.err == nil {
			r.Notes = append(r.Notes, "the version before it is accepted, and is used until it expires on "+a.cert.NotAfter.UTC().Format("2006-01-02"))
		}
	}
	r.carryOn = f.token.grant().Token != ""
	return r
}

// explainToken says why Entra ID issued no token.
func explainToken(f *facts, a tokenAttempt) Result {
	e := a.err
	if e.AADSTS == 0 {
		remedy, detail := e.Remedy, withoutRemedy(e)
		if unsigned := (*certsource.Error)(nil); errors.As(e.Unwrap(), &unsigned) {
			remedy, detail = unsigned.Remedy, strings.Replace(detail, " ("+unsigned.Remedy+")", "", 1)
		}
		return f.names.with("{remedy}", remedyOr(remedy)).failed(detail, must(explain(tokenFailures, failedToken{f, e})))
	}
	detail := fmt.Sprintf("Entra ID returned %d with AADSTS%d", e.Status, e.AADSTS)
	if e.CorrelationID != "" {
		detail += " (correlation id " + e.CorrelationID + ")"
	}
	meaning, remedy, known := explainAADSTS(e.AADSTS)
	if !known {
		return f.fail(detail, "Entra ID refuses HMA-App for a reason that is not known here", remedyOr(e.Remedy), "{sign-in-logs}")
	}
	r := f.fail(detail, meaning, codeRepairs(e.AADSTS, remedy, string(f.config.App))...)
	switch e.AADSTS {
	case 500011, 50001:
		nameResource(f, &r)
	case 700027, 50012:
		if !f.config.Federated() {
			nameThumbprint(f, &r)
		}
	case 700024:
		if c := f.token.clock; c.known() {
			r.Cause = "this machine's clock is " + aheadOrBehind(c.skew()) + " Entra ID's, so that the assertion is outside its time range"
		}
	case 700016, 7000229:
		r.Cause = f.names.expand("HMA_APP_ID is not an application of the tenant {tenant}: mistyped (an object id, perhaps), or HMA_TENANT_ID is another organisation's")
	}
	nameFederated(f, e.AADSTS, &r)
	return r
}

// withoutRemedy returns the text of a token error without the name of the
// package and the remedy.
func withoutRemedy(e *token.Error) string {
	text, _, _ := strings.Cut(strings.TrimPrefix(e.Error(), "token: "), "; remedy: ")
	return text
}

// nameResource adds the registered spelling of the resource to the result, or
// says that no spelling is registered.
func nameResource(f *facts, r *Result) {
	for _, a := range f.token.attempts[1:] {
		if a.err != nil {
			r.Detail += "; for " + a.resource + " it is AADSTS" + strconv.Itoa(a.err.AADSTS)
			continue
		}
		r.Detail += "; for " + a.resource + " it grants a token"
		r.Cause = "Exchange is registered in Entra ID as " + a.resource + ", which is not how HMA_RESOURCE_ID spells it"
		r.Repair = append([]string{"set HMA_RESOURCE_ID=" + a.resource}, r.Repair...)
		return
	}
	r.Cause = f.names.expand("no spelling of {resource} is registered in this tenant: the service principal name is missing, or the tenant is not that of Exchange")
}

// nameThumbprint says in the result that the certificate is not registered, and
// gives its thumbprint. If HMA_APP_ID is also the application that reads the
// vault, it reports this mistake instead.
func nameThumbprint(f *facts, r *Result) {
	if oneApplication(f.config) {
		r.Cause = "HMA_APP_ID and HMA_KEY_VAULT_APP_ID are the same application, which has a client secret and not the certificate: KV-App's id was copied into both settings"
		r.Repair = []string{`az ad app list --display-name HMA-App --query "[].appId" -o tsv     # set HMA_APP_ID to it; or portal: App registrations > HMA-App > Overview`}
		return
	}
	short, long := certsource.Thumbprints(f.source.certs[0].Leaf)
	r.Cause = fmt.Sprintf("the certificate with the thumbprint %s is not registered on HMA-App (%s)", short, f.config.App)
	r.Notes = append(r.Notes, "SHA-256: "+long, "portal: App registrations > HMA-App > Certificates & secrets > Certificates; a new one counts after some minutes")
}

// A failedToken is the input of the rules about token requests.
type failedToken struct {
	facts *facts
	err   *token.Error
}

// foreign reports whether the response did not come from Entra ID and its status
// is in the range [from, below).
func (t failedToken) foreign(from, below int) bool {
	return t.err.Foreign && t.err.Status >= from && t.err.Status < below
}

// forbidden reports whether a device on the way forbids the request.
func (t failedToken) forbidden() bool {
	return t.foreign(400, 500) && t.err.Status != http.StatusProxyAuthRequired
}

// unsigned reports whether the token request could not be made, because there
// was no client assertion.
func (t failedToken) unsigned() bool {
	return errors.As(t.err.Unwrap(), new(*certsource.Error))
}

// tokenFailures explain failures without an AADSTS code.
var tokenFailures = []rule[failedToken]{
	{
		when: func(t failedToken) bool {
			return t.forbidden() && microsoft(t.facts.network.entra.target.url)
		},
		cause:  notFromEntra + " (a proxy, web filter or firewall that forbids this request)",
		repair: []string{"have {authority}:443 permitted on the proxy, firewall or web filter, without sign-in and without inspection", "curl -v https://{authority}/     # shows who responds", forbidsPOST},
	},
	{
		when:   failedToken.forbidden,
		cause:  notFromEntra + " (a proxy, web filter or firewall that forbids this request)",
		repair: []string{forbidsPOST},
	},
	{
		when:   func(t failedToken) bool { return t.unsigned() && t.facts.config.Federated() },
		cause:  "the federated credential could not be obtained",
		repair: []string{"{remedy}"},
	},
	{
		when:   func(t failedToken) bool { return t.unsigned() && t.facts.config.FromStore() },
		cause:  "the client assertion could not be signed with the key in the Windows store",
		repair: []string{"{remedy}"},
	},
	{
		when:   failedToken.unsigned,
		cause:  "the client assertion could not be signed in Key Vault",
		repair: []string{"{remedy}"},
	},
	{
		when:   func(t failedToken) bool { return t.err.Status == http.StatusOK },
		cause:  "the response is not what Entra ID gives: a device on the way alters it, or the authority is another service's",
		repair: []string{"{remedy}"},
	},
	{
		when:   func(t failedToken) bool { return t.foreign(300, 400) },
		cause:  notFromEntra + " (a proxy or captive portal that redirects to its sign-in page)",
		repair: []string{"{remedy}"},
	},
	{
		when:   func(t failedToken) bool { return t.foreign(0, 500) },
		cause:  notFromEntra + " (a proxy, web filter or firewall that forbids this request)",
		repair: []string{"{remedy}"},
	},
	{
		when:   func(t failedToken) bool { return t.err.Class == token.Transient },
		cause:  "Entra ID cannot be reached at the moment, or something on the way responds in its place",
		repair: []string{"{remedy}"},
	},
	{
		cause:  "Entra ID or something in its place responded in an unexpected way",
		repair: []string{"{remedy}"},
	},
}

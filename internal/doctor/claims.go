package doctor

import (
	"context"
	"fmt"
	"strings"

	"hmaproxy/token"
)

// evaluateClaims checks the claims that Exchange checks. After a failure the
// checks of Exchange still run, because Exchange may accept the token.
func evaluateClaims(f *facts) Result {
	c := f.token.grant().Claims
	detail := fmt.Sprintf("aud %s, tid %s, appid %s, appidacr %s, roles %s", quote(c.Audience), quote(c.TenantID), quote(c.AppID), quote(c.AuthKind), quote(strings.Join(c.Roles, " ")))
	if e, wrong := explain(claimRules, claims{f, c}); wrong {
		return f.failed(detail, e).goingOn()
	}
	r := ok(detail)
	if f.config.Federated() && f.flags.mailbox == "" {
		r.Warnings = []string{"the token has appidacr " + quote(c.AuthKind) + ", as Exchange Server demands; hmaproxy doctor -mailbox ADDRESS shows whether it accepts the token (HMA_APP_AUTH is experimental)"}
	}
	if !sameOrigin(c.Audience, f.config.EWS.URL) {
		r.Notes = []string{"the token's audience is not the host of HMA_EWS_URL, and Exchange accepts it"}
	}
	return r
}

// gatherClaims sends Exchange a request with the token if the token's audience
// is not the scheme and host of HMA_EWS_URL and Exchange has responded before.
// Exchange may accept such a token, because a device in front of Exchange may
// replace the Host header.
func gatherClaims(ctx context.Context, s *session, f *facts) {
	if f.network.exchange.response.status != 0 && !sameOrigin(f.token.grant().Claims.Audience, f.config.EWS.URL) {
		f.ews.unnamed = getFolder(ctx, s, f, "")
	}
}

// claims is the input of the rules about the token's claims.
type claims struct {
	facts *facts
	token token.Claims
}

// acceptedByExchange reports whether EWS processed a request with the token.
func (c claims) acceptedByExchange() bool {
	return c.facts.ews.unnamed.accepted() && c.facts.ews.unnamed.code != ""
}

// claimRules explain claims with which Exchange refuses a token.
var claimRules = []rule[claims]{
	{
		when:   func(c claims) bool { return c.token.Audience == "" },
		detail: "the token cannot be read",
		cause:  "it is not a JWT of Entra ID's v1 kind, which is the only one that Exchange takes",
		repair: []string{"compare HMA_RESOURCE_ID with https://{ews}"},
	},
	// Roles belong to the token's audience. Roles for another audience show
	// nothing about Exchange, so the audience is checked before the roles.
	{
		when:   func(c claims) bool { return guid().MatchString(c.token.Audience) && !c.acceptedByExchange() },
		cause:  "the token's audience is a number and not the host of HMA_EWS_URL: the name in HMA_RESOURCE_ID is registered on an application of its own, and not on Office 365 Exchange Online",
		repair: []string{"remove it there (App registrations > the application > Expose an API > Application ID URI), then: {register-resource}"},
	},
	{
		when: func(c claims) bool {
			return !sameOrigin(c.token.Audience, c.facts.config.EWS.URL) && !c.acceptedByExchange()
		},
		cause:  "the token's audience is not the host of HMA_EWS_URL ({ews}), which Exchange compares: HMA_RESOURCE_ID is wrong",
		repair: []string{"set HMA_RESOURCE_ID=https://{ews}, and register it: {register-resource}"},
	},
	{
		when:   func(c claims) bool { return !c.token.FullAccess() && len(c.token.Roles) == 0 },
		cause:  "the roles claim is missing: HMA-App has no application permission full_access_as_app, or admin consent was not granted",
		repair: fullAccessRepairs,
	},
	{
		when:   func(c claims) bool { return !c.token.FullAccess() },
		cause:  "the role full_access_as_app is missing: HMA-App has other permissions than the one that EWS needs",
		repair: fullAccessRepairs,
	},
	{
		when: func(c claims) bool {
			id := tenantID(c.facts)
			return guid().MatchString(id) && !strings.EqualFold(c.token.TenantID, id)
		},
		cause:  "the token is of another tenant than HMA_TENANT_ID",
		repair: []string{"compare HMA_TENANT_ID with the portal: Entra ID > Overview > Tenant ID"},
	},
	{
		when: func(c claims) bool {
			return c.token.AuthKind != "2" && c.facts.config.Federated()
		},
		cause:  "Entra ID issued the token for a federated credential with another appidacr than 2, which Exchange Server demands",
		repair: []string{"set HMA_APP_AUTH=certificate, with one of the sources that docs/setup.md lists"},
	},
	{
		when:   func(c claims) bool { return c.token.AuthKind != "2" },
		cause:  "the token was not obtained with a certificate (appidacr is not 2), which Exchange demands",
		repair: []string{"register the certificate on HMA-App: {register}"},
	},
}

var fullAccessRepairs = codeRepairs(650057, "", "{hma-app}")

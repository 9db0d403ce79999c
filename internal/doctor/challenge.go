package doctor

import (
	"context"
	"fmt"
	"net/http"
	"strings"
)

// gatherExchangeConnection sends an empty bearer token, to which Exchange
// responds with every authentication scheme that it accepts.
func gatherExchangeConnection(ctx context.Context, s *session, f *facts) {
	f.network.exchange = s.connect(ctx, target{url: f.config.EWS.URL, variable: "HMA_EWS_URL", exchange: true}, http.Header{"Authorization": {"Bearer"}})
}

func evaluateExchangeConnection(f *facts) Result {
	c := f.network.exchange
	if c.err != nil {
		return evaluateFailure(f, c)
	}
	r := ok(c.describe())
	if c.route.dials > 1 {
		r.Warnings = []string{longHelloDropped + "; hmaproxy then connects without it: have the device updated (https://tldr.fail), or set HMA_TLS_COMPATIBILITY=classic-groups, which does what GODEBUG=tlsmlkem=0 does for every connection"}
	}
	if c.handshake.wantsCertificate {
		r.Notes = []string{"the server asks for a client certificate and goes on without one: IIS Manager > EWS > SSL Settings > Client certificates: Ignore"}
	}
	return r
}

// gatherChallenge sends Exchange a request with the token if the challenge
// alone does not show whether Exchange accepts bearer tokens.
func gatherChallenge(ctx context.Context, s *session, f *facts) {
	c := bearerChallenge(f.network.exchange.response.header)
	if c != nil && c["authorization_uri"] == "" && !f.ews.unnamed.sent && f.token.grant().Token != "" {
		f.ews.unnamed = getFolder(ctx, s, f, "")
	}
}

// A challenge is the input of the rules about Exchange's challenge, which is
// its response to a request without a token.
type challenge struct {
	facts      *facts
	response   response
	parameters map[string]string // parameters of the Bearer challenge; nil if there is none
}

// evaluateChallenge evaluates what Exchange offers to a client without a token.
func evaluateChallenge(f *facts) Result {
	c := f.network.exchange
	if c.response.status != http.StatusUnauthorized {
		detail := fmt.Sprintf("%s returned %d to a request without a token", c.target.url.Host, c.response.status)
		return evaluateForeignResponse(f, detail, c.response)
	}
	ch := challenge{f, c.response, bearerChallenge(c.response.header)}
	detail := "it offers " + schemes(c.response.header)
	if ch.parameters != nil {
		detail += "; trusted issuers " + quote(ch.parameters["trusted_issuers"]) + ", token types " + quote(ch.parameters["token_types"])
	}
	if e, wrong := explain(challengeRules, ch); wrong {
		return f.names.with("{tenant-id}", tenantID(f)).failed(detail, e)
	}
	if ch.parameters["authorization_uri"] == "" {
		return ok(detail+"; it names no authorization_uri", "Hybrid Modern Authentication is not the default on this server, which nevertheless accepts the token")
	}
	r := ok(detail + "; Hybrid Modern Authentication is on")
	if !fromExchange(c.response.header) && !f.online() {
		r.Notes = append(r.Notes, "the response has none of Exchange's own headers: a device in front removes them, or responds in its place")
	}
	if f.online() {
		r.Notes = append(r.Notes, "this is Exchange Online: EWS there is switched off tenant by tenant since 2026-10-01, stays for the applications in EwsAllowedAppIDs of tenants that opted in, and ends on 2027-04-01")
	}
	return r
}

// challengeRules explain challenges that show that Exchange will not accept the token.
var challengeRules = []rule[challenge]{
	{
		when: func(c challenge) bool {
			return c.parameters == nil && strings.HasPrefix(c.response.header.Get("X-Ms-Diagnostics"), "4000000")
		},
		cause:  hmaOff,
		repair: switchOn,
	},
	{
		when:   func(c challenge) bool { return c.parameters == nil && fromExchange(c.response.header) },
		cause:  "OAuth is switched off on the EWS virtual directory, so that HMA cannot work",
		repair: []string{"on Exchange: Get-WebServicesVirtualDirectory | Set-WebServicesVirtualDirectory -OAuthAuthentication $true; then iisreset", switchOn[0]},
	},
	{
		when:  func(c challenge) bool { return c.parameters == nil },
		cause: "a device in front of Exchange asks for credentials of its own (pre-authentication), or OAuth is off on the EWS virtual directory",
		repair: []string{"have the device pass /EWS/* through without pre-authentication, or set HMA_EWS_CONNECT to reach Exchange past it",
			"on Exchange: Get-WebServicesVirtualDirectory | fl Server,OAuthAuthentication"},
	},
	{
		when: func(c challenge) bool {
			issuers := c.parameters["trusted_issuers"]
			return issuers != "" && !trusts(issuers, tenantID(c.facts))
		},
		cause: "Exchange does not trust the tenant {tenant-id}: HMA_TENANT_ID is not the tenant that this organisation's hybrid set-up was made with, or that was never done",
		repair: []string{"on Exchange: Get-AuthServer | fl Name,Realm,IssuerIdentifier,Enabled",
			"run the Hybrid Configuration Wizard, or correct HMA_TENANT_ID"},
	},
	{
		when: func(c challenge) bool {
			types := c.parameters["token_types"]
			return types != "" && !strings.Contains(types, "service_asserted_app_v1")
		},
		cause:  "Exchange takes no app-only tokens on this virtual directory (service_asserted_app_v1 is not among the token types)",
		repair: []string{"on Exchange: update to a supported cumulative update; Get-WebServicesVirtualDirectory | fl Server,OAuthAuthentication"},
	},
	// The challenge has no authorization_uri: HMA is off. Some servers accept
	// app-only tokens nevertheless.
	{
		when: func(c challenge) bool {
			return c.parameters["authorization_uri"] == "" && !c.facts.ews.unnamed.accepted()
		},
		detail: "{detail}; it names no authorization_uri",
		cause:  hmaOff,
		repair: switchOn,
	},
}

const hmaOff = "Hybrid Modern Authentication (HMA) is not switched on in Exchange"

var switchOn = []string{
	"on Exchange: Set-OrganizationConfig -OAuth2ClientProfileEnabled $true",
	"on Exchange: Get-AuthServer | Where-Object {$_.Type -eq 'AzureAD'} | Set-AuthServer -IsDefaultAuthorizationEndpoint $true     # with several, only the one of this tenant",
}

// trusts reports whether one of the issuers belongs to the tenant or to Exchange
// Online. An issuer looks like 00000001-0000-0000-c000-000000000000@<tenant>. The
// issuer of Exchange Online ends in @*. Issuers name tenants by GUID, so trusts
// returns true if tenant is not a GUID.
func trusts(issuers, tenant string) bool {
	if !guid().MatchString(tenant) {
		return true
	}
	for _, issuer := range strings.Split(issuers, ",") {
		_, realm, _ := strings.Cut(strings.TrimSpace(issuer), "@")
		if realm == "*" || strings.EqualFold(realm, tenant) {
			return true
		}
	}
	return false
}

// fromExchange recognises Exchange's front end by the headers that it adds to
// responses. One of these headers suffices, because some devices remove the
// others. Request-Id suffices only with X-Powered-By: ASP.NET, because other
// servers send Request-Id too.
func fromExchange(h http.Header) bool {
	for _, name := range []string{"X-Feserver", "X-Beserver", "X-Diaginfo", "X-Calculatedbetarget", "X-Ms-Diagnostics"} {
		if h.Get(name) != "" {
			return true
		}
	}
	return h.Get("Request-Id") != "" && h.Get("X-Powered-By") == "ASP.NET"
}

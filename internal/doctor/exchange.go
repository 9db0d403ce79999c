package doctor

import (
	"context"
	"fmt"
	"net/http"
	"strings"
)

// checkChallenge judges what Exchange offers to somebody without a token.
func (x *examination) checkChallenge(ctx context.Context) Result {
	p := x.probes["exchange"]
	if p.status != http.StatusUnauthorized {
		return x.noChallenge(p)
	}
	c := bearerChallenge(p.header)
	detail := "it offers " + schemes(p.header)
	if c == nil {
		return x.noBearer(p, detail)
	}
	detail += "; trusted issuers " + quote(c["trusted_issuers"]) + ", token types " + quote(c["token_types"])
	if issuers := c["trusted_issuers"]; issuers != "" && !trusts(issuers, x.tenant) {
		return failed(detail, "Exchange does not trust the tenant "+x.tenant+": HMA_TENANT_ID is not the tenant that this organisation's hybrid set-up was made with, or that was never done",
			"on Exchange: Get-AuthServer | fl Name,Realm,IssuerIdentifier,Enabled", "run the Hybrid Configuration Wizard, or correct HMA_TENANT_ID")
	}
	if types := c["token_types"]; types != "" && !strings.Contains(types, "service_asserted_app_v1") {
		return failed(detail, "Exchange takes no app-only tokens on this virtual directory (service_asserted_app_v1 is not among the token types)",
			"on Exchange: update to a supported cumulative update; Get-WebServicesVirtualDirectory | fl Server,OAuthAuthentication")
	}
	if c["authorization_uri"] == "" {
		return x.notByDefault(ctx, p, detail)
	}
	return x.seenByExchange(ok(detail+"; Hybrid Modern Authentication is on"), p)
}

// trusts looks for the tenant among issuers like
// 00000001-0000-0000-c000-000000000000@<tenant>; Exchange Online has @*.
func trusts(issuers, tenant string) bool {
	if !guid.MatchString(tenant) {
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

var switchOn = []string{
	"on Exchange: Set-OrganizationConfig -OAuth2ClientProfileEnabled $true",
	"on Exchange: Get-AuthServer | Where-Object {$_.Type -eq 'AzureAD'} | Set-AuthServer -IsDefaultAuthorizationEndpoint $true     # with several, only the one of this tenant",
}

// notByDefault is about a challenge without the address to sign in at: HMA is
// off, which some servers nevertheless take app-only tokens with. Only a token
// can tell, so one is shown before the judgement.
func (x *examination) notByDefault(ctx context.Context, p *probe, detail string) Result {
	detail += "; it names no authorization_uri"
	if x.grant.Token != "" {
		if a := x.ask(ctx, ""); a.err == nil && a.status != http.StatusUnauthorized {
			return ok(detail, "Hybrid Modern Authentication is not the default on this server, which nevertheless takes the token")
		}
	}
	return failed(detail, "Hybrid Modern Authentication (HMA) is not switched on in Exchange", switchOn...)
}

func (x *examination) noBearer(p *probe, detail string) Result {
	if diagnosed := p.header.Get("X-Ms-Diagnostics"); strings.HasPrefix(diagnosed, "4000000") {
		return failed(detail, "Hybrid Modern Authentication (HMA) is not switched on in Exchange", switchOn...)
	}
	if isExchange(p.header) {
		return failed(detail, "OAuth is switched off on the EWS virtual directory, so that HMA cannot work",
			"on Exchange: Get-WebServicesVirtualDirectory | Set-WebServicesVirtualDirectory -OAuthAuthentication $true; then iisreset", switchOn[0])
	}
	return failed(detail, "a device in front of Exchange asks for credentials of its own (pre-authentication), or OAuth is off on the EWS virtual directory",
		"have the device pass /EWS/* through without pre-authentication, or set HMA_EWS_CONNECT to reach Exchange past it",
		"on Exchange: Get-WebServicesVirtualDirectory | fl Server,OAuthAuthentication")
}

// isExchange knows Exchange's front end by headers that it puts into every
// answer, of which devices in front take some away. Request-Id alone is in
// answers of others too.
func isExchange(h http.Header) bool {
	for _, name := range []string{"X-Feserver", "X-Beserver", "X-Diaginfo", "X-Calculatedbetarget", "X-Ms-Diagnostics"} {
		if h.Get(name) != "" {
			return true
		}
	}
	return h.Get("Request-Id") != "" && h.Get("X-Powered-By") == "ASP.NET"
}

// noChallenge is about an answer other than 401 to an empty bearer.
func (x *examination) noChallenge(p *probe) Result {
	detail := fmt.Sprintf("%s answered %d to a request without a token", p.url.Host, p.status)
	switch {
	case p.header.Get("X-Hmaproxy-Error") != "":
		return failed(detail+", as hmaproxy does", "HMA_EWS_URL leads to hmaproxy itself: the name resolves to this machine",
			"set HMA_EWS_CONNECT=host:port to where Exchange is reached from here")
	case p.status >= 300 && p.status < 400, p.status == 451:
		return x.redirected(detail, p.header)
	case p.status == http.StatusBadRequest && strings.HasPrefix(p.header.Get("Server"), "Microsoft-HTTPAPI/"):
		return failed(detail+", as Windows does before IIS", "no site of IIS is bound to "+p.url.Hostname()+": HMA_EWS_URL has a name that this server does not go by",
			"on Exchange: Get-WebBinding | fl protocol,bindingInformation; Get-WebServicesVirtualDirectory | fl ExternalUrl,InternalUrl")
	case p.status == 440: // Login Timeout, which Microsoft's sign-in forms answer
		return failed(detail+" (its sign-in has ended)", "a device in front of Exchange, or Exchange itself, asks for a sign-in by form on this path (pre-authentication)",
			"have the device pass /EWS/* through without pre-authentication, or set HMA_EWS_CONNECT to reach Exchange past it", compareURLs)
	case p.status == http.StatusNotFound:
		return x.wrongPath(detail)
	case p.status == http.StatusForbidden:
		return x.forbiddenAtAll(detail, p.header)
	case p.status == http.StatusTooManyRequests:
		return throttled(detail)
	case p.status >= 500:
		return x.broken(detail, p.status)
	case p.status == http.StatusOK, p.status == http.StatusNotAcceptable:
		return x.page(detail, p.header)
	}
	return failed(detail, "what answered does not behave as Exchange: another server, or a device in front of it",
		compareURLs)
}
func (x *examination) wrongPath(detail string) Result {
	if strings.EqualFold(x.config.EWS.Path, "/EWS/Exchange.asmx") {
		return failed(detail, "there is no EWS under this name: a device in front has not published /EWS/*, the name leads to another server, or the virtual directory is missing",
			compareURLs+"     # the path is /EWS/Exchange.asmx everywhere", "on the device in front publish /EWS/* as it does /owa; a missing directory comes back by New-WebServicesVirtualDirectory")
	}
	return failed(detail, "the path in HMA_EWS_URL is wrong ("+x.config.EWS.Path+"), or EWS is not published under this name",
		"set HMA_EWS_URL=https://"+x.config.EWS.Host+"/EWS/Exchange.asmx, and compare: Get-WebServicesVirtualDirectory | fl ExternalUrl,InternalUrl")
}

func (x *examination) forbiddenAtAll(detail string, h http.Header) Result {
	if x.online {
		return failed(detail, "EWS in Exchange Online is blocked since 2026-10-01 unless the tenant opted in, and ends on 2027-04-01", "move the software to Microsoft Graph; until then: Set-OrganizationConfig -EwsEnabled $true with the app in EwsAllowedAppIDs")
	}
	if !isExchange(h) && strings.HasPrefix(h.Get("Server"), "Microsoft-IIS/") {
		return failed(detail, "IIS itself forbids the request, before Exchange sees it: it wants a client certificate (403.7), TLS that ends at a device in front (403.4), or another address (403.6, 403.502)",
			"on Exchange the number behind 403 stands in the log of IIS: Select-String ' 403 ' C:\\inetpub\\logs\\LogFiles\\W3SVC1\\*.log | Select-Object -Last 5",
			"IIS Manager > Default Web Site > EWS > SSL Settings > Client certificates: Ignore; and > IP Address and Domain Restrictions")
	}
	if isExchange(h) {
		return failed(detail, "Exchange forbids EWS to this program: EwsApplicationAccessPolicy, EWS disabled for organisation or mailbox, or IP restrictions in IIS",
			"on Exchange: Get-OrganizationConfig | fl Ews*; Get-CASMailbox ADDRESS | fl Ews*")
	}
	return failed(detail, "a firewall (WAF) or another device in front of Exchange forbids the request", "have it permit POST of /EWS/Exchange.asmx from this machine, or set HMA_EWS_CONNECT to reach Exchange past it")
}

func throttled(detail string) Result {
	return failed(detail, "Exchange, or a device in front of it, limits the rate of requests from here", "try again in some minutes; on Exchange: Get-ThrottlingPolicy | fl Name,Ews*")
}

func (x *examination) broken(detail string, status int) Result {
	cause := "Exchange has a problem: the application pool MSExchangeServicesAppPool is stopped, or the server is starting or in maintenance"
	if status == http.StatusBadGateway || status == http.StatusGatewayTimeout || status >= 520 { // beyond: those of content networks
		cause = "the load balancer or gateway in front reaches no healthy Exchange Server"
	}
	return failed(detail, cause, "on Exchange: Get-ServerComponentState SERVER; Test-ServiceHealth; Restart-WebAppPool MSExchangeServicesAppPool")
}

// seenByExchange adds what is worth to be known of the one who answered.
func (x *examination) seenByExchange(r Result, p *probe) Result {
	if !isExchange(p.header) && !x.online {
		r.Notes = append(r.Notes, "the answer carries none of Exchange's own headers: a device in front removes them, or answers in its place")
	}
	if x.online {
		r.Notes = append(r.Notes, "this is Exchange Online: EWS there is blocked since 2026-10-01 without opt-in, and ends on 2027-04-01")
	}
	return r
}

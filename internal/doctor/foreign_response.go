package doctor

import (
	"net/http"
	"net/url"
	"strings"

	"hmaproxy/internal/config"
)

// A foreignResponse is the input of the rules about responses that are neither
// Exchange's challenge nor from EWS.
type foreignResponse struct {
	facts    *facts
	status   int
	header   http.Header
	location *url.URL // target of a redirection; never nil
}

// evaluateForeignResponse explains a response, other than a challenge, to a
// request without a token.
func evaluateForeignResponse(f *facts, detail string, r response) Result {
	return newForeignResponse(f, r.status, r.header).evaluate(detail, foreignResponses)
}

func newForeignResponse(f *facts, status int, header http.Header) foreignResponse {
	location := header.Get("Location")
	if location == "" {
		location = header.Get("X-Ms-Location")
	}
	u, err := f.config.EWS.Parse(location)
	if err != nil || location == "" {
		u = &url.URL{}
	}
	return foreignResponse{facts: f, status: status, header: header, location: u}
}

func (r foreignResponse) evaluate(detail string, rules []rule[foreignResponse]) Result {
	n := r.facts.names.with("{redirect-host}", quote(r.location.Host), "{redirect-path}", quote(r.location.Path))
	return n.failed(detail, must(explain(rules, r)))
}

// redirects reports whether the response is a redirect: a status from 300 to
// 399, or 451, which Exchange uses with X-MS-Location. A redirect does not come
// from EWS, which redirects no request with a bearer token.
func (r foreignResponse) redirects() bool {
	return r.status >= 300 && r.status < 400 || r.status == http.StatusUnavailableForLegalReasons
}

// otherPath reports whether the redirection leads to another path on the same
// host.
func (r foreignResponse) otherPath() bool {
	ews := r.facts.config.EWS
	return strings.EqualFold(r.location.Host, ews.Host) && !strings.EqualFold(r.location.Path, ews.Path)
}

// fromGateway reports whether the status is a status that gateways send when
// they cannot reach a server. Content delivery networks use statuses from 520
// for this purpose.
func (r foreignResponse) fromGateway() bool {
	return r.status == http.StatusBadGateway || r.status == http.StatusGatewayTimeout || r.status >= 520
}

const (
	passEWS        = "have the device pass /EWS/* through, or set HMA_EWS_CONNECT to reach Exchange past it"
	passEWSNoLogin = "have the device pass /EWS/* through without pre-authentication, or set HMA_EWS_CONNECT to reach Exchange past it"
	serverHealth   = "on Exchange: Get-ServerComponentState SERVER; Test-ServiceHealth; Restart-WebAppPool MSExchangeServicesAppPool"
)

// foreignResponses explain responses to a request without a token.
var foreignResponses = joinRules([]rule[foreignResponse]{
	{
		when:   func(r foreignResponse) bool { return r.header.Get("X-Hmaproxy-Error") != "" },
		detail: "{detail}, as hmaproxy does",
		cause:  "HMA_EWS_URL leads to hmaproxy itself: the name resolves to this machine",
		repair: []string{"set HMA_EWS_CONNECT=host:port to where Exchange is reached from here"},
	},
}, redirections, []rule[foreignResponse]{
	{
		when: func(r foreignResponse) bool {
			return r.status == http.StatusBadRequest && strings.HasPrefix(r.header.Get("Server"), "Microsoft-HTTPAPI/")
		},
		detail: "{detail}, as Windows does before IIS",
		cause:  "no site of IIS is bound to {ews-hostname}: HMA_EWS_URL has a name that this server does not have",
		repair: []string{"on Exchange: Get-WebBinding | fl protocol,bindingInformation; Get-WebServicesVirtualDirectory | fl ExternalUrl,InternalUrl"},
	},
	{
		when:   func(r foreignResponse) bool { return r.status == statusLoginTimeout },
		detail: "{detail} (its sign-in has ended)",
		cause:  "a device in front of Exchange, or Exchange itself, asks for a sign-in by form on this path (pre-authentication)",
		repair: []string{passEWSNoLogin, "{ews-url-check}"},
	},
}, refusals, serverErrors, []rule[foreignResponse]{
	{
		when: func(r foreignResponse) bool {
			return (r.status == http.StatusOK || r.status == http.StatusNotAcceptable) && strings.Contains(r.header.Get("Content-Type"), "text/html") && !fromExchange(r.header)
		},
		detail: "{detail} with a page of HTML",
		cause:  "something in front of Exchange responds in its place: the sign-in page of a device (pre-authentication), a firewall's (WAF) page of refusal, a captive portal; or it is another server, not Exchange",
		repair: []string{passEWS, "{ews-url-check}"},
	},
	{
		when:   func(r foreignResponse) bool { return r.status == http.StatusOK || r.status == http.StatusNotAcceptable },
		cause:  "what responded is not Exchange's EWS, which always asks for a token: another server, a captive portal, or a device that responds in its place",
		repair: []string{"{ews-url-check}", passEWS},
	},
	{
		cause:  "what responded does not behave as Exchange: another server, or a device in front of it",
		repair: []string{"{ews-url-check}"},
	},
})

// statusLoginTimeout is sent by Microsoft's sign-in forms.
const statusLoginTimeout = 440

// responsesWithToken explain responses that did not come from EWS. The requests
// had a token.
var responsesWithToken = joinRules(refusals, redirections, []rule[foreignResponse]{
	{
		when:   func(r foreignResponse) bool { return r.status >= 400 && r.status < 500 },
		cause:  "a device in front of Exchange does not take EWS requests, or the token's header is too large for it (4 to 8 KiB are needed)",
		repair: []string{"have the device permit POST of /EWS/Exchange.asmx with headers of 16 KiB"},
	},
}, serverErrors, []rule[foreignResponse]{
	{
		cause:  "what responded is not EWS: a page of a device in front of Exchange, or of another server",
		repair: []string{"have the device pass /EWS/* through", "{ews-url-check}"},
	},
})

func joinRules(tables ...[]rule[foreignResponse]) []rule[foreignResponse] {
	var all []rule[foreignResponse]
	for _, t := range tables {
		all = append(all, t...)
	}
	return all
}

var redirections = []rule[foreignResponse]{
	{
		when:   func(r foreignResponse) bool { return r.redirects() && config.ExchangeOnline(r.location) },
		detail: redirectsTo,
		cause:  "the server sends EWS on to Exchange Online: the mailboxes were moved there, or the name in HMA_EWS_URL is no longer that of Exchange Server",
		repair: []string{"{ews-url-check}", "on Exchange: Get-Recipient ADDRESS | fl RecipientTypeDetails     # RemoteUserMailbox: it is in Exchange Online, which hmaproxy is not for"},
	},
	{
		when: func(r foreignResponse) bool {
			return r.redirects() && strings.HasSuffix(strings.ToLower(r.location.Path), "/errorfe.aspx")
		},
		detail: redirectsTo + ", path {redirect-path}",
		cause:  "Exchange's front end redirects to its own error page: it found no server for the request",
		repair: []string{"on Exchange look into Logging\\HttpProxy\\Ews; Get-ServerComponentState SERVER; Test-ServiceHealth"},
	},
	{
		when:   func(r foreignResponse) bool { return r.redirects() && r.otherPath() },
		detail: redirectsTo + ", path {redirect-path}",
		cause:  "a redirection on the server takes the request to another page of it: one of the Default Web Site (to /owa) that EWS inherits, or the sign-in page of a device in front (pre-authentication)",
		repair: []string{`on Exchange: C:\Windows\System32\inetsrv\appcmd.exe set config "Default Web Site/EWS" -section:httpRedirect -enabled:false -commit:apphost; then iisreset`,
			"on a device in front: have it pass /EWS/* through without pre-authentication"},
	},
	{
		when:   foreignResponse.redirects,
		detail: redirectsTo,
		cause:  "a device in front of Exchange (pre-authentication: AD FS, WAP, an application gateway) or a redirection rule takes the request to a page for people",
		repair: []string{passEWS},
	},
}

const redirectsTo = "{detail} and redirects to {redirect-host}"

// refusals explain responses with the statuses 404, 403 and 429.
var refusals = []rule[foreignResponse]{
	{
		when: func(r foreignResponse) bool {
			return r.status == http.StatusNotFound && strings.EqualFold(r.facts.config.EWS.Path, "/EWS/Exchange.asmx")
		},
		cause: "there is no EWS under this name: a device in front has not published /EWS/*, the name leads to another server, or the virtual directory is missing",
		repair: []string{"{ews-url-check}     # the path is /EWS/Exchange.asmx everywhere",
			"on the device in front publish /EWS/* as it does /owa; a missing directory comes back by New-WebServicesVirtualDirectory"},
	},
	{
		when:   func(r foreignResponse) bool { return r.status == http.StatusNotFound },
		cause:  "the path in HMA_EWS_URL is wrong ({ews-path}), or EWS is not published under this name",
		repair: []string{"set HMA_EWS_URL=https://{ews-host}/EWS/Exchange.asmx, and compare: Get-WebServicesVirtualDirectory | fl ExternalUrl,InternalUrl"},
	},
	{
		when:   func(r foreignResponse) bool { return r.status == http.StatusForbidden && r.facts.online() },
		cause:  "EWS in Exchange Online is switched off tenant by tenant since 2026-10-01, stays for the applications in EwsAllowedAppIDs of tenants that opted in, and ends on 2027-04-01",
		repair: []string{"move the client to Microsoft Graph; until then: Set-OrganizationConfig -EwsEnabled $true with the app in EwsAllowedAppIDs"},
	},
	{
		when: func(r foreignResponse) bool {
			return r.status == http.StatusForbidden && !fromExchange(r.header) && strings.HasPrefix(r.header.Get("Server"), "Microsoft-IIS/")
		},
		cause: "IIS itself forbids the request, before Exchange sees it: it wants a client certificate (403.7), TLS that ends at a device in front (403.4), or another address (403.6, 403.502)",
		repair: []string{"on Exchange the number behind 403 is in the log of IIS: Select-String ' 403 ' C:\\inetpub\\logs\\LogFiles\\W3SVC1\\*.log | Select-Object -Last 5",
			"IIS Manager > Default Web Site > EWS > SSL Settings > Client certificates: Ignore; and > IP Address and Domain Restrictions"},
	},
	{
		when:   func(r foreignResponse) bool { return r.status == http.StatusForbidden && fromExchange(r.header) },
		cause:  "Exchange forbids EWS to this program: EwsApplicationAccessPolicy, EWS disabled for organisation or mailbox, or IP restrictions in IIS",
		repair: []string{"on Exchange: Get-OrganizationConfig | fl Ews*; Get-CASMailbox ADDRESS | fl Ews*"},
	},
	{
		when:   func(r foreignResponse) bool { return r.status == http.StatusForbidden },
		cause:  "a firewall (WAF) or another device in front of Exchange forbids the request",
		repair: []string{"have it permit POST of /EWS/Exchange.asmx from this machine, or set HMA_EWS_CONNECT to reach Exchange past it"},
	},
	{
		when:   func(r foreignResponse) bool { return r.status == http.StatusTooManyRequests },
		cause:  "Exchange, or a device in front of it, limits the rate of requests from here",
		repair: []string{"try again in some minutes; on Exchange: Get-ThrottlingPolicy | fl Name,Ews*"},
	},
}

var serverErrors = []rule[foreignResponse]{
	{
		when:   foreignResponse.fromGateway,
		cause:  "the load balancer or gateway in front reaches no healthy Exchange Server",
		repair: []string{serverHealth},
	},
	{
		when:   func(r foreignResponse) bool { return r.status >= 500 },
		cause:  "Exchange has a problem: the application pool MSExchangeServicesAppPool is stopped, or the server is starting or in maintenance",
		repair: []string{serverHealth},
	},
}

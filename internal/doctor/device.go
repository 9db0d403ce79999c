package doctor

import (
	"net/http"
	"net/url"
	"strings"

	"hmaproxy/internal/config"
)

const compareURLs = "compare HMA_EWS_URL with: Get-WebServicesVirtualDirectory | fl ExternalUrl,InternalUrl"

// redirected is about an answer that sends the request elsewhere, which EWS
// itself never does to one with a Bearer.
func (x *examination) redirected(detail string, h http.Header) Result {
	location := h.Get("Location")
	if location == "" {
		location = h.Get("X-Ms-Location")
	}
	u, err := x.config.EWS.Parse(location)
	if err != nil || location == "" {
		u = &url.URL{}
	}
	detail += " and redirects to " + quote(u.Host)
	switch {
	case config.ExchangeOnline(u):
		return failed(detail, "the server sends EWS on to Exchange Online: the mailboxes were moved there, or the name in HMA_EWS_URL is no longer that of Exchange Server",
			compareURLs, "on Exchange: Get-Recipient ADDRESS | fl RecipientTypeDetails     # RemoteUserMailbox: it is in Exchange Online, which hmaproxy is not for")
	case strings.HasSuffix(strings.ToLower(u.Path), "/errorfe.aspx"):
		return failed(detail+", path "+quote(u.Path), "Exchange's front end redirects to its own error page: it found no server for the request",
			"on Exchange look into Logging\\HttpProxy\\Ews; Get-ServerComponentState SERVER; Test-ServiceHealth")
	case strings.EqualFold(u.Host, x.config.EWS.Host) && !strings.EqualFold(u.Path, x.config.EWS.Path):
		return failed(detail+", path "+quote(u.Path), "a redirection on the server takes the request to another page of it: one of the Default Web Site (to /owa) that EWS inherits, or the sign-in page of a device in front (pre-authentication)",
			`on Exchange: C:\Windows\System32\inetsrv\appcmd.exe set config "Default Web Site/EWS" -section:httpRedirect -enabled:false -commit:apphost; then iisreset`,
			"on a device in front: have it pass /EWS/* through without pre-authentication")
	}
	return failed(detail, "a device in front of Exchange (pre-authentication: AD FS, WAP, an application gateway) or a redirection rule takes the request to a page for people",
		"have the device pass /EWS/* through, or set HMA_EWS_CONNECT to reach Exchange past it")
}

// page is about a document in the place of Exchange's challenge.
func (x *examination) page(detail string, h http.Header) Result {
	const past = "have the device pass /EWS/* through, or set HMA_EWS_CONNECT to reach Exchange past it"
	if strings.Contains(h.Get("Content-Type"), "text/html") && !isExchange(h) {
		return failed(detail+" with a page of HTML", "something in front of Exchange answers in its place: the sign-in page of a device (pre-authentication), a firewall's (WAF) page of refusal, a captive portal; or it is another server, not Exchange",
			past, compareURLs)
	}
	return failed(detail, "what answered is not Exchange's EWS, which always asks for a token: another server, a captive portal, or a device that answers in its place",
		compareURLs, past)
}

// otherHost reads from a refusal for the audience's sake by which name Exchange
// was called, in its opinion.
func (x *examination) otherHost(reason string) (cause string, repair []string) {
	_, rest, found := strings.Cut(reason, "Expected '")
	expected, _, closed := strings.Cut(rest, "'")
	u, err := url.Parse(expected)
	switch {
	case !found || !closed || err != nil || u.Host == "":
		return "", nil
	case u.Scheme == "http":
		return "TLS ends at a device in front of Exchange, which passes the request on as plain http: Exchange takes itself for " + expected + " then, and no token's audience is that",
			[]string{"have the load balancer speak https to Exchange too (SSL bridging instead of offloading)"}
	case !strings.EqualFold(origin(u), origin(x.config.EWS.URL)):
		return "a device in front of Exchange replaces the Host header, so that Exchange expects the audience " + expected + " and not the host of HMA_EWS_URL",
			[]string{"have the device pass the Host header on unchanged (" + origin(x.config.EWS.URL) + ")", "or set HMA_EWS_URL and HMA_RESOURCE_ID to " + expected + ", and HMA_EWS_CONNECT to where it is reached from here"}
	}
	return "", nil
}

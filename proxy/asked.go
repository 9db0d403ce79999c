package proxy

import (
	"strings"

	"golang.org/x/net/http/httpguts"

	"hmaproxy/internal/ascii"
	"hmaproxy/proxy/internal/autodiscover"
)

// A Service is a service that a client requests on a path that is not served.
// The set is closed.
type Service string

// The services that clients of Exchange request.
const (
	ServiceNone           Service = ""
	ServiceAutodiscover   Service = "autodiscover"
	ServiceOWA            Service = "owa"
	ServiceMAPI           Service = "mapi"
	ServiceEAS            Service = "eas"              // Exchange ActiveSync
	ServiceEWSWithoutAsmx Service = "ews-without-asmx" // "/EWS/", "/EWS/Exchange"
	ServiceOther          Service = "other"
)

// serviceOf returns the service that a request was meant for. The proxy does not
// serve target, the path and query of the request.
func serviceOf(target string) Service {
	path, _, _ := strings.Cut(target, "?")
	path = ascii.ToLower(path)
	for _, s := range [...]struct {
		prefix  string
		service Service
	}{
		{"/autodiscover", ServiceAutodiscover}, {"/owa", ServiceOWA}, {"/ecp", ServiceOWA}, {"/mapi", ServiceMAPI}, {"/rpc", ServiceMAPI},
		{"/microsoft-server-activesync", ServiceEAS},
	} {
		if rest, ok := strings.CutPrefix(path, s.prefix); ok && (rest == "" || rest[0] == '/' || rest[0] == '.') {
			return s.service
		}
	}
	if (path == "/ews" || strings.HasPrefix(path, "/ews/")) && !strings.Contains(path, ".asmx") {
		return ServiceEWSWithoutAsmx
	}
	return ServiceOther
}

// pathDetail returns the text for a client that requests a service on a path
// that is not served. It returns "" if the text of ReasonPath applies.
func (c *Config) pathDetail(asked Service) string {
	switch {
	case asked != ServiceAutodiscover:
		return ""
	case c.Autodiscover == nil:
		return ReasonPath.Text() + "; Autodiscover is served when {autodiscover} is set"
	}
	return "of Autodiscover, only " + autodiscoverSOAP + ", " + autodiscoverPOX + " and " + autodiscover.JSONPath + " are served here"
}

// maxProduct limits the length of a Record's Product, in bytes.
const maxProduct = 48

// product returns the first product of a User-Agent, such as
// "ExchangeServicesClient/15.00.0913.015". It returns "" if the header does not
// begin with a product as RFC 9110, section 10.1.5, defines it.
func product(userAgent string) string {
	first, _, _ := strings.Cut(userAgent, " ")
	if len(first) > maxProduct {
		first = first[:maxProduct]
	}
	for i := range len(first) {
		if c := first[i]; c != '/' && !httpguts.IsTokenRune(rune(c)) {
			return ""
		}
	}
	return strings.Clone(first) // a copy, because the Record would otherwise keep the memory of the whole head in use
}

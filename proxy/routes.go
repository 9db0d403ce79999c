package proxy

import (
	"net/url"
	"strings"

	"hmaproxy/proxy/internal/ascii"
)

// endpointPath is where clients send their requests. It does not depend on the
// path of the configured EWS URL.
const endpointPath = "/EWS/Exchange.asmx"

// routes maps the raw targets that are served to routes.
type routes map[string]route

// A route is what a target stands for. The zero route is not served.
type route struct {
	known    bool
	document *url.URL // what a GET fetches; nil for the endpoint itself
}

func newRoutes(ews *url.URL) routes {
	sibling := func(name string) *url.URL {
		u := *ews
		u.Path = ews.Path[:strings.LastIndexByte(ews.Path, '/')+1] + name
		return &u
	}
	wsdl := *ews
	wsdl.RawQuery = "wsdl"
	return routes{
		endpointPath:                          {known: true}, // as most clients write it: found without folding
		ascii.ToLower(endpointPath):           {known: true},
		ascii.ToLower(endpointPath) + "?wsdl": {known: true, document: &wsdl},
		"/ews/services.wsdl":                  {known: true, document: sibling("Services.wsdl")},
		"/ews/messages.xsd":                   {known: true, document: sibling("messages.xsd")},
		"/ews/types.xsd":                      {known: true, document: sibling("types.xsd")},
	}
}

// find compares the raw target in ASCII letter case only: no decoding, no
// cleaning, nothing that could make two targets one.
func (t routes) find(target string) route {
	if len(target) > len(endpointPath)+len("?wsdl") {
		return route{}
	}
	if route, found := t[target]; found {
		return route
	}
	return t[ascii.ToLower(target)]
}

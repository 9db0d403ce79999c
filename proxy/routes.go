package proxy

import (
	"net/url"
	"strings"

	"hmaproxy/internal/ascii"
	"hmaproxy/proxy/internal/autodiscover"
)

// endpointPath is the path to which clients send their requests. It does not
// depend on the path of the configured EWS URL.
const endpointPath = "/EWS/Exchange.asmx"

// Paths of Autodiscover requests whose body is XML. autodiscover.JSONPath is the
// third path.
const (
	autodiscoverSOAP = "/autodiscover/autodiscover.svc"
	autodiscoverPOX  = "/autodiscover/autodiscover.xml"
)

// routes contains the routes of the raw targets that are served. The method find
// recognises JSON requests of Autodiscover by their form.
type routes struct {
	exact        map[string]route
	longest      int  // length of the longest target in exact
	autodiscover bool // whether Autodiscover requests are served
}

// A route is the meaning of a target. The zero route means that the target is
// not served.
type route struct {
	known        bool
	document     *url.URL          // the document that a GET fetches; nil for the endpoint itself and for Autodiscover
	autodiscover autodiscover.Form // form of the Autodiscover path; NoForm for EWS
}

func newRoutes(ews *url.URL, withAutodiscover bool) routes {
	sibling := func(name string) *url.URL {
		u := *ews
		u.Path = ews.Path[:strings.LastIndexByte(ews.Path, '/')+1] + name
		return &u
	}
	wsdl := *ews
	wsdl.RawQuery = "wsdl"
	t := routes{autodiscover: withAutodiscover, exact: map[string]route{
		endpointPath:                          {known: true}, // the usual letter case, so that the method find need not convert the target to lower case
		ascii.ToLower(endpointPath):           {known: true},
		ascii.ToLower(endpointPath) + "?wsdl": {known: true, document: &wsdl},
		"/ews/services.wsdl":                  {known: true, document: sibling("Services.wsdl")},
		"/ews/messages.xsd":                   {known: true, document: sibling("messages.xsd")},
		"/ews/types.xsd":                      {known: true, document: sibling("types.xsd")},
	}}
	if withAutodiscover {
		t.exact[autodiscoverSOAP] = route{known: true, autodiscover: autodiscover.SOAP}
		t.exact[autodiscoverPOX] = route{known: true, autodiscover: autodiscover.POX}
	}
	for target := range t.exact {
		t.longest = max(t.longest, len(target))
	}
	return t
}

// find returns the route of a raw target. It ignores ASCII letter case. It does not
// decode or clean the target, because different targets could become equal. In a
// JSON request of Autodiscover, the address and the protocol are decoded later.
func (t *routes) find(target string) route {
	if found, ok := t.exact[target]; ok {
		return found
	}
	if len(target) <= t.longest {
		if found, ok := t.exact[ascii.ToLower(target)]; ok {
			return found
		}
	}
	if t.autodiscover && autodiscover.IsJSON(target) {
		return route{known: true, autodiscover: autodiscover.JSON}
	}
	return route{}
}

package proxy

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// A denial is the guard's refusal: a plain status and text, and the connection
// is closed.
type denial struct {
	status int
	reason Reason // for X-Hmaproxy-Error, log and metric
	text   string // for a person at the client
}

// guard decides on the request line and the headers alone who may come in.
func (h *Handler) guard(r *http.Request) *denial {
	for _, check := range [...]func(*http.Request) *denial{
		protocol, h.host, h.foreign, headerLimits, h.where,
	} {
		if d := check(r); d != nil {
			return d
		}
	}
	return nil
}

// protocol admits HTTP/1.1 and 1.0 with a target that is a plain path.
func protocol(r *http.Request) *denial {
	switch {
	case r.ProtoMajor != 1 || r.ProtoMinor > 1:
		return &denial{http.StatusHTTPVersionNotSupported, ReasonProtocol, "HTTP/1.1 and HTTP/1.0 only"}
	case r.Method == http.MethodConnect, r.Method == http.MethodTrace, r.Method == http.MethodOptions:
		return methodDenied()
	case !strings.HasPrefix(r.RequestURI, "/"), r.URL.Host != "":
		return &denial{http.StatusBadRequest, ReasonTarget,
			"this is not a forward proxy: send the path alone, /EWS/Exchange.asmx"}
	}
	return nil
}

func methodDenied() *denial {
	return &denial{http.StatusMethodNotAllowed, ReasonMethod, "POST SOAP requests to " + endpointPath}
}

// host stops DNS rebinding: a page that was rebound to 127.0.0.1 carries its
// own name in Host.
func (h *Handler) host(r *http.Request) *denial {
	if h.hosts[hostName(r.Host)] {
		return nil
	}
	return &denial{http.StatusMisdirectedRequest, ReasonHost,
		"the Host header names neither localhost, 127.0.0.1 nor [::1]; further names are set by HMA_HOST_NAMES"}
}

// hostName returns the name in a Host header in lower case, "" when the header
// is not a name with perhaps a port.
func hostName(host string) string {
	name, port, found := host, "", false
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		name, port, found = host[:i], host[i+1:], true
	}
	if found && !isPort(port) {
		return ""
	}
	return lowerASCII(name)
}

func isPort(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return 0 < len(s) && len(s) <= 5
}

// hostNames returns the set of names that a Host header may carry.
func hostNames(further []string) map[string]bool {
	names := map[string]bool{"localhost": true, "127.0.0.1": true, "[::1]": true}
	for _, name := range further {
		names[lowerASCII(name)] = true
	}
	return names
}

// foreign refuses whatever a web page can make a browser send. Node's fetch
// sends a lone Sec-Fetch-Mode, so that header says nothing.
func (h *Handler) foreign(r *http.Request) *denial {
	for _, name := range [...]string{"Origin", "Sec-Fetch-Site", "Sec-Fetch-Dest"} {
		if _, present := r.Header[name]; present {
			return &denial{http.StatusForbidden, ReasonBrowser, "requests from browsers are refused"}
		}
	}
	if h.browser.Check(r) != nil {
		return &denial{http.StatusForbidden, ReasonBrowser, "requests from browsers are refused"}
	}
	return nil
}

// headerLimits bounds number and size of the headers and refuses a second
// value where two readers may each believe another one.
func headerLimits(r *http.Request) *denial {
	lines, size := 0, 0
	for name, values := range r.Header {
		lines += len(values)
		for _, v := range values {
			size += len(name) + len(v) + len(": \r\n")
		}
		if len(values) > 1 && singleValued[name] {
			return &denial{http.StatusBadRequest, ReasonHeaders, "the header " + name + " was sent more than once"}
		}
	}
	if lines > maxHeaders || size > maxHeaderBytes {
		return &denial{http.StatusBadRequest, ReasonHeaders,
			fmt.Sprintf("more than %d headers or %d bytes of them", maxHeaders, maxHeaderBytes)}
	}
	return nil
}

// where admits the endpoint and its documents, each by its methods.
func (h *Handler) where(r *http.Request) *denial {
	place := h.routes.find(r.RequestURI)
	read := r.Method == http.MethodGet || r.Method == http.MethodHead && place.document == nil
	switch {
	case !place.known:
		return &denial{http.StatusNotFound, ReasonPath, "only " + endpointPath + " is served here"}
	case r.Method == http.MethodPost && place.document == nil:
		return nil
	case !read:
		return methodDenied()
	case r.ContentLength != 0:
		return &denial{http.StatusBadRequest, ReasonBody, "a GET carries no body here"}
	}
	return nil
}

// endpointPath is where clients send their requests, whatever the path of the
// configured EWS URL.
const endpointPath = "/EWS/Exchange.asmx"

// routes maps the raw targets that exist here to the URLs upstream.
type routes map[string]place

// A place is what a target stands for.
type place struct {
	known    bool
	document *url.URL // what a GET fetches; nil for the endpoint itself
}

func newRoutes(ews *url.URL) routes {
	beside := func(name string) *url.URL {
		u := *ews
		u.Path = ews.Path[:strings.LastIndexByte(ews.Path, '/')+1] + name
		return &u
	}
	wsdl := *ews
	wsdl.RawQuery = "wsdl"
	return routes{
		endpointPath:                       {known: true}, // as most clients write it, found without folding
		lowerASCII(endpointPath):           {known: true},
		lowerASCII(endpointPath) + "?wsdl": {known: true, document: &wsdl},
		"/ews/services.wsdl":               {known: true, document: beside("Services.wsdl")},
		"/ews/messages.xsd":                {known: true, document: beside("messages.xsd")},
		"/ews/types.xsd":                   {known: true, document: beside("types.xsd")},
	}
}

// find compares the raw target in ASCII letter case only: no decoding, no
// cleaning, nothing that could make two targets one.
func (t routes) find(target string) place {
	if len(target) > len(endpointPath)+len("?wsdl") {
		return place{}
	}
	if place, found := t[target]; found {
		return place
	}
	return t[lowerASCII(target)]
}

// lowerASCII folds A to Z and nothing else.
func lowerASCII(s string) string {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			return foldASCII(s)
		}
	}
	return s
}

func foldASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

package proxy

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"hmaproxy/internal/ascii"
	"hmaproxy/proxy/internal/autodiscover"
)

// check decides from the request line and the headers whether a request is
// served, and finds its route.
func (h *Handler) check(r *http.Request) (route, *problem) {
	for _, check := range [...]func(*http.Request) *problem{
		checkProtocol, h.checkHost, h.checkBrowser, checkHeaders,
	} {
		if p := check(r); p != nil {
			return route{}, p
		}
	}
	return h.checkRoute(r)
}

// checkProtocol refuses versions other than HTTP/1.1 and 1.0, the methods CONNECT,
// TRACE and OPTIONS, and targets that do not begin with a path.
func checkProtocol(r *http.Request) *problem {
	switch {
	case r.ProtoMajor != 1 || r.ProtoMinor > 1:
		return malformed(http.StatusHTTPVersionNotSupported, ReasonProtocol)
	case r.Method == http.MethodConnect, r.Method == http.MethodTrace, r.Method == http.MethodOptions:
		return rejected(http.StatusMethodNotAllowed, ReasonMethod)
	case !strings.HasPrefix(r.RequestURI, "/"), r.URL.Host != "":
		return malformed(http.StatusBadRequest, ReasonTarget)
	}
	return nil
}

// checkHost prevents DNS rebinding: if the host name of a web page was rebound
// to 127.0.0.1, the page's requests have that name in Host.
func (h *Handler) checkHost(r *http.Request) *problem {
	name := hostName(r.Host)
	if h.hosts[name] || name != "" && name == ownLoopback(r) {
		return nil
	}
	p := rejected(http.StatusMisdirectedRequest, ReasonHost)
	p.detail = ReasonHost.Text() + "; further names are set by {host-names}"
	return p
}

// ownLoopback returns the address to which the client has connected, if that is
// a loopback address, such as 127.0.0.2, else "".
func ownLoopback(r *http.Request) string {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return ""
	}
	address, err := netip.ParseAddrPort(local.String())
	if err != nil || !address.Addr().Unmap().IsLoopback() {
		return ""
	}
	return address.Addr().Unmap().String()
}

// hostName returns the host of a Host header in lower case, without the port.
// It returns "" if the header is malformed, for example if the text after the
// colon is not a port.
func hostName(host string) string {
	i := strings.LastIndexByte(host, ':')
	switch {
	case i < 0 || strings.HasSuffix(host, "]"):
		return ascii.ToLower(host)
	case isPort(host[i+1:]):
		return ascii.ToLower(host[:i])
	}
	return ""
}

func isPort(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return 0 < len(s) && len(s) <= 5
}

// hostNames returns the set of names that a Host header may contain.
func hostNames(further []string) map[string]bool {
	names := map[string]bool{"localhost": true, "127.0.0.1": true, "[::1]": true}
	for _, name := range further {
		names[ascii.ToLower(name)] = true
	}
	return names
}

// checkBrowser refuses every request that a browser sends for a web page.
// Sec-Fetch-Mode alone does not identify a browser: Node's fetch sends it too.
func (h *Handler) checkBrowser(r *http.Request) *problem {
	_, origin := r.Header["Origin"]
	_, site := r.Header["Sec-Fetch-Site"]
	_, dest := r.Header["Sec-Fetch-Dest"]
	switch {
	case !origin && !site && !dest:
	case !origin && nativeFetch(r):
	default:
		return rejected(http.StatusForbidden, ReasonBrowser)
	}
	if h.browser.Check(r) != nil {
		return rejected(http.StatusForbidden, ReasonBrowser)
	}
	return nil
}

// nativeFetch reports whether a request without Origin comes from a native
// client that uses a browser's network stack, such as Thunderbird.
// Sec-Fetch-Site is "none" if no page has caused the request. A browser also
// sends "none" if a person uses the address bar or a bookmark, but then the
// request is a GET whose destination is a document.
func nativeFetch(r *http.Request) bool {
	site, dest := r.Header["Sec-Fetch-Site"], r.Header["Sec-Fetch-Dest"]
	return r.Method == http.MethodPost && isXML(value(r.Header, "Content-Type")) &&
		len(site) == 1 && site[0] == "none" &&
		(len(dest) == 0 || len(dest) == 1 && dest[0] == "empty")
}

// checkHeaders limits the number and the size of the headers. It also refuses a
// second value of a header in singleValued, because different programs may use
// different values.
func checkHeaders(r *http.Request) *problem {
	lines, size := 0, 0
	for name, values := range r.Header {
		lines += len(values)
		for _, v := range values {
			size += len(name) + len(v) + len(": \r\n")
		}
		if len(values) > 1 && singleValued[name] {
			p := malformed(http.StatusBadRequest, ReasonHeaders)
			p.detail = "the header " + name + " was sent more than once"
			return p
		}
	}
	if lines > maxHeaders || size > maxHeaderBytes {
		p := rejected(http.StatusBadRequest, ReasonHeaders)
		p.detail = fmt.Sprintf("more than %d headers or %d bytes of them", maxHeaders, maxHeaderBytes)
		return p
	}
	return nil
}

// checkRoute finds the route of a request: the endpoint, one of its documents,
// or a path of Autodiscover. It refuses any other path, and a method or a body
// that the route does not permit.
func (h *Handler) checkRoute(r *http.Request) (route, *problem) {
	found := h.routes.find(r.RequestURI)
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead && found.document == nil
	switch {
	case !found.known:
		return found, rejected(http.StatusNotFound, ReasonPath)
	case r.Method == http.MethodPost && found.document == nil && found.autodiscover != autodiscover.JSON:
		return found, nil
	case !reads:
		return found, rejected(http.StatusMethodNotAllowed, ReasonMethod)
	case r.ContentLength != 0:
		p := rejected(http.StatusBadRequest, ReasonBody)
		p.detail = "a GET must not have a body"
		return found, p
	}
	return found, nil
}

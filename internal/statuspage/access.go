package statuspage

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// fromLoopback reports whether the peer's address, the local address and the Host
// all belong to this machine. The DNS name of a web page can be rebound to
// 127.0.0.1, but then the Host of the page's requests is that name, which is not a
// loopback name. Connections that a service mesh delivers for other machines have
// a loopback source, but their local address is not on loopback.
func fromLoopback(r *http.Request) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !peer.Addr().Unmap().IsLoopback() {
		return false
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if !ok || !local.IP.IsLoopback() {
		return false
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	switch strings.ToLower(strings.Trim(host, "[]")) {
	case "localhost", "127.0.0.1", "::1":
		return true
	}
	return false
}

// fromBrowser reports whether a browser sent the request.
func fromBrowser(r *http.Request) bool {
	return r.Header["Origin"] != nil || r.Header["Sec-Fetch-Site"] != nil || r.Header["Sec-Fetch-Dest"] != nil
}

// fromOtherSite reports whether a page of another site made a browser send the
// request. It returns false for an address that a person typed, and for a reload
// of the status page. A page from another port of this machine counts as another
// site, because any user of the machine can open a port. Browsers call such a page
// same-site.
func fromOtherSite(r *http.Request) bool {
	if r.Header["Origin"] != nil {
		return true
	}
	for _, site := range r.Header["Sec-Fetch-Site"] {
		if site != "none" && site != "same-origin" {
			return true
		}
	}
	for _, dest := range r.Header["Sec-Fetch-Dest"] {
		if dest != "document" && dest != "empty" {
			return true
		}
	}
	return false
}

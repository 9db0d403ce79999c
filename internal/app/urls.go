package app

import (
	"net"
	"net/netip"
)

// clientURLs returns the URLs that clients use, for log and status page.
func clientURLs(clients []net.Listener, tls bool) []string {
	scheme := "http"
	if tls {
		scheme = "https"
	}
	urls := make([]string, 0, len(clients))
	for _, l := range clients {
		urls = append(urls, urlOf(scheme, l.Addr(), "/EWS/Exchange.asmx"))
	}
	return urls
}

// urlOf returns the URL of a path at a listener, as a browser on this machine
// would open it. A Unix socket has no URL; its path is returned.
func urlOf(scheme string, addr net.Addr, path string) string {
	if addr.Network() == "unix" {
		return "unix:" + addr.String()
	}
	host := addr.String()
	if ap, err := netip.ParseAddrPort(host); err == nil && ap.Addr().IsUnspecified() {
		_, port, _ := net.SplitHostPort(host)
		host = net.JoinHostPort("localhost", port)
	}
	return scheme + "://" + host + path
}

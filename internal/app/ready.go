package app

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"time"
)

// readyInterval is the time between two looks at the health.
const readyInterval = 100 * time.Millisecond

// logReady logs once, as soon as requests can be served, where. It returns then,
// or when ctx ends.
func (a *app) logReady(ctx context.Context, clients []net.Listener, admin net.Listener) {
	tick := time.NewTicker(readyInterval)
	defer tick.Stop()
	for !a.health().Ready() {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
	page := "off"
	if admin != nil {
		page = urlOf("http", admin.Addr(), "/")
	}
	a.log.Info("ready", "ews", strings.Join(a.clientURLs(clients), " "), "status_page", page)
}

// clientURLs returns the URLs that clients use, for people.
func (a *app) clientURLs(clients []net.Listener) []string {
	scheme := "http"
	if a.files.keyPairs != nil {
		scheme = "https"
	}
	urls := make([]string, 0, len(clients))
	for _, l := range clients {
		urls = append(urls, urlOf(scheme, l.Addr(), "/EWS/Exchange.asmx"))
	}
	return urls
}

// urlOf returns the URL of a path at a listener, for a person to open on this
// machine. A Unix socket has none and is named by its path.
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

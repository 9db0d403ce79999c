package config

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// Autodiscover says which EWS URL is returned to clients that look for
// Exchange. The zero value means that Autodiscover's paths are not served.
type Autodiscover struct {
	On  bool
	URL *url.URL // nil for auto: the URL is made from the address that the client used
}

// UnmarshalText accepts auto or the URL of an EWS endpoint of this proxy. It
// accepts http only for loopback, because clients send their credentials to
// this URL.
func (a *Autodiscover) UnmarshalText(text []byte) error {
	s := string(text)
	if s == "auto" {
		*a = Autodiscover{On: true}
		return nil
	}
	if !strings.Contains(s, "://") {
		return flaw("is neither auto nor a URL; expected auto, or a URL that begins with https://")
	}
	rest, plain := strings.CutPrefix(s, "http://")
	if plain {
		s = "https://" + rest
	}
	parsed, err := parseHTTPS(s)
	if err != nil {
		return err
	}
	if parsed.Path == "" || parsed.Path == "/" {
		parsed.Path = ewsPath
	}
	if !strings.EqualFold(parsed.Path, ewsPath) || parsed.RawPath != "" {
		return flaw("has another path than this proxy; expected /EWS/Exchange.asmx, or none")
	}
	parsed.Path = ewsPath
	if plain {
		if !loopbackName(parsed.Hostname()) {
			return flaw("begins with http:// and leaves this machine; expected https://, or localhost")
		}
		parsed.Scheme = "http"
	}
	*a = Autodiscover{On: true, URL: parsed}
	return nil
}

// loopbackName reports whether host is localhost or a loopback address.
func loopbackName(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// checkAutodiscover refuses a URL that does not lead clients to this proxy.
func checkAutodiscover(r *rules) {
	u := r.config.Autodiscover.URL
	if u == nil || !r.problems.none("HMA_AUTODISCOVER", "HMA_HOST_NAMES", "HMA_LISTEN") {
		return
	}
	host := bareName(u.Hostname())
	if !loopbackName(u.Hostname()) && !slices.Contains(r.config.HostNames, host) {
		r.problems.fault("HMA_AUTODISCOVER", "has a host that this proxy does not serve; add it to HMA_HOST_NAMES, with the names under which clients ask (autodiscover.DOMAIN and DOMAIN)")
	}
	if u.Scheme == "http" && r.given.set["HMA_TLS_CERT_FILE"] {
		r.problems.fault("HMA_AUTODISCOVER", "begins with http://, and with HMA_TLS_CERT_FILE clients come by TLS; expected https://")
	}
}

// bareName returns a host in the form of HostNames: IPv6 addresses in brackets.
func bareName(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

// leadsRound reports whether the URL for clients has the host name of Exchange,
// and hmaproxy connects to Exchange by this name too. That cannot work, because
// the name leads either to hmaproxy or to Exchange.
func leadsRound(c *Config) bool {
	u := c.Autodiscover.URL
	return u != nil && strings.EqualFold(u.Hostname(), c.EWS.Hostname()) && c.Connect == ""
}

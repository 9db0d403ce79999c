package config

import (
	"log/slog"
	"net/url"
	"strings"
)

// A ProxyURL is the URL of a corporate proxy. Because the URL may hold a
// password, all formatting omits the user information. The zero value means no
// proxy.
type ProxyURL struct{ url *url.URL }

// UnmarshalText parses the URL of a proxy. If the URL has no scheme, its scheme
// is http.
func (p *ProxyURL) UnmarshalText(text []byte) error {
	s := string(text)
	if !strings.Contains(s, "://") {
		s = "http://" + s
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return flaw("is not the URL of a proxy; expected http://host:port, user name and password percent-encoded if there are any")
	case !proxyScheme(u.Scheme):
		return flaw("does not name a kind of proxy that is supported; expected http://, https:// or socks5://")
	case !containerHost(u.Hostname()) || !validPort(u):
		return flaw("has no valid host and port; expected http://host:port")
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return flaw("has a path, query or fragment; expected http://host:port")
	}
	p.url = u
	return nil
}

func proxyScheme(s string) bool {
	return s == "http" || s == "https" || s == "socks5" || s == "socks5h"
}

// String returns the URL without user information, or "" if there is no URL.
func (p ProxyURL) String() string {
	if p.url == nil {
		return ""
	}
	return p.url.Scheme + "://" + p.url.Host
}

// GoString returns what String returns, for the verb %#v.
func (p ProxyURL) GoString() string { return p.String() }

// LogValue returns what String returns, for log/slog.
func (p ProxyURL) LogValue() slog.Value { return slog.StringValue(p.String()) }

// MarshalText returns what String returns.
func (p ProxyURL) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

package config

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"hmaproxy/internal/lazyregexp"
)

const ewsPath = "/EWS/Exchange.asmx"

// An EWSURL is the URL of an EWS endpoint: https, a host, an optional port, and
// a plain path that ends in /Exchange.asmx. It has no other parts.
type EWSURL struct{ *url.URL }

// UnmarshalText parses the URL; an empty path becomes /EWS/Exchange.asmx.
func (u *EWSURL) UnmarshalText(text []byte) error {
	parsed, err := parseHTTPS(string(text))
	if err != nil {
		return err
	}
	if parsed.Path == "" || parsed.Path == "/" {
		parsed.Path = ewsPath
	}
	if !plainEndpoint(parsed) {
		return flaw("has a path that is not the EWS endpoint; expected one that ends in /EWS/Exchange.asmx, or none")
	}
	u.URL = parsed
	return nil
}

// plainEndpoint reports whether the path is unambiguous and ends in
// Exchange.asmx, in any letter case.
func plainEndpoint(u *url.URL) bool {
	segments := strings.Split(strings.TrimPrefix(u.Path, "/"), "/")
	for _, segment := range segments {
		if !pathSegment().MatchString(segment) || strings.Trim(segment, ".") == "" {
			return false
		}
	}
	return u.RawPath == "" && strings.EqualFold(segments[len(segments)-1], "Exchange.asmx")
}

var pathSegment = lazyregexp.New(`^[A-Za-z0-9._-]+$`)

// An Origin is an https URL with a host, an optional port and no other parts.
// Its URL is nil when the variable is not set.
type Origin struct{ *url.URL }

// UnmarshalText parses the URL; a lone slash after the host is dropped.
func (o *Origin) UnmarshalText(text []byte) error {
	parsed, err := parseHTTPS(string(text))
	if err != nil {
		return err
	}
	if parsed.Path != "" && parsed.Path != "/" {
		return flaw("has a path; expected scheme and host only")
	}
	parsed.Path = ""
	o.URL = parsed
	return nil
}

// A ResourceID is the audience of a token: "https://host", optionally with a
// port and a trailing slash.
type ResourceID string

// UnmarshalText parses the audience; a bare host becomes https://host.
func (r *ResourceID) UnmarshalText(text []byte) error {
	s := string(text)
	if strings.HasSuffix(s, "/.default") {
		return flaw("ends in /.default, which is added when the token is requested; expected the resource alone")
	}
	if !strings.Contains(s, "://") {
		s = "https://" + s
	}
	parsed, err := parseHTTPS(s)
	if err != nil {
		return err
	}
	if parsed.Path != "" && parsed.Path != "/" {
		return flaw("has a path; expected scheme and host only, such as https://mail.contoso.com")
	}
	if guid().MatchString(parsed.Hostname()) {
		return flaw("is a GUID; expected the URL under which Exchange is registered, such as https://mail.contoso.com")
	}
	*r = ResourceID(s)
	return nil
}

// parseHTTPS parses an absolute https URL without user information, query and
// fragment. The host of the result is in lower case.
func parseHTTPS(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return nil, flaw("is not a URL; expected one that begins with https://")
	case u.Scheme != "https":
		return nil, flaw("does not begin with https://; no other scheme is accepted")
	case u.User != nil:
		return nil, flaw("holds a user name or password; expected a URL without")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(s, "#"):
		return nil, flaw("has a query or fragment; expected a URL without")
	case !validHost(u.Hostname()):
		return nil, flaw("has no valid host name; expected letters, digits, hyphens and dots (international names in their xn-- form), or an IP address")
	case !validPort(u):
		return nil, flaw("has no valid port; expected a number from 1 to 65535, or none")
	}
	u.Host = strings.ToLower(u.Host)
	return u, nil
}

func validPort(u *url.URL) bool {
	if u.Port() == "" {
		return !strings.HasSuffix(u.Host, ":")
	}
	return isPort(u.Port())
}

// isPort reports whether s is a port from 1 to 65535 in plain decimal.
func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0 && s[0] != '0'
}

// validHost reports whether s is an IP address without a zone or an ASCII DNS
// name without a final dot. A name whose last label is a number is not valid,
// because some resolvers read it as an address.
func validHost(s string) bool {
	if addr, err := netip.ParseAddr(s); err == nil {
		return addr.Zone() == ""
	}
	return len(s) <= 253 && isDNSName(s) && !endsInNumber(s)
}

// maxLabel is the length of the longest label of a DNS name. It is not in
// dnsLabel, because a regular expression with a large count takes long to compile.
const maxLabel = 63

// isDNSName reports whether s consists of labels of letters, digits and hyphens.
func isDNSName(s string) bool {
	for label := range strings.SplitSeq(s, ".") {
		if len(label) > maxLabel || !dnsLabel().MatchString(label) {
			return false
		}
	}
	return true
}

func endsInNumber(s string) bool {
	last := s[strings.LastIndexByte(s, '.')+1:]
	return numeric().MatchString(last)
}

// The character classes list ASCII letters explicitly: with (?i) the regexp
// package would also accept the Kelvin sign for k and the long s for s.
var (
	dnsLabel = lazyregexp.New(`^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$`)
	numeric  = lazyregexp.New(`^([0-9]+|0[xX][0-9A-Fa-f]*)$`)
)

// bareHost returns the host of a URL without its port, an IPv6 address in
// brackets.
func bareHost(u *url.URL) string {
	return strings.TrimSuffix(u.Host, ":"+u.Port())
}

package config

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"hmaproxy/internal/lazyregexp"
)

// An AppID is an application (client) id: a GUID in lower case.
type AppID string

// UnmarshalText parses the id.
func (a *AppID) UnmarshalText(text []byte) error {
	if !guid().Match(text) {
		return flaw("is not a GUID; expected an application (client) id, 8-4-4-4-12 hexadecimal digits")
	}
	*a = AppID(strings.ToLower(string(text)))
	return nil
}

// A TenantID names one tenant, by GUID or domain name, in lower case.
type TenantID string

// UnmarshalText parses the id. It refuses the names "common", "organizations" and
// "consumers", which do not name one tenant.
func (t *TenantID) UnmarshalText(text []byte) error {
	s := strings.ToLower(string(text))
	if s == "common" || s == "organizations" || s == "consumers" {
		return flaw("stands for any tenant; an application's token needs one tenant: its id (GUID) or one of its domain names")
	}
	domain := isDNSName(s) && len(s) <= 253 && strings.Contains(s, ".") && !endsInNumber(s)
	if !guid().MatchString(s) && !domain {
		return flaw("is neither a GUID nor a domain name; expected the tenant id or one of the tenant's domain names")
	}
	*t = TenantID(s)
	return nil
}

// A CertName is the name of a certificate in Key Vault.
type CertName string

// UnmarshalText parses the name.
func (c *CertName) UnmarshalText(text []byte) error {
	if len(text) > maxCertName || !certName().Match(text) {
		return flaw("is not the name of a certificate in Key Vault; expected 1 to 127 letters, digits and hyphens, no version and no URL")
	}
	*c = CertName(text)
	return nil
}

var (
	guid     = lazyregexp.New(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)
	certName = lazyregexp.New(`^[A-Za-z0-9-]+$`)
)

// Lengths of the longest names. They are not in the regular expressions, because a
// regular expression with a large count takes long to compile at the start.
const (
	maxCertName  = 127
	maxStoreName = 64
	maxPlainName = 64
)

// A HostPort is an address to dial: "mail.corp.contoso.com:443", "[2001:db8::1]:443".
type HostPort string

// UnmarshalText parses the address.
func (h *HostPort) UnmarshalText(text []byte) error {
	host, port, err := net.SplitHostPort(string(text))
	if err != nil {
		return flaw("is not host:port; expected both, such as exchange01.contoso.com:443 or [2001:db8::1]:443")
	}
	if !validHost(host) {
		return flaw("has no valid host; expected a host name or an IP address before the port")
	}
	if !isPort(port) {
		return flaw("has no valid port; expected a number from 1 to 65535")
	}
	*h = HostPort(net.JoinHostPort(host, port))
	return nil
}

// HostNames are names for the Host header as they are compared: in lower case,
// without port, IPv6 addresses in brackets.
type HostNames []string

// UnmarshalText parses a comma-separated list.
func (h *HostNames) UnmarshalText(text []byte) error {
	return parseList(text, (*[]string)(h), hostName)
}

func hostName(s string) (string, error) {
	if strings.Contains(s, "*") {
		return "", flaw("holds a wildcard; expected each name in full")
	}
	if addr, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")); err == nil && addr.Zone() == "" {
		if addr.Is6() {
			return "[" + addr.String() + "]", nil
		}
		return addr.String(), nil
	}
	if !containerHost(s) {
		return "", flaw("is not a host name; expected a name or an IP address alone, without scheme and port")
	}
	return strings.ToLower(s), nil
}

// containerHost is validHost, except that underscores count as letters, because they
// occur in names inside container networks.
func containerHost(s string) bool { return validHost(strings.ReplaceAll(s, "_", "x")) }

// Paths are paths of files. The list is not empty when its variable is set.
type Paths []Path

// UnmarshalText parses a comma-separated list. An entry may occur more than
// once, because two certificates may share a key file.
func (p *Paths) UnmarshalText(text []byte) error {
	var parsed Paths
	for i, entry := range strings.Split(string(text), ",") {
		entry = strings.Trim(entry, space)
		var path Path
		if entry == "" {
			return flaw(fmt.Sprintf("has an empty entry %d", i+1))
		}
		if err := path.UnmarshalText([]byte(entry)); err != nil {
			return err
		}
		parsed = append(parsed, path)
	}
	*p = parsed
	return nil
}

// A Path names a file. It is not empty when its variable is set.
type Path string

// UnmarshalText accepts the path unchanged. It refuses a value with control
// characters, which is probably the content of a file and not its path.
func (p *Path) UnmarshalText(text []byte) error {
	if slices.ContainsFunc(text, func(b byte) bool { return b < ' ' }) {
		return flaw("holds a control character; expected the path of a file, not its content")
	}
	*p = Path(text)
	return nil
}

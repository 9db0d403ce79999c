package config

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// A Listener is a place to listen: a TCP address or a Unix socket.
type Listener struct {
	Unix     string         // absolute path of the socket; "" for TCP
	TCP      netip.AddrPort // an IP literal, never a name; the zero value for a Unix socket
	Optional bool           // not an error if the machine does not have the address (IPv6 loopback)
}

// Network returns "unix" or "tcp", as [net.Listen] takes it.
func (l Listener) Network() string {
	if l.Unix != "" {
		return "unix"
	}
	return "tcp"
}

// String returns the address as [net.Listen] takes it.
func (l Listener) String() string {
	if l.Unix != "" {
		return l.Unix
	}
	return l.TCP.String()
}

// Local reports whether only this machine can reach the listener.
func (l Listener) Local() bool { return l.Unix != "" || l.TCP.Addr().IsLoopback() }

// Listeners are the places where clients connect, without duplicates.
type Listeners []Listener

// UnmarshalText parses a comma-separated list. The name localhost means both
// 127.0.0.1 and [::1]. The listener on [::1] is then Optional.
func (l *Listeners) UnmarshalText(text []byte) error {
	var groups []string
	if err := parseList(text, &groups, func(s string) (string, error) { return s, checkListener(s) }); err != nil {
		return err
	}
	var parsed Listeners
	for _, entry := range groups {
		for _, listener := range listenersOf(entry) {
			if parsed.has(listener) {
				return flaw("names an address twice; expected each once (localhost stands for 127.0.0.1 and [::1])")
			}
			parsed = append(parsed, listener)
		}
	}
	*l = parsed
	return nil
}

// has reports whether the list already has the address. Port 0 differs from
// every other entry, because it selects a new port.
func (l Listeners) has(other Listener) bool {
	for _, listener := range l {
		if listener.String() == other.String() && (other.Unix != "" || other.TCP.Port() != 0) {
			return true
		}
	}
	return false
}

// maxSocketPath returns the length in bytes of the longest path of a Unix socket.
// sun_path has 108 bytes on Linux and Windows and 104 on macOS and the BSDs, with
// a zero at the end.
func maxSocketPath() int {
	switch runtime.GOOS {
	case "linux", "windows":
		return 107
	}
	return 103
}

func checkListener(s string) error {
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		if !strings.HasPrefix(path, "/") && !filepath.IsAbs(path) {
			return flaw("is not an absolute path; expected unix:/path")
		}
		if len(path) > maxSocketPath() {
			return flaw(fmt.Sprintf("names a socket whose path is longer than %d bytes, more than this system takes; choose a shorter one, in /run for example", maxSocketPath()))
		}
		return nil
	}
	_, err := parseAddrPort(s)
	return err
}

// listenersOf expands an entry that checkListener accepted.
func listenersOf(s string) []Listener {
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		return []Listener{{Unix: path}}
	}
	addr, _ := parseAddrPort(s)
	if !strings.HasPrefix(s, "localhost:") {
		return []Listener{{TCP: addr}}
	}
	return []Listener{{TCP: addr}, {TCP: netip.AddrPortFrom(netip.IPv6Loopback(), addr.Port()), Optional: true}}
}

// parseAddrPort parses address:port. The address must be an IP literal, because
// the resolver decides what a name means. The exception is localhost, which
// parseAddrPort reads as 127.0.0.1.
func parseAddrPort(s string) (netip.AddrPort, error) {
	none := netip.AddrPort{}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return none, flaw("is not address:port; expected both, such as 127.0.0.1:8080 or [::1]:8080")
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return none, flaw("has no valid port; expected a number from 0 to 65535 after the address")
	}
	if host == "" {
		return none, flaw("has no address before the port, which would mean every network; expected one, such as 127.0.0.1:8080")
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return none, flaw("is not an IP address; expected an IP address or localhost before the port, no other name")
	}
	if addr.Is4In6() {
		return none, flaw("is an IPv4 address written as IPv6; expected it as IPv4, such as 127.0.0.1")
	}
	return netip.AddrPortFrom(addr, uint16(number)), nil
}

// An AdminAddress is the address of the listener for health, metrics and
// status. The zero value means that there is no such listener.
type AdminAddress struct{ netip.AddrPort }

// Off reports whether there is no admin listener.
func (a AdminAddress) Off() bool { return !a.IsValid() }

// UnmarshalText parses address:port or off.
func (a *AdminAddress) UnmarshalText(text []byte) error {
	if string(text) == "off" {
		*a = AdminAddress{}
		return nil
	}
	if strings.ContainsRune(string(text), ',') {
		return flaw("is a list; expected one address:port, or off")
	}
	addr, err := parseAddrPort(string(text))
	if err != nil {
		return err
	}
	a.AddrPort = addr
	return nil
}

package proxy

import (
	"encoding/base64"
	"net/http"
	"strings"
	"sync"

	"hmaproxy/internal/ascii"
)

// affinityCookies are Exchange's own cookies that keep a client on the same
// back end. X-BEResource and X-AnonResource are not among them, because these
// two can make a front end connect to a host that the client chose
// (CVE-2021-26855). They are sent neither to Exchange nor to clients.
var affinityCookies = [...]string{"X-BackEndOverrideCookie", "X-BackEndCookie", "exchangecookie", "ClientId"}

// maxLearned limits the number of names of load-balancer cookies; one or two
// are usual.
const maxLearned = 64

// cookieNames holds the names of the cookies that are sent to Exchange: the
// names in affinityCookies, and the names of cookies that a load balancer in
// front of Exchange has set. Only names are stored. The clients keep the
// values, so no client gets a value of another client.
type cookieNames struct {
	mu    sync.RWMutex
	names map[string]bool
}

func newCookieNames() *cookieNames {
	c := &cookieNames{names: make(map[string]bool)}
	for _, name := range affinityCookies {
		c.names[name] = true
	}
	return c
}

func forbiddenCookie(name string) bool {
	name = ascii.ToLower(name)
	return name == "x-beresource" || strings.HasPrefix(name, "x-anonresource")
}

func (c *cookieNames) known(name string) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.names[name]
}

// learn adds the name of a cookie that the upstream has set. It ignores the name if
// it has already learned maxLearned names.
func (c *cookieNames) learn(name string) {
	if c.known(name) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.names) < len(affinityCookies)+maxLearned {
		c.names[name] = true
	}
}

// carry returns the Cookie header for Exchange. It contains the client's
// cookies with known names, and the value of the header
// X-BackEndOverrideCookie, which exchangelib sends in place of a cookie.
func (c *cookieNames) carry(in http.Header) string {
	if in["Cookie"] == nil && in[overrideCookie] == nil {
		return ""
	}
	var out []string
	override := false
	for _, line := range in["Cookie"] {
		for pair := range strings.SplitSeq(line, ";") {
			pair = strings.Trim(pair, " \t")
			name, value, ok := strings.Cut(pair, "=")
			if ok && c.known(name) && cookieValue(value) && backEndValue(name, value) {
				out = append(out, pair)
				override = override || name == affinityCookies[0]
			}
		}
	}
	if v := value(in, overrideCookie); !override && overrideValue(v) {
		out = append(out, affinityCookies[0]+"="+v)
	}
	return strings.Join(out, "; ")
}

// backEndValue reports whether a cookie may be sent to Exchange. A cookie that
// names a back end must have the form that Exchange gives it; other cookies may
// have any value.
func backEndValue(name, value string) bool {
	switch name {
	case affinityCookies[0]:
		return overrideValue(value)
	case affinityCookies[1]:
		for pair := range strings.SplitSeq(value, "&") {
			_, entry, _ := strings.Cut(pair, "=")
			if !backEndEntry(pair) || !backEndEntry(entry) {
				return false
			}
		}
	}
	return true
}

// backEndEntry reports whether an entry of X-BackEndCookie may be sent to Exchange.
// Exchange writes Database~GUID~domain~time~forest or Server~host~version~time,
// inverts every byte and encodes the result in base64. All fields except the first
// and the time must have only characters of a host name, because a front end
// connects to the host in this cookie. An entry that is not base64 may be sent,
// because Exchange ignores it.
func backEndEntry(entry string) bool {
	text, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(entry, " ", ""))
	if err != nil {
		return true
	}
	for i := range text {
		text[i] ^= 0xff
	}
	for i, field := range strings.Split(string(text), "~") {
		if i != 0 && i != 3 && !isHostName(field) {
			return false
		}
	}
	return true
}

// overrideValue reports whether v has the form of X-BackEndOverrideCookie, such
// as EX01.contoso.com~1941996295: the name of a back end and its version. No
// other form is accepted, because a front end connects to the host in this
// cookie.
func overrideValue(v string) bool {
	host, version, found := strings.Cut(v, "~")
	if !found || host == "" || version == "" {
		return false
	}
	return isHostName(host) && strings.Trim(version, "0123456789") == ""
}

// isHostName reports whether s has only characters of a host name.
func isHostName(s string) bool {
	for i := range len(s) {
		if !ascii.IsAlnum(s[i]) && s[i] != '.' && s[i] != '-' {
			return false
		}
	}
	return true
}

// cookieValue reports whether v may be a cookie's value. It accepts printable
// ASCII without commas. RFC 6265 permits fewer characters, but real load
// balancers use blanks. v has no semicolon.
func cookieValue(v string) bool {
	for i := range len(v) {
		if v[i] < ' ' || v[i] > '~' || v[i] == ',' {
			return false
		}
	}
	return true
}

// relay returns the Set-Cookie value v in the form for a client of this proxy,
// and learns the cookie's name. The cookie applies to the proxy's host and to
// every path. It has the attribute Secure only on a TLS connection. ok is false
// for a cookie that clients must not get.
func (c *cookieNames) relay(v string, tls bool) (cookie string, ok bool) {
	parts := strings.Split(v, ";")
	name, _, ok := strings.Cut(strings.Trim(parts[0], " \t"), "=")
	if !ok || name == "" || forbiddenCookie(name) {
		return "", false
	}
	c.learn(name)
	kept := parts[:1]
	for _, attribute := range parts[1:] {
		key, _, _ := strings.Cut(strings.Trim(attribute, " \t"), "=")
		switch ascii.ToLower(key) {
		case "domain", "path":
		case "secure":
			if tls {
				kept = append(kept, attribute)
			}
		default:
			kept = append(kept, attribute)
		}
	}
	return strings.Join(kept, ";") + "; path=/", true
}

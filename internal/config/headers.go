package config

import (
	"net/textproto"
	"slices"
	"strings"

	"hmaproxy/internal/lazyregexp"
)

// HeaderNames are request headers to carry to Exchange, in canonical form.
type HeaderNames []string

// UnmarshalText parses a comma-separated list and refuses every header that
// could change the mailbox, the framing or the destination of a request.
func (h *HeaderNames) UnmarshalText(text []byte) error {
	return parseList(text, (*[]string)(h), headerName)
}

func headerName(s string) (string, error) {
	if !plainHeader().MatchString(s) {
		return "", flaw("is not a header name; expected letters, digits and hyphens")
	}
	name := strings.ToLower(s)
	for _, rule := range refusedHeaders {
		if rule.covers(name) {
			return "", flaw(rule.why)
		}
	}
	return textproto.CanonicalMIMEHeaderKey(s), nil
}

// Underscores are refused: some servers treat X_AnchorMailbox as
// X-AnchorMailbox.
var plainHeader = lazyregexp.New(`^[A-Za-z0-9-]+$`)

// A headerRule lists header names to refuse, in lower case: exact names,
// prefixes, and words within names. The rules refuse more headers than the
// headers that are known to be dangerous, because Exchange's internal headers
// are not all documented.
type headerRule struct {
	why      string
	exact    []string
	prefixes []string
	words    []string
}

func (r headerRule) covers(name string) bool {
	return slices.Contains(r.exact, name) ||
		slices.ContainsFunc(r.prefixes, func(p string) bool { return strings.HasPrefix(name, p) }) ||
		slices.ContainsFunc(r.words, func(w string) bool { return strings.Contains(name, w) })
}

var refusedHeaders = []headerRule{
	{
		why: "is carried already; remove it",
		exact: []string{"accept", "accept-encoding", "accept-language", "user-agent", "soapaction", "client-request-id",
			"return-client-request-id", "x-preferserveraffinity", "x-ews-targetversion", "x-clientstatistics", "prefer"},
	},
	{
		why:   "names a mailbox, which only the allow-list may let through; remove it",
		exact: []string{"x-owa-explicitlogonuser"},
		words: []string{"mailbox"},
	},
	{
		why:      "holds or stands for credentials or an identity, which this proxy alone provides; remove it",
		exact:    []string{"from"},
		prefixes: []string{"x-rps-", "x-wlid-", "x-client-cert", "x-ssl-", "ssl-"},
		words: []string{"auth", "token", "cookie", "credential", "password", "secret", "assertion", "identity", "principal",
			"impersonat", "delegat", "logon", "login", "user", "account", "certificate", "apikey", "api-key"},
	},
	{
		why: "frames the message or belongs to one connection; remove it",
		exact: []string{"host", "connection", "keep-alive", "te", "trailer", "trailers", "transfer-encoding", "upgrade",
			"expect", "idempotency-key", "x-idempotency-key", "max-forwards", "http2-settings", "date", "range", "if-range", "mime-version", "via", "forwarded", "close"},
		prefixes: []string{"content-", "proxy-", "x-proxy", "x-http-method", "x-method", "alt-"},
	},
	{
		why:      "states to the server where a request came from or should go; remove it",
		exact:    []string{"origin", "referer", "x-real-ip", "x-client-ip", "x-cluster-client-ip", "true-client-ip", "x-host", "x-url", "x-uri"},
		prefixes: []string{"x-forwarded", "x-original", "x-rewrite", "sec-", "access-control-", "x-hmaproxy", "cf-", "front-end-https"},
	},
	{
		why: "belongs to Exchange itself; remove it",
		prefixes: []string{"msexch", "x-msexch", "x-ms-", "x-exch", "x-ext", "x-excomp", "x-be", "x-fe", "x-backend", "x-frontend", "x-cafe",
			"x-calculated", "x-target", "x-source", "x-anon", "x-owa-", "x-common", "x-nego", "x-isfrom", "x-cas",
			"x-diaginfo", "x-routing", "x-server", "x-security", "x-serialized", "x-organization", "x-tenant", "x-partition",
			"x-gcc"},
		words: []string{"backend", "openas", "proxyinfo"},
	},
}

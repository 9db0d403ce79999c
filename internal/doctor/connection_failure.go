package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"

	"hmaproxy/internal/printable"
)

// A failedConnection is the input of the rules about failed connections.
type failedConnection struct {
	conn  connection
	facts *facts
	dns   *net.DNSError // nil unless a name did not resolve
}

// evaluateFailure explains why a connection got no response.
func evaluateFailure(f *facts, c connection) Result {
	fc := failedConnection{conn: c, facts: f}
	errors.As(c.err, &fc.dns)
	n := fc.names()
	if c.route.proxy != "" && !c.handshake.begun && c.handshake.trustErr == nil {
		if e, is := explain(proxyFailures, fc); is {
			return n.failed("", e)
		}
	}
	var record tls.RecordHeaderError
	alert, sent := alertOf(c.err)
	switch {
	case c.handshake.trustErr != nil:
		return evaluateTrust(fc, n)
	case fc.dns != nil:
		return n.failed("", must(explain(nameFailures, fc)))
	case errors.As(c.err, &record):
		return n.failed("", explanation{"{at} does not speak TLS on this port",
			"the port is another service's, or a device on the way responds in plain HTTP", []string{"compare host and port in {by}"}})
	case unparsableCertificate(c.err):
		return n.failed("", must(explain(unparsableCertificates, fc)))
	case renegotiates(c.err):
		return n.failed("", explanation{"{host} asks for TLS renegotiation, more than once",
			"the server asks for a client certificate by renegotiation, which hmaproxy permits once for each connection", []string{ignoreClientCertificates}})
	case c.handshake.wantsCertificate:
		return n.failed("", explainAlert(alertCertificateRequired))
	case c.noCommonTLS():
		return n.failed("", must(explain(oldTLSRules, fc)))
	case sent:
		return n.failed("", explainAlert(alert))
	case c.handshake.begun:
		return n.failed("", must(explain(handshakeFailures, fc)))
	}
	return n.failed("", must(explain(unreachableHosts, fc)))
}

// The function "must" returns the explanation that explain returned. Callers use must
// with tables whose last rule has no condition. In such a table, explain finds an
// explanation for every input.
func must(e explanation, _ bool) explanation { return e }

// names returns the replacements for words in braces that describe the
// configuration and this connection.
func (c failedConnection) names() names {
	at, by := c.leadsTo()
	n := c.facts.names.with(
		"{at}", at,
		"{by}", by,
		"{variable}", c.conn.target.variable,
		"{host}", c.conn.target.url.Host,
		"{hostname}", c.conn.target.url.Hostname(),
		"{target}", c.conn.target.address(),
		"{url}", c.conn.target.url.String(),
		"{proxy}", c.conn.route.proxy,
		"{proxy-status}", strings.TrimSpace(strconv.Itoa(c.conn.route.proxyStatus)+" "+http.StatusText(c.conn.route.proxyStatus)),
		"{reason}", networkReason(c.conn.err),
		"{openssl}", c.openssl(""),
		"{openssl-chain}", c.openssl(" -showcerts"),
		"{proxy-hint}", c.proxyHint(),
		"{through-proxy}", c.throughProxy(),
		"{alert}", alertText(c.conn.err),
		"{version}", tls.VersionName(c.conn.followUp.old.version),
		"{suite}", tls.CipherSuiteName(c.conn.followUp.old.suite),
		"{suite-setting}", c.suiteSetting(),
		"{hello-setting}", "",
		"{split-dns}", "",
		"{no-proxy}", "",
		"{odd-vault-name}", "",
	)
	if c.conn.target.exchange && c.facts.config.Connect == "" {
		n = n.with("{split-dns}", "with split DNS set HMA_EWS_CONNECT=host:port to where Exchange is reached from here")
	}
	if c.conn.target.exchange { // HMA_TLS_COMPATIBILITY applies to Exchange only
		n = n.with("{hello-setting}", "or set HMA_TLS_COMPATIBILITY=classic-groups")
	}
	if c.conn.followUp.directWorks {
		n = n.with("{no-proxy}", "the direct way works: set NO_PROXY="+c.conn.target.url.Hostname()+" (added to what is there)")
	}
	if c.dns != nil {
		n = n.with("{name}", quote(c.dns.Name), "{nslookup}", "nslookup "+printable.Short(c.dns.Name, 253))
	}
	if c.conn.target.variable == vaultURI {
		n = n.with("{odd-vault-name}", oddVaultName(c.facts.config))
	}
	return n
}

// leadsTo returns the address of the connections and the setting that the
// address comes from.
func (c failedConnection) leadsTo() (at, by string) {
	if c.conn.target.exchange && c.facts.config.Connect != "" {
		return string(c.facts.config.Connect), "HMA_EWS_CONNECT"
	}
	return c.conn.target.url.Host, c.conn.target.variable
}

// direct reports whether the target is on the internet and no corporate proxy was
// used.
func (c failedConnection) direct() bool {
	return c.conn.target.onInternet() && c.conn.route.proxy == ""
}

// proxyHint returns a text that says why no proxy was used although the
// environment names a proxy. It returns "" if the environment names no proxy.
func (c failedConnection) proxyHint() string {
	switch {
	case c.facts.config.HTTPSProxy.String() != "":
		return " for this host (NO_PROXY excepts it)"
	case len(c.facts.setup.otherProxyVars) > 0:
		return " (" + c.facts.setup.otherProxyVars[0] + " is, and does not count for https)"
	}
	return ""
}

// throughProxy returns a text that says how to send the connection through the
// corporate proxy.
func (c failedConnection) throughProxy() string {
	if c.facts.config.HTTPSProxy.String() != "" {
		return "take what matches " + c.conn.target.url.Hostname() + " out of NO_PROXY"
	}
	return "set HTTPS_PROXY=http://proxy:port"
}

// openssl returns the openssl command that repeats the failed handshake by the
// same route. more is a string of additional options, with a leading space.
func (c failedConnection) openssl(more string) string {
	to, name := c.conn.target.address(), c.conn.target.url.Hostname()
	switch {
	case c.conn.route.proxyTLS != "":
		to, name = c.conn.route.proxy, c.conn.route.proxyTLS
	case c.conn.route.proxy != "":
		to += " -proxy " + c.conn.route.proxy
	case c.conn.target.exchange && c.facts.config.Connect != "":
		to = string(c.facts.config.Connect)
	}
	return "openssl s_client -connect " + to + " -servername " + name + more + " </dev/null"
}

// proxyFailures explain failures of the corporate proxy itself.
var proxyFailures = []rule[failedConnection]{
	{
		when:   func(c failedConnection) bool { return c.conn.route.proxyStatus == http.StatusProxyAuthRequired },
		detail: "the corporate proxy {proxy} returned 407 to CONNECT {target}",
		cause:  "the proxy asks for credentials, and HTTPS_PROXY has none that it accepts (hmaproxy uses Basic, not NTLM or Negotiate)",
		repair: []string{"{no-proxy}", "set HTTPS_PROXY=http://user:password@{proxy}, or have this machine excepted from authentication"},
	},
	{
		when:   func(c failedConnection) bool { return c.conn.route.proxyStatus != 0 },
		detail: "the corporate proxy {proxy} returned {proxy-status} to CONNECT {target}",
		cause:  "the proxy does not permit or does not reach this host",
		repair: []string{"{no-proxy}", "have {target} permitted on the proxy, or, for a host inside, name it in NO_PROXY"},
	},
	{
		when:   func(c failedConnection) bool { return !c.conn.route.connected && c.dns != nil },
		detail: "the corporate proxy {proxy} of HTTPS_PROXY cannot be connected to ({reason})",
		cause:  "HTTPS_PROXY is mistyped, or the proxy is down: its name does not resolve",
		repair: []string{"{no-proxy}", "correct HTTPS_PROXY, or unset it where no proxy is needed"},
	},
	{
		when:   func(c failedConnection) bool { return !c.conn.route.connected },
		detail: "the corporate proxy {proxy} of HTTPS_PROXY cannot be connected to ({reason})",
		cause:  "HTTPS_PROXY is mistyped, or the proxy is down",
		repair: []string{"{no-proxy}", "correct HTTPS_PROXY, or unset it where no proxy is needed"},
	},
	{
		when: func(c failedConnection) bool {
			return c.conn.route.proxyTLS != "" && errors.As(c.conn.err, new(tls.RecordHeaderError))
		},
		detail: "the corporate proxy {proxy} does not speak TLS on this port",
		cause:  "HTTPS_PROXY begins with https://, which means TLS to the proxy itself; nearly all proxies take http://, for https destinations too",
		repair: []string{"set HTTPS_PROXY=http://{proxy}", "{no-proxy}"},
	},
	{
		detail: "the corporate proxy {proxy} was connected to, and sent no proper response to CONNECT {target} ({reason})",
		cause:  "the port in HTTPS_PROXY is not that of an HTTP proxy (a SOCKS or TLS port, perhaps), or the proxy hangs",
		repair: []string{"{no-proxy}", "curl -v -x http://{proxy} https://{host}/     # shows its response", "correct HTTPS_PROXY, or unset it where no proxy is needed"},
	},
}

// nameFailures explain names that do not resolve.
var nameFailures = []rule[failedConnection]{
	{
		when:   func(c failedConnection) bool { return c.direct() && c.conn.followUp.noNames },
		detail: "{name} cannot be resolved here",
		cause:  "no name of the internet resolves here: the network reaches it by a corporate proxy only and HTTPS_PROXY is not set{proxy-hint}, or DNS is down",
		repair: []string{"{through-proxy}", "{nslookup}", "{split-dns}"},
	},
	{
		when:   func(c failedConnection) bool { return !c.dns.IsNotFound && c.direct() },
		detail: noDNSResponse,
		cause:  serverDown + behindProxy,
		repair: []string{"{nslookup}", "behind a corporate proxy {through-proxy}", "{split-dns}"},
	},
	{
		when:   func(c failedConnection) bool { return !c.dns.IsNotFound },
		detail: noDNSResponse,
		cause:  serverDown,
		repair: []string{"{nslookup}", "{split-dns}"},
	},
	{
		when:   func(c failedConnection) bool { return c.conn.target.variable == vaultURI && c.direct() },
		detail: nameUnknown,
		cause:  vaultUnknown + behindProxy,
		repair: []string{"{nslookup}", "behind a corporate proxy {through-proxy}"},
	},
	{
		when:   func(c failedConnection) bool { return c.conn.target.variable == vaultURI },
		detail: nameUnknown,
		cause:  vaultUnknown,
		repair: []string{"{nslookup}"},
	},
	{
		when:   failedConnection.direct,
		detail: nameUnknown,
		cause:  mistyped + behindProxy,
		repair: []string{"{nslookup}", "behind a corporate proxy {through-proxy}", "{split-dns}"},
	},
	{
		detail: nameUnknown,
		cause:  mistyped,
		repair: []string{"{nslookup}", "{split-dns}"},
	},
}

const (
	noDNSResponse = "DNS does not respond for {name}"
	nameUnknown   = "the name {name} is not known to DNS here"
	mistyped      = "{by} is mistyped, or this network's DNS does not know the name"
	serverDown    = "the DNS server that this machine asks is down, or reaches no server that knows this name; the name itself may be right"
	vaultUnknown  = "{by} is mistyped, the vault was deleted, or this network's DNS does not know the name{odd-vault-name}"
	behindProxy   = "; in networks that reach the internet by a corporate proxy only, it is that HTTPS_PROXY is not set{proxy-hint}"
)

// unreachableHosts explain connections that could not be opened.
var unreachableHosts = []rule[failedConnection]{
	{
		when:   failedConnection.direct,
		detail: noConnection,
		cause:  "this machine has no direct way to {hostname}: a firewall is in between, or the network has a corporate proxy and HTTPS_PROXY is not set{proxy-hint}",
		repair: []string{curlHere, "behind a corporate proxy {through-proxy}; else open port 443 to {hostname}"},
	},
	{
		when: func(c failedConnection) bool {
			return errors.Is(c.conn.err, syscall.ENETUNREACH) || errors.Is(c.conn.err, syscall.EHOSTUNREACH)
		},
		detail: noConnection,
		cause:  "this machine has no route to it, or no machine has that address: its network is not connected, or {by} leads to the wrong one",
		repair: []string{curlHere, "connect the network or VPN that leads there, or set its route: ip route get ADDRESS, on Windows route print"},
	},
	{
		detail: noConnection,
		cause:  "a firewall on the way, or nothing that listens there: compare {by}",
		repair: []string{curlHere},
	},
}

const (
	noConnection = "{at} cannot be connected to ({reason})"
	curlHere     = "curl -v https://{host}/     # from this machine"
)

// handshakeFailures explain connections that were opened and got no usable
// response, although the peer sent no TLS alert. In the first two rules, the TLS
// handshake succeeded.
var handshakeFailures = []rule[failedConnection]{
	{
		// The text is compared, because errors of package upstream and net/http
		// about responses have no type.
		when: func(c failedConnection) bool {
			return c.conn.handshake.version != 0 && strings.Contains(c.conn.err.Error(), "malformed")
		},
		detail: "{host} was reached by TLS and sent a response that is not HTTP",
		cause:  "a device on the way writes a response that is not HTTP, or {variable} leads to another service",
		repair: []string{"curl -v {url}     # shows the response; have the device updated", "compare host and port in {variable}"},
	},
	{
		when:   func(c failedConnection) bool { return c.conn.handshake.version != 0 },
		detail: "{host} was reached by TLS and then sent no response ({reason})",
		cause:  "the service hangs or is starting, or a device on the way drops the request: {variable} may lead to the wrong one",
		repair: []string{"try again; curl -v {url}"},
	},
	{
		when:   func(c failedConnection) bool { return c.conn.followUp.shortHello },
		detail: handshakeCut + "; with a ClientHello that fits into one packet there is a response",
		cause:  longHelloDropped,
		repair: []string{"have the device updated: https://tldr.fail", "{hello-setting}", "or set GODEBUG=tlsmlkem=0 in the environment of hmaproxy"},
	},
	{
		when:   func(c failedConnection) bool { return c.conn.route.proxy != "" },
		detail: handshakeCut,
		cause:  "the corporate proxy {proxy} took CONNECT and cut the connection then: it does not permit this host, or fails to reach or to inspect it",
		repair: []string{"have {target} permitted on the proxy, or, for a host inside, name it in NO_PROXY", "curl -v -x http://{proxy} https://{host}/"},
	},
	{
		when:   func(c failedConnection) bool { return microsoft(c.conn.target.url) },
		detail: handshakeCut,
		cause:  "a firewall or an inspecting proxy between this machine and Microsoft cuts the connection, by the name that it reads in it",
		repair: []string{"have the firewall let {target} pass; behind a corporate proxy set HTTPS_PROXY=http://proxy:port", "{openssl}"},
	},
	{
		detail: handshakeCut,
		cause:  "a firewall or an inspecting proxy cuts the connection, the port is not TLS, or the server is too old for TLS 1.2",
		repair: []string{"{openssl}", "on an old Exchange Server enable TLS 1.2: https://aka.ms/ExchangeTLS"},
	},
}

// longHelloDropped explains why a handshake with post-quantum key exchange
// fails and a handshake without it succeeds.
const longHelloDropped = "a firewall or load balancer on the way drops connections whose ClientHello is larger than one packet (1,400 bytes), as post-quantum key exchange (ML-KEM) makes it"

const handshakeCut = "{host} was connected to, then the TLS handshake failed ({reason})"

// microsoft reports whether a host belongs to Microsoft. Every system trusts
// the certificates of these hosts.
func microsoft(u *url.URL) bool {
	for _, domain := range []string{"microsoftonline.com", "microsoftonline.us", "microsoftonline.cn", "azure.net", "azure.cn", "usgovcloudapi.net",
		"sovcloud-identity.fr", "sovcloud-identity.de", "office365.com", "outlook.com", "office365.us"} {
		if host := u.Hostname(); host == domain || strings.HasSuffix(host, "."+domain) {
			return true
		}
	}
	return false
}

func timedOut(err error) bool {
	var timeout net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

// networkReason returns a short text for an error. Common errors and errors
// without an errno have fixed texts. For another errno, it returns the system's
// text.
func networkReason(err error) string {
	var errno syscall.Errno
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET):
		return "connection reset"
	case timedOut(err):
		return "no response in time"
	case errors.As(err, &errno):
		return errno.Error()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed"
	}
	return "the connection failed"
}

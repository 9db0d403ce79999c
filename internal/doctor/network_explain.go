package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
)

// explainConnection says why p got no answer. variable names the setting that
// p's URL came from.
func (x *examination) explainConnection(ctx context.Context, p *probe, variable string) Result {
	if p.proxy != "" && !p.handshake && p.trustErr == nil {
		if r, is := x.explainProxy(ctx, p); is {
			return r
		}
	}
	var dns *net.DNSError
	var record tls.RecordHeaderError
	switch alert, sent := alertOf(p.err); {
	case p.trustErr != nil:
		return x.explainTrust(ctx, p, variable)
	case errors.As(p.err, &dns):
		return x.explainName(ctx, p, dns, variable)
	case errors.As(p.err, &record):
		at, variable := x.leadsTo(p, variable)
		return failed(at+" does not speak TLS on this port", "the port is another service's, or a device on the way answers in plain HTTP",
			"compare host and port in "+variable)
	case p.asked:
		return x.explainAlert(p, alertCertificateRequired)
	case sent:
		return x.explainAlert(p, alert)
	case p.handshake:
		return x.cut(p, variable)
	}
	return x.unreachable(p, variable)
}

// leadsTo returns where connections go and the setting that says so.
func (x *examination) leadsTo(p *probe, variable string) (at, by string) {
	if p.pinned && x.config.Connect != "" {
		return string(x.config.Connect), "HMA_EWS_CONNECT"
	}
	return p.url.Host, variable
}

// explainName is about a name that does not resolve.
func (x *examination) explainName(ctx context.Context, p *probe, dns *net.DNSError, variable string) Result {
	_, variable = x.leadsTo(p, variable)
	detail := "the name " + quote(dns.Name) + " is not known to DNS here"
	if !dns.IsNotFound {
		detail = "DNS does not answer for " + quote(dns.Name)
	}
	cause := variable + " is mistyped, or this network's DNS does not know the name"
	switch {
	case !dns.IsNotFound:
		cause = "the DNS server that this machine asks is down, or reaches no server that knows this name; the name itself may be right"
	case p == x.probes["vault"]:
		cause = variable + " is mistyped, the vault was deleted, or this network's DNS does not know the name" + x.oddVaultName()
	}
	repair := []string{"nslookup " + printable(dns.Name, 253)}
	switch {
	case x.outside(p) && p.proxy == "" && x.nameless(ctx):
		cause = "no name of the internet resolves here: the network reaches it by a corporate proxy only and HTTPS_PROXY is not set" + x.proxyHint(p) + ", or DNS is down"
		repair = []string{x.throughProxy(p), repair[0]}
	case x.outside(p) && p.proxy == "":
		cause += "; in networks that reach the internet by a corporate proxy only, it is that HTTPS_PROXY is not set" + x.proxyHint(p)
		repair = append(repair, "behind a corporate proxy "+x.throughProxy(p))
	}
	if p.pinned && x.config.Connect == "" {
		repair = append(repair, "with split DNS set HMA_EWS_CONNECT=host:port to where Exchange is reached from here")
	}
	return failed(detail, cause, repair...)
}

// nameless reports whether the sign-in service of a known cloud does not
// resolve either, whose name cannot be mistyped.
func (x *examination) nameless(ctx context.Context) bool {
	known := &probe{url: x.config.Authority.URL}
	if cloudOf(known.url.Hostname()) == "" {
		return false
	}
	x.send(ctx, known, nil)
	var dns *net.DNSError
	return errors.As(known.err, &dns)
}

// outside reports whether p leads to the internet, where many networks have a
// corporate proxy in between.
func (x *examination) outside(p *probe) bool {
	ip := net.ParseIP(p.url.Hostname())
	return (!p.pinned || x.online) && (ip == nil || !ip.IsLoopback() && !ip.IsPrivate())
}

// microsoft reports whether p's host belongs to Microsoft, whose certificates
// every system trusts.
func microsoft(p *probe) bool {
	for _, domain := range []string{"microsoftonline.com", "microsoftonline.us", "microsoftonline.cn", "azure.net", "azure.cn", "usgovcloudapi.net",
		"sovcloud-identity.fr", "sovcloud-identity.de", "office365.com", "outlook.com", "office365.us"} {
		if host := p.url.Hostname(); host == domain || strings.HasSuffix(host, "."+domain) {
			return true
		}
	}
	return false
}

// proxyHint says why no proxy was used although one seems to be meant.
func (x *examination) proxyHint(p *probe) string {
	if x.config.HTTPSProxy.String() != "" {
		return " for this host (NO_PROXY excepts it)"
	}
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"} {
		if os.Getenv(name) != "" {
			return " (" + name + " is, and does not count for https)"
		}
	}
	return ""
}

// throughProxy says how to have p go through the corporate proxy.
func (x *examination) throughProxy(p *probe) string {
	if x.config.HTTPSProxy.String() != "" {
		return "take what matches " + p.url.Hostname() + " out of NO_PROXY"
	}
	return "set HTTPS_PROXY=http://proxy:port"
}

// unreachable is about a connection that could not be opened.
func (x *examination) unreachable(p *probe, variable string) Result {
	at, variable := x.leadsTo(p, variable)
	why := "cannot be connected to (" + networkReason(p.err) + ")"
	repair := []string{"curl -v https://" + p.url.Host + "/     # from this machine"}
	cause := "a firewall on the way, or nothing that listens there: compare " + variable
	switch {
	case x.outside(p) && p.proxy == "":
		cause = "this machine has no direct way to " + p.url.Hostname() + ": a firewall is in between, or the network has a corporate proxy and HTTPS_PROXY is not set" + x.proxyHint(p)
		repair = append(repair, "behind a corporate proxy "+x.throughProxy(p)+"; else open port 443 to "+p.url.Hostname())
	case errors.Is(p.err, syscall.ENETUNREACH), errors.Is(p.err, syscall.EHOSTUNREACH):
		cause = "this machine has no route to it, or nothing answers at that address: its network is not connected, or " + variable + " leads to the wrong one"
		repair = append(repair, "connect the network or VPN that leads there, or set its route: ip route get ADDRESS, on Windows route print")
	}
	return failed(at+" "+why, cause, repair...)
}

// cut is about a connection that was opened and then failed.
func (x *examination) cut(p *probe, variable string) Result {
	if p.version == 0 {
		detail := p.url.Host + " was connected to, then the TLS handshake failed (" + networkReason(p.err) + ")"
		try := x.sClient(p, "")
		switch {
		case p.proxy != "":
			return failed(detail, "the corporate proxy "+p.proxy+" took CONNECT and cut the connection then: it does not permit this host, or fails to reach or to inspect it",
				"have "+p.dialled()+" permitted on the proxy, or, for a host inside, name it in NO_PROXY", "curl -v -x http://"+p.proxy+" https://"+p.url.Host+"/")
		case microsoft(p):
			return failed(detail, "a firewall or an inspecting proxy between this machine and Microsoft cuts the connection, by the name that it reads in it",
				"have the firewall let "+p.dialled()+" pass; behind a corporate proxy set HTTPS_PROXY=http://proxy:port", try)
		}
		return failed(detail, "a firewall or an inspecting proxy cuts the connection, the port is not TLS, or the server is too old for TLS 1.2",
			try, "on an old Exchange Server enable TLS 1.2: https://aka.ms/ExchangeTLS")
	}
	return failed(p.url.Host+" was reached by TLS and then gave no answer ("+networkReason(p.err)+")",
		"the service hangs or is starting, or a device on the way drops the request: "+variable+" may lead to the wrong one",
		"try again; curl -v "+p.url.String())
}

// sClient is the command that makes the handshake that failed, by the same way.
func (x *examination) sClient(p *probe, more string) string {
	way, name := p.dialled(), p.url.Hostname()
	switch {
	case p.proxyName != "":
		way, name = p.proxy, p.proxyName
	case p.proxy != "":
		way = way + " -proxy " + p.proxy
	case p.pinned && x.config.Connect != "":
		way = string(x.config.Connect)
	}
	return "openssl s_client -connect " + way + " -servername " + name + more + " </dev/null"
}

func (p *probe) dialled() string {
	if p.url.Port() != "" {
		return p.url.Host
	}
	return p.url.Host + ":443"
}

// TLS alerts by their numbers in RFC 8446, section 6, and RFC 5246.
const (
	alertHandshakeFailure     = 40
	alertBadCertificate       = 42
	alertProtocolVersion      = 70
	alertInsufficientSecurity = 71
	alertInappropriate        = 86
	alertNoRenegotiation      = 100
	alertUnrecognizedName     = 112
	alertCertificateRequired  = 116
)

// alertOf returns the alert that ended a handshake. crypto/tls gives it no type
// that others could ask for, but the text of its number.
func alertOf(err error) (number uint8, found bool) {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" && op.Op != "local error" {
		return 0, false
	}
	for n := range 256 {
		if op.Err.Error() == tls.AlertError(n).Error() {
			return uint8(n), true
		}
	}
	return 0, false
}

// explainAlert is about a server that ends the handshake with a reason.
func (x *examination) explainAlert(p *probe, alert uint8) Result {
	detail := p.url.Host + " refuses the TLS handshake: " + tls.AlertError(alert).Error()
	switch alert {
	case alertHandshakeFailure, alertProtocolVersion, alertInsufficientSecurity, alertInappropriate:
		return failed(detail, "the server speaks no TLS version or cipher that is safe today (at least TLS 1.2 is needed)",
			"on Exchange Server enable TLS 1.2: https://aka.ms/ExchangeTLS")
	case alertBadCertificate, alertCertificateRequired, alertNoRenegotiation:
		return failed(detail, "the server, or a device in front of it, wants a client certificate, which hmaproxy has none of",
			"on Exchange: IIS Manager > EWS > SSL Settings > Client certificates: Ignore, and the same on the device in front")
	case alertUnrecognizedName:
		return failed(detail, "the server has no site of this name", "compare the host in the URL with the names that the server is bound to")
	}
	return failed(detail, "the server, or a device in front of it, does not take this connection",
		x.sClient(p, ""))
}

// networkReason names an error in words of this program and the system's.
func networkReason(err error) string {
	var errno syscall.Errno
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET):
		return "connection reset"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "no answer in time"
	case errors.As(err, &errno):
		return errno.Error()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed"
	}
	return "the connection failed"
}

package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
)

// explainProxy is about the corporate proxy. It compares with the direct way.
func (x *examination) explainProxy(ctx context.Context, p *probe) (Result, bool) {
	direct := &probe{url: p.url, pinned: p.pinned, direct: true}
	var repair []string
	if x.answers(ctx, direct) {
		repair = append(repair, "the direct way works: set NO_PROXY="+p.url.Hostname()+" (added to what is there)")
	}
	switch {
	case p.proxyStatus == http.StatusProxyAuthRequired:
		return failed("the corporate proxy "+p.proxy+" answered 407 to CONNECT "+p.dialled(),
			"the proxy asks for credentials, and HTTPS_PROXY has none that it accepts (only Basic is spoken, not NTLM or Negotiate)",
			append(repair, "set HTTPS_PROXY=http://user:password@"+p.proxy+", or have this machine excepted from authentication")...), true
	case p.proxyStatus != 0:
		return failed(fmt.Sprintf("the corporate proxy %s answered %d %s to CONNECT %s", p.proxy, p.proxyStatus, http.StatusText(p.proxyStatus), p.dialled()),
			"the proxy does not permit or does not reach this host",
			append(repair, "have "+p.dialled()+" permitted on the proxy, or, for a host inside, name it in NO_PROXY")...), true
	case !p.connected:
		return failed("the corporate proxy "+p.proxy+" of HTTPS_PROXY cannot be connected to ("+networkReason(p.err)+")",
			"HTTPS_PROXY is mistyped, or the proxy is down"+unresolved(p.err),
			append(repair, "correct HTTPS_PROXY, or unset it where no proxy is needed")...), true
	case p.proxyName != "" && errors.As(p.err, new(tls.RecordHeaderError)):
		return failed("the corporate proxy "+p.proxy+" does not speak TLS on this port",
			"HTTPS_PROXY begins with https://, which means TLS to the proxy itself; nearly all proxies take http://, for https destinations too",
			append([]string{"set HTTPS_PROXY=http://" + p.proxy}, repair...)...), true
	case !p.handshake:
		return failed("the corporate proxy "+p.proxy+" was connected to, and gave no proper answer to CONNECT "+p.dialled()+" ("+networkReason(p.err)+")",
			"the port in HTTPS_PROXY is not that of an HTTP proxy (a SOCKS or TLS port, perhaps), or the proxy hangs",
			append(repair, "curl -v -x http://"+p.proxy+" https://"+p.url.Host+"/     # what does it answer?", "correct HTTPS_PROXY, or unset it where no proxy is needed")...), true
	}
	return Result{}, false
}

func unresolved(err error) string {
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return ": its name does not resolve"
	}
	return ""
}

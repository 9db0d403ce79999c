package doctor

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// explainTrust is about a chain that this machine does not trust.
func (x *examination) explainTrust(ctx context.Context, p *probe, variable string) Result {
	leaf, top := p.chain[0], p.chain[len(p.chain)-1]
	detail := fmt.Sprintf("the certificate of %s, for %s, was issued by %s", p.server(), commonName(leaf, false), commonName(leaf, true))
	if len(p.chain) > 1 {
		detail += "; the chain ends at " + commonName(top, true)
	}
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(p.trustErr, &name):
		return x.wrongName(p, leaf, detail, variable)
	case errors.As(p.trustErr, &invalid) && invalid.Reason == x509.Expired:
		return x.outOfDate(ctx, p, invalid.Cert, detail)
	}
	return x.unknownIssuer(p, detail, commonName(top, true))
}

// unknownIssuer is about a private PKI, or a proxy that opens TLS.
func (x *examination) unknownIssuer(p *probe, detail, top string) Result {
	cause := "a private authority (" + top + ", a private PKI) issued it, which this machine does not trust"
	leaf := p.chain[0]
	selfSigned := len(p.chain) == 1 && leaf.Subject.String() == leaf.Issuer.String()
	switch {
	case p.proxyName != "":
		cause = "a private authority (" + top + ") issued the proxy's own certificate, which this machine does not trust"
	case p.proxy != "" && microsoft(p):
		cause = "the corporate proxy " + p.proxy + " inspects TLS with its own authority (" + top + "), which this machine does not trust"
	case microsoft(p):
		cause = "a corporate proxy or firewall inspects TLS with its own authority (" + top + "), which this machine does not trust"
	case selfSigned:
		cause = "the server shows a self-signed certificate, as Exchange has it after its installation"
	}
	if x.config.CAFile == "" {
		cause += "; HMA_CA_FILE is not set"
	} else {
		cause += "; HMA_CA_FILE is set and does not hold it (it holds " + x.caNames() + ")"
	}
	repair := []string{"export the root certificate of " + top + " as PEM, and set HMA_CA_FILE to its path",
		"openssl s_client -connect " + p.dialled() + " -servername " + p.url.Hostname() + " -showcerts </dev/null     # shows the chain"}
	if selfSigned && p.pinned {
		repair = append(repair, "or bind a proper certificate: Enable-ExchangeCertificate -Thumbprint … -Services IIS")
	}
	r := failed(detail, cause, repair...)
	if len(p.chain) == 1 && !selfSigned {
		r.Notes = append(r.Notes, "the server sends no intermediate certificate: if its root is trusted here, it is the server's chain that is incomplete")
	}
	return r
}

func (x *examination) caNames() string {
	var names []string
	for _, c := range x.config.CAs {
		if len(names) == 3 {
			names = append(names, "…")
			break
		}
		names = append(names, commonName(c, false))
	}
	return strings.Join(names, ", ")
}

func (x *examination) wrongName(p *probe, leaf *x509.Certificate, detail, variable string) Result {
	names := strings.Join(leaf.DNSNames, ", ")
	if names == "" {
		names = "none"
	}
	switch {
	case p.proxyName != "":
		variable = "HTTPS_PROXY"
	case p.pinned && x.config.Connect != "":
		variable += " or HMA_EWS_CONNECT"
	}
	cause := "the certificate is for another host: " + variable + " has not the name that the server goes by, or DNS leads to another server"
	if leaf.Subject.String() == leaf.Issuer.String() {
		cause += "; it is self-signed besides, as Exchange's own is after its installation"
	}
	repair := "compare the host in " + variable + ", and what its name resolves to: nslookup " + p.url.Hostname()
	switch {
	case microsoft(p):
		cause = "a captive portal or a corporate proxy answers in place of " + p.url.Hostname() + ", or DNS leads to another server"
	case p.pinned && p.proxyName == "":
		repair = "use in HMA_EWS_URL the name that clients use: Get-WebServicesVirtualDirectory | fl ExternalUrl,InternalUrl"
	}
	return failed(detail+"; its names are "+quote(names), cause, repair)
}

// outOfDate tells a certificate that has expired from a clock that is wrong:
// it asks the server for the time, without trusting it and without sending
// anything but the question.
func (x *examination) outOfDate(ctx context.Context, p *probe, culprit *x509.Certificate, detail string) Result {
	if culprit == nil {
		culprit = p.chain[0]
	}
	detail += fmt.Sprintf("; %s is valid from %s until %s", commonName(culprit, false),
		culprit.NotBefore.UTC().Format("2006-01-02 15:04"), culprit.NotAfter.UTC().Format("2006-01-02 15:04 MST"))
	if c, ok := x.untrustedClock(ctx, p); ok && !c.date.Before(culprit.NotBefore) && !c.date.After(culprit.NotAfter) {
		return failed(detail+"; the server's clock says "+c.date.UTC().Format("2006-01-02 15:04 MST"),
			"this machine's clock is wrong: "+aheadOrBehind(c.skew())+" the server's", setClock...)
	}
	return failed(detail, "the server's certificate has expired or is not valid yet", "renew it on the server (Exchange: Get-ExchangeCertificate | fl Thumbprint,NotAfter,Services)",
		"date -u     # if the dates above are right, correct this machine's clock")
}

func (x *examination) untrustedClock(ctx context.Context, p *probe) (clock, bool) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	control, exchange := x.links.Tuned(func(t *http.Transport) {
		t.DisableKeepAlives = true
		t.TLSClientConfig.ServerName = p.url.Hostname()
		t.TLSClientConfig.InsecureSkipVerify = true
	})
	if p.pinned {
		control = exchange
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, "https://"+p.url.Host+"/", nil)
	if err != nil {
		return clock{}, false
	}
	resp, err := control.RoundTrip(req)
	if err != nil {
		return clock{}, false
	}
	resp.Body.Close()
	return readClock(resp.Header)
}

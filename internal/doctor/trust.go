package doctor

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"slices"
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
	case errors.As(p.trustErr, &name) && len(leaf.DNSNames)+len(leaf.IPAddresses) == 0 && strings.EqualFold(leaf.Subject.CommonName, p.url.Hostname()):
		return nameless(p, detail)
	case errors.As(p.trustErr, &name):
		return x.wrongName(p, leaf, detail, variable)
	case errors.As(p.trustErr, &invalid) && invalid.Reason == x509.Expired:
		return x.outOfDate(ctx, p, invalid.Cert, detail)
	case errors.As(p.trustErr, &invalid):
		return misused(p, detail, invalid)
	case sha1(p.chain):
		return failed(detail+"; it is signed with SHA-1", "certificates signed with SHA-1 are accepted nowhere any more, whoever issued them", newServerCertificate(p)...)
	}
	if p.proxy != "" && p.proxyName == "" && !microsoft(p) {
		if direct := (&probe{url: p.url, pinned: p.pinned, direct: true}); x.answers(ctx, direct) {
			return failed(detail+"; without the proxy the server shows one that is trusted", "the corporate proxy "+p.proxy+" inspects TLS with its own authority ("+commonName(top, true)+"), which this machine does not trust",
				"the direct way works: set NO_PROXY="+p.url.Hostname()+" (added to what is there)", "or export the root certificate of "+commonName(top, true)+" as PEM, and set HMA_CA_FILE to its path")
		}
	}
	return x.unknownIssuer(p, detail, commonName(top, true))
}

// answers reports whether a probe gets an answer, from one that is trusted.
func (x *examination) answers(ctx context.Context, p *probe) bool {
	x.send(ctx, p, nil)
	return p.status != 0
}

// newServerCertificate is the repair of a certificate that no setting here can
// make good.
func newServerCertificate(p *probe) []string {
	if !p.pinned || p.proxyName != "" {
		return []string{"have a new certificate issued for " + p.server() + ", signed with SHA-256, for server authentication, with the host in its subject alternative name"}
	}
	return []string{"on Exchange: New-ExchangeCertificate -GenerateRequest -DomainName " + p.url.Hostname() + "     # have it issued with SHA-256 for server authentication, then Import-ExchangeCertificate",
		"on Exchange: Enable-ExchangeCertificate -Thumbprint … -Services IIS; on a load balancer or WAF in front, bind the same there"}
}

// nameless is about a certificate that names its host in the old place only.
func nameless(p *probe, detail string) Result {
	return failed(detail+"; it has no subject alternative name", "the certificate names its host in the common name alone, which no client of today reads", newServerCertificate(p)...)
}

// misused is about a certificate whose own rules forbid this use of it.
func misused(p *probe, detail string, e x509.CertificateInvalidError) Result {
	cause := "the certificate, or one of the authorities above it, does not permit this use"
	switch e.Reason {
	case x509.IncompatibleUsage:
		cause = "the certificate is not one for server authentication (extended key usage), so that it must not serve TLS"
	case x509.CANotAuthorizedForThisName:
		cause = "the authority that issued the certificate is not authorised for this host's name (name constraints)"
	case x509.NotAuthorizedToSign:
		cause = "the certificate was issued by one that is no authority"
	}
	return failed(detail, cause, newServerCertificate(p)...)
}

// sha1 reports whether the signature of a certificate, a root's own excepted,
// is too weak to count.
func sha1(chain []*x509.Certificate) bool {
	return slices.ContainsFunc(chain, func(c *x509.Certificate) bool {
		weak := c.SignatureAlgorithm == x509.SHA1WithRSA || c.SignatureAlgorithm == x509.ECDSAWithSHA1
		return weak && c.Subject.String() != c.Issuer.String()
	})
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
	cause += x.aboutCAFile(p.chain[len(p.chain)-1])
	repair := []string{"export the root certificate of " + top + " as PEM, and set HMA_CA_FILE to its path",
		x.sClient(p, " -showcerts") + "     # shows the chain"}
	if selfSigned && p.pinned {
		repair = append(repair, "or bind a proper certificate: Enable-ExchangeCertificate -Thumbprint … -Services IIS")
	}
	if p.pinned && p.proxyName == "" && len(p.chain) == 1 && !selfSigned {
		return incomplete(p, detail, cause, repair)
	}
	return failed(detail, cause, repair...)
}

// incomplete is about a chain of one certificate, which lacks its intermediate
// unless a root issued it. A public authority's root never does.
func incomplete(p *probe, detail, cause string, repair []string) Result {
	issuer := commonName(p.chain[0], true)
	whole := []string{"on the server import the certificate of " + issuer + " into “Intermediate Certification Authorities” of the computer, then iisreset; on a load balancer bind the full chain",
		"or append that certificate, as PEM, to HMA_CA_FILE"}
	missing := "the server's chain is incomplete: it does not send the certificate of its issuer, the intermediate authority " + issuer
	if public(p.chain[0]) {
		return failed(detail, missing, append(whole, repair[1])...)
	}
	return failed(detail, cause+"; or, if its root is trusted here, "+missing, append(repair, whole[0])...)
}

// public reports whether a certificate is of an authority that browsers trust:
// its policies are those of the CA/Browser Forum.
func public(leaf *x509.Certificate) bool {
	return slices.ContainsFunc(leaf.Policies, func(o x509.OID) bool { return strings.HasPrefix(o.String(), "2.23.140.1.") })
}

// aboutCAFile says why HMA_CA_FILE does not help with a chain's last
// certificate.
func (x *examination) aboutCAFile(top *x509.Certificate) string {
	switch same := slices.ContainsFunc(x.config.CAs, func(c *x509.Certificate) bool { return c.Subject.String() == top.Issuer.String() }); {
	case x.config.CAFile == "":
		return "; HMA_CA_FILE is not set"
	case same:
		return "; HMA_CA_FILE is set and does not hold it, but an authority of the same name with another key (from before a renewal, perhaps)"
	}
	return "; HMA_CA_FILE is set and does not hold it (it holds " + x.caNames() + ")"
}

func (x *examination) caNames() string {
	var names []string
	for _, c := range x.config.CAs {
		if len(names) == 3 {
			names = append(names, "…")
			break
		}
		name := commonName(c, false)
		if !c.IsCA {
			name += ", which is a server's certificate and no authority"
		}
		names = append(names, name)
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
	r := failed(detail+"; its names are "+quote(names), cause, repair)
	if p.pinned && x.config.Connect != "" {
		r.Repair = append(r.Repair, "compare HMA_EWS_CONNECT ("+string(x.config.Connect)+"): it must lead to Exchange, or to the load balancer in front")
	}
	return r
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
	if microsoft(p) {
		return failed(detail, "a corporate proxy, firewall or captive portal answers in place of "+p.url.Hostname()+" with a certificate that has expired or is not valid yet",
			"have "+p.dialled()+" pass without inspection, or the inspecting device's certificate renewed", "date -u     # if the dates above are right, correct this machine's clock")
	}
	return failed(detail, "the server's certificate has expired or is not valid yet", "renew it on the server (Exchange: Get-ExchangeCertificate | fl Thumbprint,NotAfter,Services)",
		"date -u     # if the dates above are right, correct this machine's clock")
}

func (x *examination) untrustedClock(ctx context.Context, p *probe) (clock, bool) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	control, exchange := x.clients.Tuned(func(t *http.Transport) {
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

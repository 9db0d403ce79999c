package doctor

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"

	"hmaproxy/internal/config"
)

// An untrusted value describes a chain that is not trusted. It is the input of
// trustRules.
type untrusted struct {
	conn      connection
	facts     *facts
	leaf, top *x509.Certificate
	invalid   x509.CertificateInvalidError // Cert is nil unless isInvalid
	isInvalid bool
}

// evaluateTrust explains why the chain of a connection is not trusted.
func evaluateTrust(c failedConnection, n names) Result {
	chain := c.conn.handshake.chain
	if len(chain) == 0 {
		return n.failed("{host} sent no certificate", must(explain(handshakeFailures, c)))
	}
	u := untrusted{conn: c.conn, facts: c.facts, leaf: chain[0], top: chain[len(chain)-1]}
	u.isInvalid = errors.As(c.conn.handshake.trustErr, &u.invalid)
	detail := fmt.Sprintf("the certificate of %s, for %s, was issued by %s", c.conn.server(), commonName(u.leaf, false), commonName(u.leaf, true))
	if len(chain) > 1 {
		detail += "; the chain ends at " + commonName(u.top, true)
	}
	return u.names(n).failed(detail, must(explain(trustRules, u)))
}

// names returns n with the values of the words in braces that describe the
// certificate chain, such as {issuer}.
func (u untrusted) names(n names) names {
	faulty := u.faulty()
	const date = "2006-01-02 15:04"
	n = n.with(
		"{issuer}", commonName(u.leaf, true),
		"{top}", commonName(u.top, true),
		"{names}", quote(u.dnsNames()),
		"{validity}", fmt.Sprintf("%s is valid from %s until %s", commonName(faulty, false), faulty.NotBefore.UTC().Format(date), faulty.NotAfter.UTC().Format(date+" MST")),
		"{server-clock}", u.conn.followUp.serverClock.date.UTC().Format(date+" MST"),
		"{skew}", aheadOrBehind(u.conn.followUp.serverClock.skew()),
		"{ca-file}", u.caFile(),
		"{name-settings}", u.nameSettings(),
		"{also-self-signed}", "",
		"{compare-connect}", "",
		"{bind}", "",
		"{new-certificate}", "have a new certificate issued for "+u.conn.server()+", signed with SHA-256, for server authentication, with the host in its subject alternative name",
		"{bind-certificate}", "",
	)
	if u.ofExchange() {
		n = n.with(
			"{new-certificate}", "on Exchange: New-ExchangeCertificate -GenerateRequest -DomainName "+u.conn.target.url.Hostname()+"     # have it issued with SHA-256 for server authentication, then Import-ExchangeCertificate",
			"{bind-certificate}", "on Exchange: Enable-ExchangeCertificate -Thumbprint … -Services IIS; on a load balancer or WAF in front, bind the same there",
		)
	}
	if selfIssued(u.leaf) {
		n = n.with("{also-self-signed}", "; it is also self-signed, as Exchange's own is after its installation")
	}
	if u.conn.target.exchange && u.facts.config.Connect != "" {
		n = n.with("{compare-connect}", "compare HMA_EWS_CONNECT ("+string(u.facts.config.Connect)+"): it must lead to Exchange, or to the load balancer in front")
	}
	if u.selfSigned() && u.conn.target.exchange {
		n = n.with("{bind}", "or bind a proper certificate: Enable-ExchangeCertificate -Thumbprint … -Services IIS")
	}
	return n
}

// dnsNames returns the DNS names in the certificate, separated by commas, or
// "none".
func (u untrusted) dnsNames() string {
	if len(u.leaf.DNSNames) == 0 {
		return "none"
	}
	return strings.Join(u.leaf.DNSNames, ", ")
}

// nameSettings names the settings that determine which host is connected to.
func (u untrusted) nameSettings() string {
	switch {
	case u.ofProxy():
		return "HTTPS_PROXY"
	case u.conn.target.exchange && u.facts.config.Connect != "":
		return u.conn.target.variable + " or HMA_EWS_CONNECT"
	}
	return u.conn.target.variable
}

// ofProxy reports whether the certificate belongs to the corporate proxy
// itself.
func (u untrusted) ofProxy() bool { return u.conn.route.proxyTLS != "" }

// ofExchange reports whether the certificate belongs to Exchange or to a device
// in front of Exchange.
func (u untrusted) ofExchange() bool { return u.conn.target.exchange && !u.ofProxy() }

func (u untrusted) ofMicrosoft() bool { return microsoft(u.conn.target.url) }

// wrongName reports whether the certificate is not valid for the name of the
// host.
func (u untrusted) wrongName() bool {
	return errors.As(u.conn.handshake.trustErr, new(x509.HostnameError))
}

func (u untrusted) selfSigned() bool { return len(u.conn.handshake.chain) == 1 && selfIssued(u.leaf) }

// alone reports whether the server sent only one certificate, which is not
// self-issued. Then an intermediate certificate is missing, unless the issuer is
// a root.
func (u untrusted) alone() bool { return len(u.conn.handshake.chain) == 1 && !selfIssued(u.leaf) }

// invalidFor reports whether a certificate of the chain is invalid for the
// given reason.
func (u untrusted) invalidFor(reason x509.InvalidReason) bool {
	return u.isInvalid && u.invalid.Reason == reason
}

// faulty returns the certificate of the chain that is not valid, or the server's
// own certificate if the error names none.
func (u untrusted) faulty() *x509.Certificate {
	if u.invalid.Cert != nil {
		return u.invalid.Cert
	}
	return u.leaf
}

// validByServer reports whether the certificate is valid at the time that the
// server's own clock shows.
func (u untrusted) validByServer() bool {
	faulty, c := u.faulty(), u.conn.followUp.serverClock
	return u.invalidFor(x509.Expired) && c.known() && !c.date.Before(faulty.NotBefore) && !c.date.After(faulty.NotAfter)
}

// caFile returns a text that says why HMA_CA_FILE does not help with the
// chain's last certificate.
func (u untrusted) caFile() string {
	c := u.facts.config
	sameName := slices.ContainsFunc(c.CAs, func(ca *x509.Certificate) bool { return ca.Subject.String() == u.top.Issuer.String() })
	switch {
	case c.CAFile == "":
		return "; HMA_CA_FILE is not set"
	case sameName:
		return "; HMA_CA_FILE is set and does not hold it, but an authority of the same name with another key (from before a renewal, perhaps)"
	}
	return "; HMA_CA_FILE is set and does not hold it (it holds " + caNames(c) + ")"
}

// trustRules explain why a chain is not trusted.
var trustRules = []rule[untrusted]{
	{
		when: func(u untrusted) bool {
			return u.wrongName() && len(u.leaf.DNSNames)+len(u.leaf.IPAddresses) == 0 && strings.EqualFold(u.leaf.Subject.CommonName, u.conn.target.url.Hostname())
		},
		detail: "{detail}; it has no subject alternative name",
		cause:  "the certificate names its host in the common name alone, which no client of today reads",
		repair: newServerCertificate,
	},
	{
		when:   func(u untrusted) bool { return u.wrongName() && u.ofMicrosoft() },
		detail: wrongNames,
		cause:  "a captive portal or a corporate proxy responds in place of {hostname}, or DNS leads to another server",
		repair: []string{compareName, "{compare-connect}"},
	},
	{
		when:   func(u untrusted) bool { return u.wrongName() && u.ofExchange() },
		detail: wrongNames,
		cause:  otherHost,
		repair: []string{"use in HMA_EWS_URL the name that clients use: Get-WebServicesVirtualDirectory | fl ExternalUrl,InternalUrl", "{compare-connect}"},
	},
	{
		when:   untrusted.wrongName,
		detail: wrongNames,
		cause:  otherHost,
		repair: []string{compareName, "{compare-connect}"},
	},
	{
		when:   untrusted.validByServer,
		detail: "{detail}; {validity}; the server's clock says {server-clock}",
		cause:  "this machine's clock is wrong: {skew} the server's",
		repair: setClock,
	},
	{
		when:   func(u untrusted) bool { return u.invalidFor(x509.Expired) && u.ofMicrosoft() },
		detail: "{detail}; {validity}",
		cause:  "a corporate proxy, firewall or captive portal responds in place of {hostname} with a certificate that has expired or is not valid yet",
		repair: []string{"have {target} pass without inspection, or the inspecting device's certificate renewed", compareDates},
	},
	{
		when:   func(u untrusted) bool { return u.invalidFor(x509.Expired) },
		detail: "{detail}; {validity}",
		cause:  "the server's certificate has expired or is not valid yet",
		repair: []string{"renew it on the server (Exchange: Get-ExchangeCertificate | fl Thumbprint,NotAfter,Services)", compareDates},
	},
	{
		when:   func(u untrusted) bool { return u.invalidFor(x509.IncompatibleUsage) },
		cause:  "the certificate is not one for server authentication (extended key usage), so that it must not serve TLS",
		repair: newServerCertificate,
	},
	{
		when:   func(u untrusted) bool { return u.invalidFor(x509.CANotAuthorizedForThisName) },
		cause:  "the authority that issued the certificate is not authorised for this host's name (name constraints)",
		repair: newServerCertificate,
	},
	{
		when:   func(u untrusted) bool { return u.invalidFor(x509.NotAuthorizedToSign) },
		cause:  "the certificate was issued by one that is not an authority",
		repair: newServerCertificate,
	},
	{
		when:   func(u untrusted) bool { return u.isInvalid },
		cause:  "the certificate, or one of the authorities above it, does not permit this use",
		repair: newServerCertificate,
	},
	{
		when:   func(u untrusted) bool { return signedWithSHA1(u.conn.handshake.chain) },
		detail: "{detail}; it is signed with SHA-1",
		cause:  "clients refuse certificates signed with SHA-1, whichever authority issued them",
		repair: newServerCertificate,
	},
	{
		when: func(u untrusted) bool {
			return u.conn.route.proxy != "" && !u.ofProxy() && !u.ofMicrosoft() && u.conn.followUp.directWorks
		},
		detail: "{detail}; without the proxy the server sends one that is trusted",
		cause:  "the corporate proxy {proxy} inspects TLS with its own authority ({top}), which this machine does not trust",
		repair: []string{"{no-proxy}", "or export the root certificate of {top} as PEM, and set HMA_CA_FILE to its path"},
	},
	{
		when:   untrusted.ofProxy,
		cause:  "a private authority ({top}) issued the proxy's own certificate, which this machine does not trust{ca-file}",
		repair: exportRoot,
	},
	{
		when:   func(u untrusted) bool { return u.conn.route.proxy != "" && u.ofMicrosoft() },
		cause:  "the corporate proxy {proxy} inspects TLS with its own authority ({top}), which this machine does not trust{ca-file}",
		repair: exportRoot,
	},
	{
		when:   untrusted.ofMicrosoft,
		cause:  "a corporate proxy or firewall inspects TLS with its own authority ({top}), which this machine does not trust{ca-file}",
		repair: exportRoot,
	},
	{
		when:   untrusted.selfSigned,
		cause:  "the server sends a self-signed certificate, as Exchange has it after its installation{ca-file}",
		repair: exportRoot,
	},
	{
		when:   func(u untrusted) bool { return u.ofExchange() && u.alone() && fromPublicAuthority(u.leaf) },
		cause:  incompleteChain,
		repair: []string{importIntermediate, "or append that certificate, as PEM, to HMA_CA_FILE", "{openssl-chain}     # shows the chain"},
	},
	{
		when:   func(u untrusted) bool { return u.ofExchange() && u.alone() },
		cause:  privateAuthority + "; or, if its root is trusted here, " + incompleteChain,
		repair: append(slices.Clip(exportRoot), importIntermediate),
	},
	{
		cause:  privateAuthority,
		repair: exportRoot,
	},
}

const (
	wrongNames         = "{detail}; its names are {names}"
	otherHost          = "the certificate is for another host: {name-settings} is not the name that the server has, or DNS leads to another server{also-self-signed}"
	compareName        = "compare the host in {name-settings}, and what its name resolves to: nslookup {hostname}"
	compareDates       = "date -u     # if the dates above are right, correct this machine's clock"
	privateAuthority   = "a private authority ({top}, a private PKI) issued it, which this machine does not trust{ca-file}"
	incompleteChain    = "the server's chain is incomplete: it does not send the certificate of its issuer, the intermediate authority {issuer}"
	importIntermediate = "on the server import the certificate of {issuer} into “Intermediate Certification Authorities” of the computer, then iisreset; on a load balancer bind the full chain"
)

var exportRoot = []string{
	"export the root certificate of {top} as PEM, and set HMA_CA_FILE to its path",
	"{openssl-chain}     # shows the chain",
	"{bind}",
}

// newServerCertificate is the repair of a certificate that no setting of
// hmaproxy can make usable.
var newServerCertificate = []string{"{new-certificate}", "{bind-certificate}"}

// signedWithSHA1 reports whether the chain contains a certificate that is signed
// with SHA-1 and is not self-issued. crypto/tls does not accept such a
// signature.
func signedWithSHA1(chain []*x509.Certificate) bool {
	return slices.ContainsFunc(chain, func(c *x509.Certificate) bool {
		weak := c.SignatureAlgorithm == x509.SHA1WithRSA || c.SignatureAlgorithm == x509.ECDSAWithSHA1
		return weak && !selfIssued(c)
	})
}

func selfIssued(c *x509.Certificate) bool { return c.Subject.String() == c.Issuer.String() }

// fromPublicAuthority reports whether the certificate comes from an authority
// that browsers trust. It looks for the policies of the CA/Browser Forum.
func fromPublicAuthority(leaf *x509.Certificate) bool {
	return slices.ContainsFunc(leaf.Policies, func(o x509.OID) bool { return strings.HasPrefix(o.String(), "2.23.140.1.") })
}

func expired(trustErr error) bool {
	var invalid x509.CertificateInvalidError
	return errors.As(trustErr, &invalid) && invalid.Reason == x509.Expired
}

// caNames returns the names of up to three certificates of HMA_CA_FILE as text.
func caNames(c *config.Config) string {
	var all []string
	for _, ca := range c.CAs {
		if len(all) == 3 {
			all = append(all, "…")
			break
		}
		name := commonName(ca, false)
		if !ca.IsCA {
			name += ", which is a server's certificate and not an authority"
		}
		all = append(all, name)
	}
	return strings.Join(all, ", ")
}

// commonName returns the common name of a certificate's subject or issuer,
// quoted. Without a common name it returns the organisation, or else the whole
// name.
func commonName(c *x509.Certificate, issuer bool) string {
	name := c.Subject
	if issuer {
		name = c.Issuer
	}
	switch {
	case name.CommonName != "":
		return quote(name.CommonName)
	case len(name.Organization) > 0:
		return quote(name.Organization[0])
	}
	return quote(name.String())
}

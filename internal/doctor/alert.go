package doctor

import (
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"strings"

	"hmaproxy/internal/config"
)

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

// noCommonTLSAlerts end a handshake when client and server have no TLS version
// or cipher suite in common.
var noCommonTLSAlerts = []uint8{alertHandshakeFailure, alertProtocolVersion, alertInsufficientSecurity, alertInappropriate}

// oldTLSRules explain a handshake that one of noCommonTLSAlerts ended. They use
// the result of a second handshake, which offers every TLS version and cipher
// suite of crypto/tls.
var oldTLSRules = []rule[failedConnection]{
	{
		when:   func(c failedConnection) bool { return c.oldVersion() },
		detail: refusedHandshake + "; it accepts {version}",
		cause:  "the server speaks {version} at most, and at least TLS 1.2 is needed",
		repair: []string{enableTLS12},
	},
	{
		when:   func(c failedConnection) bool { return rsaKeyExchange(c.conn.followUp.old.suite) },
		detail: refusedHandshake + "; it accepts {suite}",
		cause:  "the server offers only cipher suites with RSA key exchange, which have no forward secrecy and are off in hmaproxy",
		repair: []string{enableGCM, "{suite-setting}"},
	},
	{
		when:   func(c failedConnection) bool { return c.conn.followUp.old.suite != 0 },
		detail: refusedHandshake + "; it accepts {suite}",
		cause:  "the server offers only cipher suites that are off in hmaproxy because they are weak, such as {suite}",
		repair: []string{enableGCM, "{suite-setting}"},
	},
	{
		when:   func(c failedConnection) bool { return c.endedBy(alertProtocolVersion, alertInappropriate) },
		detail: refusedHandshake,
		cause:  "the server speaks no TLS version that hmaproxy does, not even TLS 1.0",
		repair: []string{enableTLS12, "{openssl}     # shows what the server accepts"},
	},
	{
		detail: refusedHandshake,
		cause:  "the server has no cipher suite in common with hmaproxy, not even one of those that are off by default: it offers only suites with DHE, or with CBC and SHA-384, which hmaproxy does not implement",
		repair: []string{enableGCM, "{openssl}     # shows what the server accepts"},
	},
}

const (
	refusedHandshake = "{host} refuses the TLS handshake: {alert}"
	enableTLS12      = "on Exchange Server enable TLS 1.2: https://aka.ms/ExchangeTLS"
	enableGCM        = "on Exchange Server: Enable-TlsCipherSuite TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, or the same on the device in front; https://aka.ms/ExchangeTLS"
)

const ignoreClientCertificates = "on Exchange: IIS Manager > EWS > SSL Settings > Client certificates: Ignore, and the same on the device in front"

// renegotiates reports whether a request failed because the server asked for
// renegotiation. It compares the error's text, because the error wraps no typed
// cause.
func renegotiates(err error) bool {
	return err != nil && strings.Contains(err.Error(), tls.AlertError(alertNoRenegotiation).Error())
}

// endedBy reports whether one of these alerts ended the handshake.
func (c failedConnection) endedBy(alerts ...uint8) bool {
	alert, sent := alertOf(c.conn.err)
	return sent && slices.Contains(alerts, alert)
}

// suiteSetting returns a repair: the value of a setting with which hmaproxy
// offers the cipher suite that the server accepts. It returns "" if no setting
// helps.
func (c failedConnection) suiteSetting() string {
	suite := c.conn.followUp.old.suite
	for _, compatibility := range []config.TLSCompatibility{{config.RSAKeyExchange}, {config.CBC}, {config.RSAKeyExchange, config.CBC}} {
		if c.conn.target.exchange && suite != 0 && slices.Contains(compatibility.CipherSuites(), suite) {
			var values []string
			for _, v := range compatibility {
				values = append(values, string(v))
			}
			return "until then set HMA_TLS_COMPATIBILITY=" + strings.Join(values, ",")
		}
	}
	return ""
}

// oldVersion reports whether the server speaks only TLS versions before 1.2.
func (c failedConnection) oldVersion() bool {
	v := c.conn.followUp.old.version
	return v != 0 && v < tls.VersionTLS12
}

// rsaKeyExchange reports whether a cipher suite has RSA key exchange.
func rsaKeyExchange(suite uint16) bool {
	return strings.HasPrefix(tls.CipherSuiteName(suite), "TLS_RSA_")
}

// unparsableCertificate reports whether a handshake ended because crypto/tls
// could not parse the server's certificate. It compares the error's text,
// because the error has no type.
func unparsableCertificate(err error) bool {
	return err != nil && strings.Contains(err.Error(), "failed to parse certificate from server")
}

var unparsableCertificates = []rule[failedConnection]{
	{
		when:   func(c failedConnection) bool { return strings.Contains(c.conn.err.Error(), "negative serial number") },
		detail: unparsable,
		cause:  "the certificate has a negative serial number, which RFC 5280 forbids and Go does not accept",
		repair: []string{reissue, "or set GODEBUG=x509negativeserial=1 in the environment of hmaproxy"},
	},
	{
		detail: unparsable,
		cause:  "the certificate is not encoded as RFC 5280 demands",
		repair: []string{"{openssl-chain}     # shows it", reissue},
	},
}

const (
	unparsable = "the certificate of {host} cannot be parsed"
	reissue    = "have a new certificate issued by an authority that follows RFC 5280"
)

// alertRules explain alerts that end a handshake and are not in
// noCommonTLSAlerts.
var alertRules = []codeRule[uint8]{
	{
		codes:  []uint8{alertBadCertificate, alertCertificateRequired, alertNoRenegotiation},
		cause:  "the server, or a device in front of it, wants a client certificate, which hmaproxy has none of",
		repair: []string{ignoreClientCertificates},
	},
	{
		codes:  []uint8{alertUnrecognizedName},
		cause:  "the server has no site of this name",
		repair: []string{"compare the host in the URL with the names that the server is bound to"},
	},
}

func explainAlert(alert uint8) explanation {
	e, known := explainCode(alertRules, alert)
	if !known {
		e = explanation{cause: "the server, or a device in front of it, does not accept this connection", repair: []string{"{openssl}"}}
	}
	e.detail = refusedHandshake
	return e
}

// alertText returns the text of the alert that ended a handshake. Without an
// alert it returns the text of certificate_required. That text is shown when
// the server asked for a certificate and the connection then failed without an
// alert.
func alertText(err error) string {
	alert, sent := alertOf(err)
	if !sent {
		return tls.AlertError(alertCertificateRequired).Error()
	}
	return tls.AlertError(alert).Error()
}

// alertOf returns the alert, sent or received, that ended a handshake. It
// compares texts, because the type of such an error is not exported by
// crypto/tls.
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

package doctor

import (
	"crypto/tls"
	"errors"
	"net"
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

// alertRules explain the alert that ended a handshake.
var alertRules = []codeRule[uint8]{
	{
		codes:  []uint8{alertHandshakeFailure, alertProtocolVersion, alertInsufficientSecurity, alertInappropriate},
		cause:  "the server speaks no TLS version or cipher that is safe today (at least TLS 1.2 is needed)",
		repair: []string{"on Exchange Server enable TLS 1.2: https://aka.ms/ExchangeTLS"},
	},
	{
		codes:  []uint8{alertBadCertificate, alertCertificateRequired, alertNoRenegotiation},
		cause:  "the server, or a device in front of it, wants a client certificate, which hmaproxy has none of",
		repair: []string{"on Exchange: IIS Manager > EWS > SSL Settings > Client certificates: Ignore, and the same on the device in front"},
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
	e.detail = "{host} refuses the TLS handshake: " + tls.AlertError(alert).Error()
	return e
}

// alertOf returns the alert that ended a handshake. crypto/tls gives alerts no
// type that can be asked for, so that their texts are compared.
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

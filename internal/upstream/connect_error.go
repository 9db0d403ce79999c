package upstream

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
)

// A Step is one step of opening a connection.
type Step string

// The steps, in order.
const (
	Dial           Step = "connect"
	CorporateProxy Step = "corporate proxy"
	Handshake      Step = "TLS handshake"
)

// A ConnectError says why no connection could be opened for a request. No byte
// of the request was sent. It is a net.Error.
type ConnectError struct {
	Step   Step
	Server string // host:port of the server or the corporate proxy
	Err    error

	tcp          net.Conn // the connection, which is closed; nil if none was opened
	useless      bool     // the failure speaks against the address of tcp
	helloIgnored bool     // the server reset or closed the connection, or sent nothing, instead of continuing the handshake
}

// Error describes the failure, with the issuer of a certificate that is not
// trusted and with a remedy if one is known.
func (e *ConnectError) Error() string {
	text := fmt.Sprintf("upstream: %s %s: %v", e.Step, e.Server, e.Err)
	if remedy := e.Remedy(); remedy != "" {
		text += ": " + remedy
	}
	return text
}

func (e *ConnectError) Unwrap() error { return e.Err }

// NotSent reports true, because no byte of the request was sent.
func (e *ConnectError) NotSent() bool { return true }

// Timeout reports whether the server did not respond in time.
func (e *ConnectError) Timeout() bool {
	var timeout net.Error
	return errors.As(e.Err, &timeout) && timeout.Timeout()
}

// Temporary returns what Timeout returns. An error needs this method to be a
// net.Error.
func (e *ConnectError) Temporary() bool { return e.Timeout() }

// Remedy returns advice for the administrator, "" when there is none.
func (e *ConnectError) Remedy() string {
	var (
		unknown  x509.UnknownAuthorityError
		hostname x509.HostnameError
		invalid  x509.CertificateInvalidError
		notTLS   tls.RecordHeaderError
		remote   *net.OpError
	)
	switch text := e.Err.Error(); {
	case errors.As(e.Err, &unknown):
		return "the issuer is " + issuer(e.Err) + ": add its certificate to HMA_CA_FILE"
	case errors.As(e.Err, &hostname):
		return "use a name of the certificate in HMA_EWS_URL, and HMA_EWS_CONNECT for the address"
	case errors.As(e.Err, &invalid) && invalid.Reason == x509.Expired:
		return "renew the certificate on the server, or correct this machine's clock"
	case errors.As(e.Err, &notTLS):
		return "the port does not speak TLS"
	case strings.Contains(text, "serial number"):
		return "replace the certificate whose serial number is not valid; its issuer must issue another one"
	case strings.Contains(text, "failed to parse certificate"):
		return "the server's certificate is malformed: replace it"
	case strings.Contains(text, "protocol version"):
		return "enable TLS 1.2 on the server"
	case errors.As(e.Err, &remote) && remote.Op == "remote error" && strings.Contains(text, "handshake failure"):
		return "the server accepts none of the cipher suites offered: see HMA_TLS_COMPATIBILITY"
	case e.helloIgnored:
		return "the server or a device before it does not respond to the TLS handshake"
	}
	return ""
}

// issuer returns the issuer of the last certificate of an untrusted chain.
func issuer(err error) string {
	var untrusted *tls.CertificateVerificationError
	if !errors.As(err, &untrusted) || len(untrusted.UnverifiedCertificates) == 0 {
		return "unknown"
	}
	chain := untrusted.UnverifiedCertificates
	return fmt.Sprintf("%q", chain[len(chain)-1].Issuer.String())
}

package token

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
)

// describeNetwork says why there was no response, or no complete response. The
// text quotes nothing that the peer sent. It names only the TLS alert of a peer
// and the status of an HTTP proxy.
func describeNetwork(err error) string {
	var (
		dns       *net.DNSError
		op        *net.OpError
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		verify    *tls.CertificateVerificationError
		invalid   x509.CertificateInvalidError
		record    tls.RecordHeaderError
		alert     tls.AlertError
		timeout   interface{ Timeout() bool }
	)
	switch {
	case errors.As(err, &dns):
		return fmt.Sprintf("look up %q: %s", dns.Name, dnsReason(dns))
	case errors.As(err, &authority):
		return "TLS: the certificate was issued by an authority that is not trusted here; a TLS-inspecting proxy needs its root among the trusted ones"
	case errors.As(err, &host):
		return "TLS: the certificate is for another host"
	case errors.As(err, &invalid):
		return "TLS: the certificate is not valid; check this machine's clock and its trusted roots"
	case errors.As(err, &verify):
		return "TLS: the certificate was not verified"
	case errors.As(err, &record):
		return "TLS: the peer does not speak TLS"
	case errors.As(err, &alert):
		return "TLS: " + alert.Error()
	case proxyStatus(err) != 0:
		return fmt.Sprintf("the HTTP proxy responded %d %s", proxyStatus(err), http.StatusText(proxyStatus(err)))
	case errors.As(err, &op) && op.Op == "proxyconnect":
		return "connect to the HTTP proxy: " + describeOp(op)
	case errors.As(err, &timeout) && timeout.Timeout():
		return "timed out"
	case errors.As(err, &op):
		return describeOp(op)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was cut"
	default:
		return "the connection broke or the response was not HTTP"
	}
}

// proxyStatus returns the status with which an HTTP proxy refused CONNECT, or 0
// if err is a different error. The error of net/http contains only the reason
// phrase of the status line.
func proxyStatus(err error) int {
	var u *url.Error
	if !errors.As(err, &u) {
		return 0
	}
	for _, status := range []int{400, 401, 403, 404, 405, 407, 429, 500, 502, 503, 504} {
		if strings.EqualFold(u.Err.Error(), http.StatusText(status)) {
			return status
		}
	}
	return 0
}

func dnsReason(err *net.DNSError) string {
	switch {
	case err.IsNotFound:
		return "no such host"
	case err.IsTimeout:
		return "timed out"
	default:
		return "the name server failed"
	}
}

func describeOp(op *net.OpError) string {
	s := op.Op
	if op.Addr != nil {
		s += " " + op.Addr.String()
	}
	var errno syscall.Errno
	if errors.As(op.Err, &errno) {
		s += ": " + errno.Error()
	}
	return s
}

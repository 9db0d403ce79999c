package proxy_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
	"testing"

	"hmaproxy/proxy"
)

// sendError is a transport's error that says whether the request was sent.
type sendError struct {
	error
	notSent bool
}

func (e sendError) NotSent() bool { return e.notSent }
func (e sendError) Unwrap() error { return e.error }

// TestUnreachable checks which errors of a transport mean that the request cannot
// have reached Exchange. The client is asked to retry only after such an error.
func TestUnreachable(t *testing.T) {
	system := func(op string, err error) error {
		return fmt.Errorf("upstream: %w", &net.OpError{Op: op, Net: "tcp", Err: os.NewSyscallError(op, err)})
	}
	for _, c := range []struct {
		name string
		err  error
		want bool
	}{
		{"refused", system("dial", syscall.ECONNREFUSED), true},
		{"no reply to a SYN", system("dial", syscall.ETIMEDOUT), true},
		{"a certificate that is not trusted", &tls.CertificateVerificationError{Err: errors.New("x")}, true},
		{"no TLS", tls.RecordHeaderError{Msg: "x"}, true},
		{"the handshake's time is over", context.DeadlineExceeded, true},
		{"reset while the response is awaited", system("read", syscall.ECONNRESET), false},
		{"no acknowledgement of what was sent", system("read", syscall.ETIMEDOUT), false},
		{"the same, met when sending", system("write", syscall.ETIMEDOUT), false},
		{"ended", io.ErrUnexpectedEOF, false},
		{"an alert of the TLS handshake, nothing sent", sendError{system("remote error", syscall.EPROTO), true}, true},
		{"a reset of the TLS handshake, nothing sent", sendError{system("read", syscall.ECONNRESET), true}, true},
		{"the same after something was sent", sendError{system("read", syscall.ECONNRESET), false}, false},
		{"a timeout after something was sent", sendError{context.DeadlineExceeded, false}, false},
	} {
		if got := proxy.Unreachable(c.err); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestFailedHandshakeIsUnreachable checks that errors of a TLS handshake count as
// unreachable. http.Transport's errors do not say that the connection failed before
// the request was sent.
func TestFailedHandshakeIsUnreachable(t *testing.T) {
	for name, err := range map[string]error{
		"an alert":                      &net.OpError{Op: "remote error", Err: tls.AlertError(40)},
		"a reset":                       &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)},
		"closed":                        io.EOF,
		"a certificate that Go refuses": errors.New("tls: failed to parse certificate from server: x509: negative serial number"),
	} {
		for size, body := range map[string][]byte{"short": envelope("alice@contoso.com", getFolder), "long": long()} {
			t.Run(name+", "+size, func(t *testing.T) {
				transport := proxy.NewTransport()
				transport.DialTLSContext = func(context.Context, string, string) (net.Conn, error) { return nil, err }
				r := newTestProxy(t, testConfig{adjust: func(c *proxy.Config) { c.Transport = transport }})
				req, _ := http.NewRequest(http.MethodGet, "http://"+r.address+"/EWS/types.xsd", nil)
				if resp, _ := r.do(t, req); resp.Header.Get("X-Hmaproxy-Error") != "upstream-unreachable" {
					t.Errorf("GET: reason %q", resp.Header.Get("X-Hmaproxy-Error"))
				}
				resp, text := r.post(t, body)
				if reason := resp.Header.Get("X-Hmaproxy-Error"); reason != "upstream-unreachable" || readFault(t, text).Detail != "ErrorServerBusy" {
					t.Errorf("reason %q, %s", reason, text)
				}
			})
		}
	}
}

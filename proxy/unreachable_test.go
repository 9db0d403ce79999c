package proxy_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
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

// TestUnreachable: only what cannot have reached Exchange is told to clients as
// something to send again.
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
		{"no answer to a SYN", system("dial", syscall.ETIMEDOUT), true},
		{"a certificate that is not trusted", &tls.CertificateVerificationError{Err: errors.New("x")}, true},
		{"no TLS", tls.RecordHeaderError{Msg: "x"}, true},
		{"the handshake's time is over", context.DeadlineExceeded, true},
		{"reset while the answer is awaited", system("read", syscall.ECONNRESET), false},
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

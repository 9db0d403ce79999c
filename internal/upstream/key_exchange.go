package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"sync/atomic"
	"syscall"
	"time"
)

// A keyExchange chooses the groups that a TLS hello offers. A hello with a
// post-quantum group (ML-KEM) needs two TCP segments, and some devices drop it
// or reset the connection. After such a failure the transport tries once more
// with classical groups. If this second handshake succeeds, all further
// connections use classical groups.
type keyExchange struct {
	hybrid  *tls.Config // nil: the hybrid hello is never sent
	classic *tls.Config

	classicOnly  atomic.Bool
	hybridProven atomic.Bool // the last handshake with hybrid succeeded
}

// newKeyExchange makes the hybrid and the classic configuration from config. If
// config lists its groups, it is used unchanged for all handshakes.
func newKeyExchange(config *tls.Config) *keyExchange {
	if config.CurvePreferences != nil {
		return &keyExchange{classic: config}
	}
	classic := config.Clone()
	classic.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521}
	return &keyExchange{hybrid: config, classic: classic}
}

// The method "first" returns the configuration and the timeout of a first
// handshake. If the handshake is hybrid and the last hybrid handshake did not
// succeed, its timeout is half of the argument. This leaves time for a second
// handshake.
func (k *keyExchange) first(timeout time.Duration) (*tls.Config, time.Duration) {
	switch {
	case k.hybrid == nil || k.classicOnly.Load():
		return k.classic, timeout
	case k.hybridProven.Load():
		return k.hybrid, timeout
	}
	return k.hybrid, timeout / 2
}

func (k *keyExchange) hybridSucceeded() { k.hybridProven.Store(true) }
func (k *keyExchange) hybridFailed()    { k.hybridProven.Store(false) }

// useClassic selects classical groups for all further connections. It reports
// whether this is the first call.
func (k *keyExchange) useClassic() bool { return k.classicOnly.CompareAndSwap(false, true) }

// isSilenceOrClose reports whether a handshake ended because the server reset or
// closed the connection, or sent nothing until the timeout.
func isSilenceOrClose(ctx context.Context, err error) bool {
	return errors.Is(ctx.Err(), context.DeadlineExceeded) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNABORTED)
}

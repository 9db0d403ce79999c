package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http/httptrace"
	"time"
)

// connect opens a connection. It does so in another goroutine, because a TLS
// handshake grows the stack, and the caller's stack lives as long as its
// response.
func (t *Transport) connect(ctx context.Context) (*conn, error) {
	type result struct {
		c   *conn
		err error
	}
	opened := make(chan result)
	go func() {
		c, err := t.open(ctx)
		select {
		case opened <- result{c, err}:
		case <-ctx.Done():
			if c != nil {
				c.close()
			}
		}
	}()
	select {
	case r := <-opened:
		if r.err != nil && ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return r.c, r.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// open opens a connection. When the server does not respond to the hello, it
// tries once more with a shorter one: see keyExchange.
func (t *Transport) open(ctx context.Context) (*conn, error) {
	config, timeout := t.keyExchange.first(t.config.HandshakeTimeout)
	c, err := t.openWith(ctx, config, timeout)
	if config == t.keyExchange.classic {
		return c, err
	}
	var failed *ConnectError
	switch {
	case err == nil:
		t.keyExchange.hybridSucceeded()
		return c, nil
	case ctx.Err() != nil || !errors.As(err, &failed) || !failed.helloUnanswered:
		return nil, err
	case failed.Timeout() && timeout == t.config.HandshakeTimeout:
		t.keyExchange.hybridFailed() // the next connection tries both
		return nil, err
	}
	c, classicErr := t.openWith(ctx, t.keyExchange.classic, t.config.HandshakeTimeout/2)
	if classicErr != nil {
		t.keyExchange.hybridFailed()
		return nil, err // not about the key exchange: the first error is the cause
	}
	if t.keyExchange.useClassic() {
		t.config.Log.Warn("the server only completes TLS handshakes without post-quantum key exchange", "server", t.config.Address,
			"first_error", err.Error(), "remedy", "a device on the way drops long TLS hellos: have it updated, or set HMA_TLS_COMPATIBILITY=classic-groups")
	}
	return c, nil
}

// openWith dials, opens a tunnel through the corporate proxy if there is one,
// and performs the TLS handshake. timeout bounds all but the dialling.
func (t *Transport) openWith(ctx context.Context, config *tls.Config, timeout time.Duration) (*conn, error) {
	raw, err := t.config.Dial(ctx, "tcp", t.config.DialAddress())
	if err != nil {
		return nil, &ConnectError{Step: Dial, Server: t.config.DialAddress(), Err: err}
	}
	deadlineCtx, cancel := context.WithTimeoutCause(ctx, timeout, timeoutError(fmt.Sprintf("no response within %v", timeout)))
	defer cancel()
	through := raw
	if t.config.Proxy != nil {
		if through, err = t.tunnel(deadlineCtx, raw); err != nil {
			raw.Close()
			return nil, &ConnectError{Step: CorporateProxy, Server: t.config.Proxy.Host, Err: cause(deadlineCtx, err)}
		}
	}
	c := newConn(t, through, raw, config)
	if err := t.handshake(deadlineCtx, c); err != nil {
		raw.Close()
		return nil, &ConnectError{
			Step: Handshake, Server: t.config.Address, Err: cause(deadlineCtx, err),
			helloUnanswered: !c.wire.received && isSilenceOrClose(deadlineCtx, err),
		}
	}
	return c, nil
}

// cause returns the context's cause when the context has ended, err otherwise.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func (t *Transport) handshake(ctx context.Context, c *conn) error {
	trace := httptrace.ContextClientTrace(ctx)
	if trace != nil && trace.TLSHandshakeStart != nil {
		trace.TLSHandshakeStart()
	}
	err := c.tls.HandshakeContext(ctx)
	state := c.tls.ConnectionState()
	c.state = &state
	if trace != nil && trace.TLSHandshakeDone != nil {
		trace.TLSHandshakeDone(state, err)
	}
	return err
}

// A timeoutError is a timeout while connecting.
type timeoutError string

func (t timeoutError) Error() string { return string(t) }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }

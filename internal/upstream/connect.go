package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http/httptrace"
	"time"
)

// A connector opens connections to the server. It is safe for concurrent use.
type connector struct {
	config      *Config
	keyExchange *keyExchange
}

// connect opens a connection in another goroutine, because a TLS handshake
// makes the stack grow. Otherwise the stack of the caller's goroutine would
// stay large for as long as its response lasts.
func (d *connector) connect(ctx context.Context) (*conn, error) {
	type result struct {
		c   *conn
		err error
	}
	opened := make(chan result)
	go func() {
		c, err := d.open(ctx)
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

// open opens a connection. If the server ignores a long hello, open tries once more
// with a shorter hello (see keyExchange), unless the first handshake has taken the
// whole timeout. After a failure the next dial begins with another address of the
// server.
func (d *connector) open(ctx context.Context) (c *conn, err error) {
	defer func() {
		if failed, ok := errors.AsType[*ConnectError](err); ok && failed.useless {
			d.config.Failed(failed.tcp)
		}
	}()
	config, timeout := d.keyExchange.first(d.config.HandshakeTimeout)
	c, err = d.openWith(ctx, config, timeout)
	if config == d.keyExchange.classic {
		return c, err
	}
	var failed *ConnectError
	switch {
	case err == nil:
		d.keyExchange.hybridSucceeded()
		return c, nil
	case ctx.Err() != nil || !errors.As(err, &failed) || !failed.helloIgnored:
		return nil, err
	case failed.Timeout() && timeout == d.config.HandshakeTimeout:
		d.keyExchange.hybridFailed() // the next connection tries both hellos again
		return nil, err
	}
	second, classicErr := d.openWith(ctx, d.keyExchange.classic, d.config.HandshakeTimeout/2)
	if classicErr != nil {
		d.keyExchange.hybridFailed()
		return nil, err // return the first error, because the key exchange is not the cause
	}
	if second.tcp.RemoteAddr().String() != failed.tcp.RemoteAddr().String() {
		d.config.Failed(failed.tcp)
		return second, nil // the cause may be the first address instead of the key exchange
	}
	if d.keyExchange.useClassic() {
		d.config.Log.Warn("the server only completes TLS handshakes without post-quantum key exchange", "server", d.config.Address,
			"first_error", err.Error(), "remedy", "a device on the way drops long TLS hellos: have it updated, or set HMA_TLS_COMPATIBILITY=classic-groups")
	}
	return second, nil
}

// openWith dials, opens a tunnel through the corporate proxy if there is one,
// and performs the TLS handshake. timeout bounds everything except dialling.
func (d *connector) openWith(ctx context.Context, config *tls.Config, timeout time.Duration) (*conn, error) {
	raw, err := d.config.Dial(ctx, "tcp", d.config.DialAddress())
	if err != nil {
		return nil, &ConnectError{Step: Dial, Server: d.config.DialAddress(), Err: err}
	}
	began := time.Now()
	deadlineCtx, cancel := context.WithTimeoutCause(ctx, timeout, timeoutError(fmt.Sprintf("no response within %v", timeout)))
	defer cancel()
	through := raw
	if d.config.Proxy != nil {
		if through, err = (&corporateProxy{d.config}).tunnel(deadlineCtx, raw); err != nil {
			raw.Close()
			return nil, &ConnectError{Step: CorporateProxy, Server: d.config.Proxy.Host, Err: cause(deadlineCtx, err), tcp: raw, useless: isUseless(ctx, began)}
		}
	}
	c := newConn(d.config, through, raw, config)
	if err := handshake(deadlineCtx, c); err != nil {
		raw.Close()
		return nil, &ConnectError{
			Step: Handshake, Server: d.config.Address, Err: cause(deadlineCtx, err),
			helloIgnored: !c.wire.received && isSilenceOrClose(deadlineCtx, err), tcp: raw, useless: isUseless(ctx, began),
		}
	}
	return c, nil
}

// isUseless reports whether a failed connection speaks against its address. A caller
// that gives up soon has not waited for the server.
func isUseless(ctx context.Context, began time.Time) bool {
	return ctx.Err() == nil || time.Since(began) >= patience
}

// patience is a time in which a working server completes a handshake.
const patience = 2 * time.Second

// cause returns the context's cause when the context has ended, err otherwise.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func handshake(ctx context.Context, c *conn) error {
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

// A timeoutError is an error about a timeout. Its value is the text.
type timeoutError string

func (t timeoutError) Error() string { return string(t) }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }

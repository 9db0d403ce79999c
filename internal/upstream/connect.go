package upstream

import (
	"context"
	"fmt"
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

// open dials and performs the TLS handshake.
func (t *Transport) open(ctx context.Context) (*conn, error) {
	raw, err := t.config.Dial(ctx, "tcp", t.config.Address)
	if err != nil {
		return nil, err
	}
	handshakeCtx, cancel := context.WithTimeout(ctx, t.config.HandshakeTimeout)
	defer cancel()
	c := newConn(t, raw)
	if err := c.tls.HandshakeContext(handshakeCtx); err != nil {
		raw.Close()
		if handshakeCtx.Err() != nil && ctx.Err() == nil {
			err = timeoutError(fmt.Sprintf("upstream: the TLS handshake took longer than %v", t.config.HandshakeTimeout))
		}
		return nil, err
	}
	state := c.tls.ConnectionState()
	c.state = &state
	return c, nil
}

// A timeoutError is a timeout while connecting.
type timeoutError string

func (t timeoutError) Error() string { return string(t) }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }

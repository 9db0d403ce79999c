// Package upstream is an HTTP/1.1 client of one server over TLS, for a proxy:
// New returns an http.RoundTripper.
//
// It does what http.Transport does for such a server, at less cost: a short
// request is written and its answer read by the goroutine that calls RoundTrip,
// where http.Transport hands both to goroutines of the connection. It knows no proxies, no other protocols, no compression and no
// second host, so that a token that it is given goes to one place.
//
// What it never does is send a request a second time that the server may have
// seen: see Transport.RoundTrip.
package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"
)

// Config says whom a Transport talks to and within which bounds. Everything is
// required.
type Config struct {
	Host    string // the URL's host, with a port where the URL has one: "mail.contoso.com"
	Address string // where connections are opened: "mail.contoso.com:443"

	// Dial opens a connection in plain.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	TLS  *tls.Config // with a ServerName

	HandshakeTimeout time.Duration // for TLS on a new connection
	ContinueTimeout  time.Duration // for 100 Continue, before the body goes all the same
	IdleTimeout      time.Duration // after which an unused connection is closed
	MaxIdle          int           // unused connections that are kept
	MaxHead          int64         // bytes of an answer's head, interim answers included
}

// A Transport is an http.RoundTripper. It is safe for concurrent use.
type Transport struct {
	config Config
	idle   pool
	vetted atomic.Pointer[string] // a long header value that was found good: the token
}

// sessions is how many TLS sessions are remembered, for resumption.
const sessions = 32

// New returns a Transport, or an error that names what is missing.
func New(config Config) (*Transport, error) {
	switch {
	case config.Host == "" || config.Address == "" || config.Dial == nil:
		return nil, errors.New("upstream: no server")
	case config.TLS == nil || config.TLS.ServerName == "":
		return nil, errors.New("upstream: no name to verify the server by")
	case config.HandshakeTimeout <= 0 || config.ContinueTimeout <= 0 || config.IdleTimeout <= 0 || config.MaxIdle <= 0 || config.MaxHead <= 0:
		return nil, errors.New("upstream: a bound is missing")
	}
	config.TLS = config.TLS.Clone()
	config.TLS.DynamicRecordSizingDisabled = true // it would send a request in several packets
	if config.TLS.ClientSessionCache == nil {
		config.TLS.ClientSessionCache = tls.NewLRUClientSessionCache(sessions)
	}
	return &Transport{config: config, idle: pool{limit: config.MaxIdle, timeout: config.IdleTimeout}}, nil
}

// CloseIdleConnections closes the connections that no request uses, and those
// that are in use once they are not, until there is another request.
func (t *Transport) CloseIdleConnections() { t.idle.empty() }

// RoundTrip sends a request and returns the server's answer, as the
// http.RoundTripper contract has it. Of httptrace's hooks it calls GotConn,
// Got100Continue, Got1xxResponse and GotFirstResponseByte.
//
// A request is sent once. There are two exceptions, both for a connection that
// had served before and turned out to be dead: not a byte of the request was
// given to the system, or it is a GET or HEAD and not a byte of an answer came.
//
// A body whose answer came early goes on until that answer was read, and for
// 50 ms then, as with http.Transport.
//
// Errors: the context's cause when it has ended; a *net.OpError of "dial", an
// error of package tls or one whose Timeout is true when there was no
// connection to send the request on; any other when the connection broke, the
// request could not be read or the answer is not HTTP. Errors about an answer
// may quote it.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	m, err := t.message(r)
	if err != nil {
		closeBody(r)
		return nil, fmt.Errorf("upstream: %w", err)
	}
	defer m.release()
	for {
		c, err := t.connection(m)
		if err != nil {
			m.close()
			return nil, err
		}
		resp, err := c.exchange(m)
		if err == nil || !c.reused || !m.again(err) {
			return resp, err
		}
	}
}

// connection returns an idle connection or a new one.
func (t *Transport) connection(m *message) (*conn, error) {
	c := t.idle.take()
	if c == nil {
		var err error
		if c, err = t.dial(m.ctx); err != nil {
			return nil, err
		}
	}
	if m.trace != nil && m.trace.GotConn != nil {
		m.trace.GotConn(httptrace.GotConnInfo{Conn: c.tls, Reused: c.reused})
	}
	return c, nil
}

func closeBody(r *http.Request) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
}

// dial opens a connection in a goroutine of its own: a handshake needs a deep
// stack, which the caller would keep for as long as its answer lasts.
func (t *Transport) dial(ctx context.Context) (*conn, error) {
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

// open connects and shakes hands.
func (t *Transport) open(ctx context.Context) (*conn, error) {
	raw, err := t.config.Dial(ctx, "tcp", t.config.Address)
	if err != nil {
		return nil, err
	}
	within, cancel := context.WithTimeout(ctx, t.config.HandshakeTimeout)
	defer cancel()
	c := newConn(t, raw)
	if err := c.tls.HandshakeContext(within); err != nil {
		raw.Close()
		if within.Err() != nil && ctx.Err() == nil {
			err = timeout(fmt.Sprintf("upstream: the TLS handshake took longer than %v", t.config.HandshakeTimeout))
		}
		return nil, err
	}
	state := c.tls.ConnectionState()
	c.state = &state
	return c, nil
}

// A timeout is an error of connecting.
type timeout string

func (t timeout) Error() string { return string(t) }
func (timeout) Timeout() bool   { return true }
func (timeout) Temporary() bool { return true }

// Package upstream is an HTTP/1.1 client for one server over TLS, for use in a
// proxy. New returns an http.RoundTripper.
//
// Its Transport does for one server what http.Transport does, at less cost. The
// goroutine that calls RoundTrip writes a short request and reads the response
// itself, while http.Transport uses one goroutine for writing and one for
// reading. Package upstream supports no other protocol, no compression and no
// second server, so an access token in a request reaches one server only.
//
// It sends a request a second time only if the server cannot have received it,
// or if the request is a GET or HEAD without a body; see Transport.RoundTrip.
package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"time"

	"hmaproxy/internal/socket"
)

// Config describes the server and the limits of its connections. A field is
// required unless its comment says otherwise.
type Config struct {
	Host    string // the URL's host, including a port if the URL has one: "mail.contoso.com"
	Address string // host and port of the server, also with a corporate proxy: "mail.contoso.com:443"

	// Dial opens a plain connection to Address or to the corporate proxy. It may
	// be called concurrently and must have its own timeout. Its connections must have
	// the keep-alive of package socket: an idle one on which nothing was acknowledged
	// for socket.Doubtful is not used again.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	// Current reports whether an idle connection that Dial opened may be used again,
	// for example because DNS still names its address. It must not wait. nil means
	// always.
	Current func(net.Conn) bool

	// Failed is called with a connection that Dial opened and that was useless,
	// because its TLS handshake or CONNECT failed. The next call of Dial should try
	// another address. It must not wait. nil: not called.
	Failed func(net.Conn)

	// TLS requires a ServerName. If CurvePreferences is nil, a handshake without
	// a response is repeated with classical groups.
	TLS *tls.Config

	// Proxy is the URL of the corporate proxy with its credentials. Its scheme is http,
	// https, socks5 or socks5h. nil means none.
	Proxy *url.URL

	// ProxyResponse is called with the status of the proxy's response to CONNECT. It
	// may be called concurrently and must not block. nil: not called.
	ProxyResponse func(status int)

	Log *slog.Logger // nil: no log

	// ResponseTimeout returns the longest time from the end of a request to the
	// end of the response's head; 0 means no limit. It may be called
	// concurrently. nil means always 0.
	ResponseTimeout func(*http.Request) time.Duration

	HandshakeTimeout time.Duration // limit for the corporate proxy's response and the TLS handshake of a new connection
	ContinueTimeout  time.Duration // limit for 100 Continue, after which the body is sent without it
	IdleTimeout      time.Duration // an idle connection is closed after this time
	MaxIdle          int           // number of idle connections that are kept
	MaxHead          int64         // limit in bytes for a response's head, including interim responses
}

// A Transport is an http.RoundTripper. It is safe for concurrent use.
type Transport struct {
	connector   connector
	idle        pool
	silence     silenceWatch
	headers     headerChecker
	headerNames headerNameCache
}

// sessionCacheSize is the number of TLS sessions kept for resumption.
const sessionCacheSize = 32

// New returns a Transport, or an error that says which fields are missing or
// invalid. It opens no connection.
func New(config Config) (*Transport, error) {
	switch {
	case config.Host == "" || config.Address == "" || config.Dial == nil:
		return nil, errors.New("upstream: Host, Address and Dial are required")
	case config.TLS == nil || config.TLS.ServerName == "":
		return nil, errors.New("upstream: TLS with a ServerName is required")
	case config.HandshakeTimeout <= 0 || config.ContinueTimeout <= 0 || config.IdleTimeout <= 0 || config.MaxIdle <= 0 || config.MaxHead <= 0:
		return nil, errors.New("upstream: all timeouts and limits are required")
	case config.Proxy != nil && (defaultProxyPort(config.Proxy) == "" || config.Proxy.Hostname() == ""):
		return nil, errors.New("upstream: the corporate proxy must be an http, https or socks5 URL")
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	if config.ResponseTimeout == nil {
		config.ResponseTimeout = func(*http.Request) time.Duration { return 0 }
	}
	if config.Current == nil {
		config.Current = func(net.Conn) bool { return true }
	}
	if config.Failed == nil {
		config.Failed = func(net.Conn) {}
	}
	config.TLS = config.TLS.Clone()
	config.TLS.DynamicRecordSizingDisabled = true // otherwise crypto/tls would split a request into several packets
	if config.TLS.ClientSessionCache == nil {
		config.TLS.ClientSessionCache = tls.NewLRUClientSessionCache(sessionCacheSize)
	}
	config.TLS.Renegotiation = tls.RenegotiateOnceAsClient // with TLS 1.2, IIS renegotiates if it accepts client certificates
	t := &Transport{
		connector: connector{config: &config, keyExchange: newKeyExchange(config.TLS)},
		idle:      pool{limit: config.MaxIdle, timeout: config.IdleTimeout},
	}
	t.silence.sockets, t.silence.closeIdle = systemSockets, t.idle.closeIdle
	return t, nil
}

// CloseIdleConnections closes the idle connections. Until the next request, a
// connection that becomes idle is closed too.
func (t *Transport) CloseIdleConnections() { t.idle.closeAll() }

// RoundTrip sends a request and returns the response. It keeps the contract of
// http.RoundTripper. It calls these hooks of httptrace: TLSHandshakeStart,
// TLSHandshakeDone, GotConn, Got100Continue, Got1xxResponse and
// GotFirstResponseByte. Package net calls the hooks about DNS and TCP.
//
// A request is sent once, with two exceptions. Each requires that the
// connection has served a request before and has now failed. The first
// exception is that the operating system accepted no byte of the new request,
// whose body, if any, can be read again. The second is that the request is a GET
// or HEAD without a body, and no byte of a response was received.
//
// If the response begins before the request's body was sent, the upload
// continues until the response has been read, and for 50 ms after that.
// http.Transport does the same.
//
// The response's body has a method HeaderName(canonical string) string, which
// returns the server's spelling of a header's name.
//
// The error is
//   - the context's cause when the context has ended;
//   - an error whose method Timeout() bool returns true when the server did not respond in time;
//   - an error whose method NotSent() bool returns true, such as *ConnectError, when no byte of the request was sent;
//   - any other error when the request cannot be sent as it is, the connection failed, the request's body could not be read, or the response is not HTTP. Errors about a response may quote it.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	m, err := newMessage(r, t.connector.config.Host, &t.headers)
	if err != nil {
		closeBody(r)
		return nil, fmt.Errorf("upstream: %w", err)
	}
	defer m.release()
	for {
		c, err := t.connection(m)
		if err != nil {
			m.closeBody()
			return nil, err
		}
		resp, err := send(m, c)
		if err == nil || !c.reused || !m.prepareRetry(err) {
			return resp, err
		}
	}
}

// connection returns an idle connection or a new one.
func (t *Transport) connection(m *message) (*conn, error) {
	c := t.idle.take()
	if c == nil {
		var err error
		if c, err = t.connector.connect(m.ctx); err != nil {
			return nil, err
		}
		c.transport = t
	}
	if m.trace != nil && m.trace.GotConn != nil {
		m.trace.GotConn(httptrace.GotConnInfo{Conn: c.tls, Reused: c.reused})
	}
	return c, nil
}

// checkPeer closes the idle connections when err shows that the network lost
// the connection to the server. The idle connections use the same network.
func (t *Transport) checkPeer(err error) {
	if socket.PeerLost(err) {
		t.idle.closeIdle()
	}
}

func closeBody(r *http.Request) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
}

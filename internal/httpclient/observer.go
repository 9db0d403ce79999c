package httpclient

import (
	"context"
	"crypto/tls"
	"net"
	"net/url"
)

// An Observer reports how connections are made, for doctor. Its functions may be
// nil. They are called from several goroutines, also after the request that a
// connection was opened for has ended, and must not block.
type Observer struct {
	Direct bool // leave the corporate proxy out

	Proxy           func(*url.URL)        // the corporate proxy that a request uses; nil for none
	Dialed          func(net.Conn, error) // the outcome of opening a connection, before TLS
	ConnectResponse func(status int)      // the corporate proxy's response to CONNECT
	TLS             func(*tls.Config)     // may change the configuration of handshakes, those with an https proxy included
}

// Observed returns Clients for the same configuration that report to o. The
// clients that they make differ in nothing else from those of c.
func (c *Clients) Observed(o Observer) *Clients {
	observed := &Clients{config: c.config, roots: c.roots, proxy: c.proxy, dial: c.dial, current: c.current, observer: o}
	if o.Dialed != nil {
		observed.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := c.dial(ctx, network, address)
			o.Dialed(conn, err)
			return conn, err
		}
	}
	return observed
}

package httpclient

import (
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

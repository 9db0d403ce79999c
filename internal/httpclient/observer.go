package httpclient

import (
	"crypto/tls"
	"net"
	"net/url"
)

// An Observer reports how connections are made, for doctor. Its functions may
// be nil. They are called from several goroutines and must not block. They may be
// called even after the request that needed the connection has ended.
type Observer struct {
	Direct bool // do not use the corporate proxy

	Proxy           func(*url.URL)        // reports the corporate proxy of a request; called with nil if the request uses no proxy
	Dialed          func(net.Conn, error) // reports the result of opening a connection, before TLS
	ConnectResponse func(status int)      // reports the corporate proxy's response to CONNECT
	TLS             func(*tls.Config)     // may change the configuration of handshakes, including handshakes with an https proxy
}

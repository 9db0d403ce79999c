package proxy

import (
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

// NewTransport returns the transport that a Handler uses if Config.Transport is
// nil. It uses HTTP/1.1 and TLS 1.2 or later, and honours HTTPS_PROXY and
// NO_PROXY. It passes compressed responses on unchanged. It has timeouts for
// connecting, for the TLS handshake and for 100 Continue. It has no timeout for a
// response, because a streaming subscription lasts for half an hour. It does not
// follow redirects: only an http.Client follows them. hmaproxy itself never uses this
// transport; it is for other programs that call a Handler.
func NewTransport() *http.Transport {
	var http1 http.Protocols
	http1.SetHTTP1(true)
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    10 * time.Second,
		ExpectContinueTimeout:  2 * time.Second,
		IdleConnTimeout:        55 * time.Second, // below the idle timeouts of IIS (2 minutes) and most load balancers (1 minute)
		MaxIdleConnsPerHost:    256,              // a streaming client may have 200 mailboxes
		MaxResponseHeaderBytes: 256 << 10,
		DisableCompression:     true,
		Protocols:              &http1,
	}
}

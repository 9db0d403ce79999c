package certsource

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"time"
)

// metadataHost is the address at which managed identities log in. It can be
// reached only from the machine itself, not through a proxy.
const metadataHost = "169.254.169.254"

// newHTTPClient returns the client that is used if a configuration has no
// HTTPClient.
func newHTTPClient() *http.Client {
	return &http.Client{Transport: &http.Transport{
		Proxy: func(req *http.Request) (*url.URL, error) {
			if req.URL.Hostname() == metadataHost {
				return nil, nil
			}
			return http.ProxyFromEnvironment(req)
		},
		DialContext:            (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    10 * time.Second,
		ForceAttemptHTTP2:      true,
		MaxResponseHeaderBytes: 64 << 10,
		IdleConnTimeout:        30 * time.Second,
	}}
}

package httpclient

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
)

// checkConnectResponse returns an error that explains a corporate proxy's
// refusal of CONNECT. To callers it is a connection that could not be opened.
func checkConnectResponse(_ context.Context, proxy *url.URL, _ *http.Request, response *http.Response) error {
	switch response.StatusCode {
	case http.StatusOK:
		return nil
	case http.StatusProxyAuthRequired:
		return dialError("the corporate proxy " + proxy.Host + " asks for credentials (407): write them into HTTPS_PROXY, http://user:password@host:port")
	}
	return dialError("the corporate proxy " + proxy.Host + " refused to connect: " + response.Status)
}

func dialError(text string) error {
	return &net.OpError{Op: "dial", Net: "tcp", Err: errors.New(text)}
}

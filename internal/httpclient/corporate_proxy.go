package httpclient

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"

	"hmaproxy/internal/upstream"
)

// checkConnectResponse returns an error that explains a corporate proxy's
// refusal of CONNECT. The error is a *net.OpError, like the error of a failed
// dial.
func (c *Clients) checkConnectResponse(_ context.Context, proxy *url.URL, _ *http.Request, response *http.Response) error {
	if c.observer.ConnectResponse != nil {
		c.observer.ConnectResponse(response.StatusCode)
	}
	if err := upstream.ConnectRefusal(response); err != nil {
		return &net.OpError{Op: "dial", Net: "tcp", Err: fmt.Errorf("the corporate proxy %s: %w", proxy.Host, err)}
	}
	return nil
}

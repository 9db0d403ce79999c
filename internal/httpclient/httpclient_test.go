package httpclient

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

type roundTripperFunc func(*http.Request) (*http.Response, error)

func (f roundTripperFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestSizeLimit(t *testing.T) {
	for name, c := range map[string]struct {
		size int64
		err  error
	}{
		"as long as allowed": {maxBody, nil},
		"one byte more":      {maxBody + 1, errBodyTooLong},
	} {
		t.Run(name, func(t *testing.T) {
			limited := sizeLimit{next: roundTripperFunc(func(*http.Request) (*http.Response, error) {
				return &http.Response{Body: io.NopCloser(io.LimitReader(strings.NewReader(strings.Repeat("x", maxBody+1)), c.size))}, nil
			})}
			resp, err := limited.RoundTrip(nil)
			if err != nil {
				t.Fatal(err)
			}
			n, err := io.Copy(io.Discard, resp.Body)
			if n != maxBody || !errors.Is(err, c.err) {
				t.Errorf("read %d bytes, %v; want %d, %v", n, err, maxBody, c.err)
			}
		})
	}
}

func TestRefusalByTheCorporateProxyIsADialError(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		text   []string // nil: no error
	}{
		"accepted":    {http.StatusOK, nil},
		"credentials": {http.StatusProxyAuthRequired, []string{"proxy.contoso.com:3128", "407", "HTTPS_PROXY"}},
		"forbidden":   {http.StatusForbidden, []string{"proxy.contoso.com:3128", "403 Forbidden"}},
	} {
		t.Run(name, func(t *testing.T) {
			response := &http.Response{StatusCode: c.status, Status: "403 Forbidden"}
			err := new(Clients).checkConnectResponse(t.Context(), &url.URL{Host: "proxy.contoso.com:3128", User: url.UserPassword("u", "secret")}, nil, response)
			if c.text == nil {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var op *net.OpError
			if !errors.As(err, &op) || op.Op != "dial" {
				t.Fatalf("%v is no dial error", err)
			}
			for _, text := range c.text {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("%q does not contain %q", err, text)
				}
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("%q contains the password", err)
			}
		})
	}
}

func TestResponseTimeout(t *testing.T) {
	for _, c := range []struct {
		method, operation string
		bounded           bool
	}{
		{http.MethodPost, "GetFolder", true},
		{http.MethodPost, "GetStreamingEvents", false},
		{http.MethodPost, "", false},
		{http.MethodGet, "", true},
	} {
		if got := responseTimeoutOf(&http.Request{Method: c.method, Pattern: c.operation}); (got > 0) != c.bounded {
			t.Errorf("%s %q: %v", c.method, c.operation, got)
		}
	}
}

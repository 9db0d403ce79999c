package httpclient

import (
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"hmaproxy/internal/config"
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
				t.Fatalf("%v is not a dial error", err)
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

// TestResponseTimeout checks that a response that may last as long as a notification
// stream or a search for eDiscovery has more time than other responses.
func TestResponseTimeout(t *testing.T) {
	for _, c := range []struct {
		method, operation string
		timeout           time.Duration
	}{
		{http.MethodPost, "GetFolder", 10 * time.Minute},
		{http.MethodPost, "GetEvents", 10 * time.Minute},
		{http.MethodPost, "GetStreamingEvents", 35 * time.Minute},
		{http.MethodPost, "GetSearchableMailboxes", 10 * time.Minute},
		{http.MethodPost, "SearchMailboxes", 35 * time.Minute},
		{http.MethodPost, "", 35 * time.Minute},
		{http.MethodGet, "", 10 * time.Minute},
	} {
		if got := responseTimeoutOf(&http.Request{Method: c.method, Pattern: c.operation}); got != c.timeout {
			t.Errorf("%s %q: %v, want %v", c.method, c.operation, got, c.timeout)
		}
	}
}

// TestTLSCompatibility checks that an Exchange that supports only RSA key exchange
// is reached if HMA_TLS_COMPATIBILITY permits RSA key exchange, and only then.
func TestTLSCompatibility(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {}))
	server.TLS = &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	ews, err := url.Parse(server.URL + "/EWS/Exchange.asmx")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		options config.TLSCompatibility
		ok      bool
	}{
		{"defaults", nil, false},
		{"cbc", config.TLSCompatibility{config.CBC}, false},
		{"rsa-key-exchange", config.TLSCompatibility{config.RSAKeyExchange}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			clients, err := New(&config.Config{EWS: config.EWSURL{URL: ews}, CAs: config.Certificates{server.Certificate()}, TLSCompatibility: c.options}, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer clients.CloseIdleConnections()
			transport, err := clients.Exchange()
			if err != nil {
				t.Fatal(err)
			}
			r, _ := http.NewRequest(http.MethodPost, ews.String(), nil)
			resp, err := transport.RoundTrip(r)
			if (err == nil) != c.ok {
				t.Fatalf("%v, want success: %v", err, c.ok)
			}
			if err == nil {
				resp.Body.Close()
			} else if !strings.Contains(err.Error(), "HMA_TLS_COMPATIBILITY") {
				t.Errorf("%v does not name the setting", err)
			}
			// HMA_TLS_COMPATIBILITY applies only to connections to Exchange.
			if control := clients.Control().Transport.(sizeLimit).next.(*http.Transport); control.TLSClientConfig.CipherSuites != nil {
				t.Error("Entra ID and Key Vault are offered other cipher suites")
			}
		})
	}
}

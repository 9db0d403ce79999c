package token

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

const okBody = `"token_type":"Bearer","expires_in":3600,"access_token":"CANARY-token"`

// TestFailedResponses checks the class and the text of the error that Acquire
// returns for each kind of response without a usable token.
func TestFailedResponses(t *testing.T) {
	huge := `{"x":"` + strings.Repeat("CANARY", 1<<20) + `",` + okBody + `}`
	tests := []struct {
		name     string
		response response
		class    Class
		aadsts   int
		text     string
	}{
		{"unregistered", response{status: 401, body: aadsts(700027, "invalid_client")}, Certificate, 700027, "upload the public half"},
		{"no such resource", response{status: 400, body: aadsts(500011, "invalid_resource")}, Configuration, 500011, "service principal names"},
		{"unknown code", response{status: 400, body: aadsts(999999, "invalid_request")}, Configuration, 999999, "look up AADSTS999999"},
		{"code in the description alone", response{status: 401, body: `{"error":"invalid_client","error_description":"AADSTS700024: CANARY"}`}, Certificate, 700024, "clock"},
		{"several codes", response{status: 400, body: `{"error":"invalid_client","error_codes":[123,700016]}`}, Configuration, 700016, "application id"},
		{"codes of a wrong type", response{status: 400, body: `{"error":"invalid_client","error_codes":["CANARY"]}`}, Configuration, 0, "400 with invalid_client"},
		{"no code", response{status: 400, body: `{"error":"invalid_scope"}`}, Configuration, 0, "400 with invalid_scope"},
		{"unknown error name", response{status: 400, body: `{"error":"CANARY"}`}, Configuration, 0, "400"},
		{"busy, by name", response{status: 400, body: `{"error":"temporarily_unavailable"}`}, Transient, 0, "temporarily_unavailable"},
		{"busy, by code", response{status: 400, body: aadsts(90033, "invalid_request")}, Transient, 90033, "busy"},
		{"throttled", response{status: 429, body: aadsts(90055, "invalid_request")}, Transient, 90055, "429"},
		{"408", response{status: 408}, Transient, 0, "408"},
		{"500", response{status: 500, body: "CANARY"}, Transient, 0, "500"},
		{"503 with a certificate code", response{status: 503, body: aadsts(700027, "x")}, Transient, 700027, "503"},
		{"403 page", response{status: 403, body: "<html>CANARY"}, Transient, 0, "firewall"},
		{"404 page", response{status: 404, body: "<html>CANARY"}, Transient, 0, "captive portal"},
		{"400 in JSON that is not Entra's", response{status: 400, body: `{"message":"CANARY"}`}, Transient, 0, "without an error of Entra's"},
		{"401 without a body", response{status: 401}, Transient, 0, "without an error of Entra's"},
		{"407", response{status: 407, body: "<html>CANARY"}, Transient, 0, "proxy asks for credentials"},
		{"redirect with Entra's JSON", response{status: 302, body: aadsts(700016, "unauthorized_client")}, Transient, 0, "redirects are not followed"},
		{"redirect elsewhere", response{status: 307, header: http.Header{"Location": {"https://evil.example/CANARY"}}}, Transient, 0, "redirects are not followed"},
		{"redirect by 302", response{status: 302, header: http.Header{"Location": {"https://evil.example/"}}}, Transient, 0, "redirects are not followed"},
		{"redirect to itself", response{status: 308, header: http.Header{"Location": {testEndpoint}}}, Transient, 0, "redirects are not followed"},
		{"no lifetime", response{status: 200, body: `{"token_type":"Bearer","access_token":"CANARY-token"}`}, Transient, 0, "without the token's lifetime"},
		{"no token", response{status: 200, body: `{"token_type":"Bearer","expires_in":3600}`}, Transient, 0, "without an access token"},
		{"empty token", response{status: 200, body: `{"expires_in":3600,"access_token":""}`}, Transient, 0, "token endpoint"},
		{"empty", response{status: 200}, Transient, 0, "not a JSON object"},
		{"HTML", response{status: 200, body: "<html>CANARY</html>"}, Transient, 0, "captive portal"},
		{"truncated", response{status: 200, body: `{` + okBody}, Transient, 0, "not a JSON object"},
		{"array", response{status: 200, body: `[{` + okBody + `}]`}, Transient, 0, "not a JSON object"},
		{"null", response{status: 200, body: `null`}, Transient, 0, "token endpoint"},
		{"other token type", response{status: 200, body: `{` + strings.Replace(okBody, "Bearer", "pop", 1) + `}`}, Transient, 0, "not of type Bearer"},
		{"token of a wrong type", response{status: 200, body: `{"expires_in":3600,"access_token":{"a":"CANARY"}}`}, Transient, 0, "unexpected kind"},
		{"lifetime of a wrong type", response{status: 200, body: `{"expires_in":"CANARY","access_token":"CANARY"}`}, Transient, 0, "unexpected kind"},
		{"token with a line break", response{status: 200, body: `{"expires_in":3600,"access_token":"CANARY\r\nX: y"}`}, Transient, 0, "not of the form of a bearer token"},
		{"token with = in the middle", response{status: 200, body: `{"expires_in":3600,"access_token":"CANARY=y"}`}, Transient, 0, "not of the form of a bearer token"},
		{"token of = alone", response{status: 200, body: `{"expires_in":3600,"access_token":"=="}`}, Transient, 0, "not of the form of a bearer token"},
		{"token too long", response{status: 200, body: `{"expires_in":3600,"access_token":"` + strings.Repeat("A", 60<<10) + `"}`}, Transient, 0, "not of the form of a bearer token"},
		{"expired", response{status: 200, body: `{"expires_in":0,"access_token":"CANARY"}`}, Transient, 0, "expired already"},
		{"negative lifetime", response{status: 200, body: `{"expires_in":-5,"access_token":"CANARY"}`}, Transient, 0, "expired already"},
		{"another scope", response{status: 200, body: `{` + okBody + `,"scope":"CANARY"}`}, Transient, 0, "another scope"},
		{"huge", response{status: 200, body: huge}, Transient, 0, "more than 1048576 bytes"},
		{"huge refusal", response{status: 400, body: huge}, Transient, 0, "more than 1048576 bytes"},
		{"cut", response{err: io.ErrUnexpectedEOF}, Transient, 0, "cut"},
		{"cut in the middle", response{status: 200, body: `{` + okBody, cut: io.ErrUnexpectedEOF}, Transient, 0, "responded 200 with an incomplete body: the connection was cut"},
		{"refusal that is cut in the middle", response{status: 401, body: `{"error":"inv`, cut: io.ErrUnexpectedEOF}, Transient, 0, "responded 401 with an incomplete body: the connection was cut"},
		{"network error with a text of the peer's", response{err: errors.New(`malformed HTTP response "CANARY"`)}, Transient, 0, "not HTTP"},
	}
	cert := newCert(t, 0, "one")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := newEntra(cert)
			e.respondWith(&tt.response)
			got, err := Acquire(t.Context(), testConfig(e), cert)
			var failure *Error
			if !errors.As(err, &failure) || got.Token != "" {
				t.Fatalf("token %v, error %v", got, err)
			}
			text := err.Error()
			if failure.Class != tt.class || failure.AADSTS != tt.aadsts || !strings.Contains(text, tt.text) || failure.Status != tt.response.status {
				t.Errorf("class %s, AADSTS %d, status %d: %s", failure.Class, failure.AADSTS, failure.Status, text)
			}
			everything := fmt.Sprintf("%v %+v %#v %v", err, failure, failure, errors.Unwrap(err))
			if strings.Contains(everything, "CANARY") || strings.ContainsAny(text, "\r\n") || !strings.HasPrefix(text, "token: ") || strings.Count(text, "token: ") != 1 {
				t.Errorf("text %q", text)
			}
			for _, assertion := range e.assertions {
				if assertion != "" && strings.Contains(everything, assertion) {
					t.Errorf("the assertion leaked")
				}
			}
			if e.posts != 1 || e.hosts["login.example.com"] != 2 || len(e.hosts) != 1 {
				t.Errorf("%d posts, hosts %v", e.posts, e.hosts)
			}
		})
	}
}

// TestMetadata checks that malformed or foreign metadata documents make Acquire
// fail with the right class and text. Acquire requests the metadata before the
// token.
func TestMetadata(t *testing.T) {
	document := func(issuer, endpoint string) string {
		return fmt.Sprintf(`{"issuer":%q,"authorization_endpoint":"https://login.example.com/a","token_endpoint":%q}`, issuer, endpoint)
	}
	tests := []struct {
		name  string
		body  string
		code  int
		class Class
		text  string
	}{
		{"endpoint on another host", document(testIssuer+"/x", "https://login.example.us/token"), 200, Configuration, "set the authority to https://login.example.us"},
		{"endpoint on another port", document(testIssuer+"/x", "https://login.example.com:8443/token"), 200, Configuration, "another host"},
		{"endpoint without TLS", document(testIssuer+"/x", "http://login.example.com/token"), 200, Configuration, "another host"},
		{"issuer on another host", document("https://evil.example/x", testEndpoint), 200, Configuration, "issuer"},
		{"no such tenant", aadsts(90002, "invalid_tenant"), 400, Configuration, "tenant id"},
		{"HTML", "<html>CANARY", 200, Transient, "captive portal"},
		{"503", "CANARY", 503, Transient, "503"},
		{"redirect", "", 302, Transient, "redirects are not followed"},
	}
	cert := newCert(t, 0, "one")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := newEntra(cert)
			e.metadata = func() *response {
				return &response{status: tt.code, body: tt.body, header: http.Header{"Location": {"https://evil.example"}}}
			}
			_, err := Acquire(t.Context(), testConfig(e), cert)
			var failure *Error
			if !errors.As(err, &failure) || failure.Class != tt.class || !strings.Contains(err.Error(), tt.text) || strings.Contains(err.Error(), "CANARY") {
				t.Errorf("error %v", err)
			}
			if e.posts != 0 {
				t.Error("the assertion was posted")
			}
		})
	}
}

func TestAcquire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cert := newCert(t, 0, "one")
		e := newEntra(cert)
		e.refreshIn, e.clock = 20*time.Minute, -10*time.Second
		g, err := Acquire(t.Context(), testConfig(e), cert)
		if err != nil || len(e.complaints) != 0 {
			t.Fatal(err, e.complaints)
		}
		now := time.Now()
		if !e.valid(string(g.Token)) || !g.Expires.Equal(now.Add(time.Hour)) || !g.RefreshAt.Equal(now.Add(20*time.Minute)) ||
			g.ClockSkew != 10*time.Second || !g.ServerDate.Equal(now.Add(-10*time.Second)) || !g.Claims.FullAccess() {
			t.Errorf("%+v", g)
		}
		if strings.Contains(g.Expires.String(), "m=") {
			t.Error("Expires has a monotonic part")
		}
		if e.metadataRequests != 1 || e.posts != 1 {
			t.Errorf("%d + %d requests", e.metadataRequests, e.posts)
		}
	})
}

func TestAcquireAgainstOwnHTTPClient(t *testing.T) {
	cert := newCert(t, 0, "one")
	e := newEntra(cert)
	e.respondWith(&response{status: 307, header: http.Header{"Location": {"https://evil.example/"}}})
	followed := &http.Client{Transport: e, CheckRedirect: func(*http.Request, []*http.Request) error { return nil }}
	cfg := testConfig(e)
	cfg.HTTPClient = followed
	if _, err := Acquire(t.Context(), cfg, cert); err == nil || e.hosts["evil.example"] != 0 {
		t.Errorf("error %v, hosts %v", err, e.hosts)
	}
	if _, wrapped := followed.Transport.(authorityTransport); wrapped {
		t.Error("the caller's client was changed")
	}
}

func TestAcquireRefusesBadInput(t *testing.T) {
	cert := newCert(t, 0, "one")
	var failure *Error
	if _, err := Acquire(t.Context(), Config{}, cert); !errors.As(err, &failure) || failure.Class != Configuration {
		t.Errorf("empty configuration: %v", err)
	}
	for name, bad := range map[string]*tls.Certificate{"nil": nil, "empty": {}, "no key": {Certificate: cert.Certificate}} {
		if _, err := Acquire(t.Context(), testConfig(newEntra()), bad); !errors.As(err, &failure) || failure.Class != Certificate {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Acquire(ctx, testConfig(newEntra(cert)), cert); !errors.As(err, &failure) || !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestScopeKeepsTheSlash checks that a trailing slash of the resource is kept in
// the scope. Entra reads the part of the scope before its last slash as the
// resource.
func TestScopeKeepsTheSlash(t *testing.T) {
	cert := newCert(t, 0, "one")
	cfg := testConfig(newEntra(cert))
	var scope string
	next := cfg.HTTPClient.Transport
	cfg.HTTPClient = &http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
		if req.Body != nil {
			raw, _ := io.ReadAll(req.Body)
			form, _ := url.ParseQuery(string(raw))
			scope = form.Get("scope")
			req.Body = io.NopCloser(bytes.NewReader(raw))
		}
		return next.RoundTrip(req)
	})}
	cfg.Resource += "/"
	Acquire(t.Context(), cfg, cert)
	if strings.Fields(scope)[0] != "https://mail.contoso.com//.default" {
		t.Errorf("scope %q", scope)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// TestRegionIsNotForced checks that MSAL does not read its region from the
// environment.
func TestRegionIsNotForced(t *testing.T) {
	t.Setenv("MSAL_FORCE_REGION", "westeurope")
	cert := newCert(t, 0, "one")
	e := newEntra(cert)
	if _, err := Acquire(t.Context(), testConfig(e), cert); err != nil || len(e.hosts) != 1 {
		t.Errorf("error %v, hosts %v", err, e.hosts)
	}
}

func TestAttemptTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cert := newCert(t, 0, "one")
		e := newEntra(cert)
		e.respondWith(&response{hang: true})
		start := time.Now()
		_, err := Acquire(t.Context(), testConfig(e), cert)
		var failure *Error
		if !errors.As(err, &failure) || failure.Class != Transient || time.Since(start) != 15*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

func TestRetryAfter(t *testing.T) {
	date := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		value string
		want  time.Duration
	}{
		{"", 0}, {"0", 0}, {"7", 7 * time.Second}, {" 120 ", 2 * time.Minute}, {"86400", 15 * time.Minute}, {"-5", 0},
		{"1.5", 0}, {"99999999999999999999", 0}, {"soon", 0},
		{"Sun, 01 Nov 2026 12:01:30 GMT", 90 * time.Second},
		{"Sun, 01 Nov 2026 11:00:00 GMT", 0},
		{"Mon, 02 Nov 2026 12:00:00 GMT", 15 * time.Minute},
	}
	for _, tt := range tests {
		// A date in Retry-After is compared with the server's clock. In this test
		// that clock is an hour behind the local clock.
		x := &roundTrip{received: date.Add(time.Hour), header: http.Header{"Date": {"Sun, 01 Nov 2026 12:00:00 GMT"}, "Retry-After": {tt.value}}}
		if got := x.retryAfter(); got != tt.want {
			t.Errorf("%q: %v, want %v", tt.value, got, tt.want)
		}
	}
	x := &roundTrip{received: date, header: http.Header{"Retry-After": {"Sun, 01 Nov 2026 12:00:30 GMT"}}}
	if got := x.retryAfter(); got != 30*time.Second {
		t.Errorf("without Date: %v", got)
	}
}

func TestDescribeNetwork(t *testing.T) {
	address := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 443}
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"no such host", &net.DNSError{Name: "login.example.com", Err: "CANARY", IsNotFound: true}, `look up "login.example.com": no such host`},
		{"name server", &net.DNSError{Name: "h", Err: "CANARY"}, "the name server failed"},
		{"name server slow", &net.DNSError{Name: "h", Err: "CANARY", IsTimeout: true}, "timed out"},
		{"refused", &net.OpError{Op: "dial", Net: "tcp", Addr: address, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, "dial 192.0.2.1:443: connection refused"},
		{"dial timeout", &net.OpError{Op: "dial", Net: "tcp", Addr: address, Err: os.ErrDeadlineExceeded}, "timed out"},
		{"proxy down", &net.OpError{Op: "proxyconnect", Net: "tcp", Err: &net.OpError{Op: "dial", Addr: address, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}}, "HTTP proxy"},
		{"proxy wants credentials", errors.New("Proxy Authentication Required"), "the HTTP proxy responded 407"},
		{"unknown authority", &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}, "not trusted here"},
		{"other host", &tls.CertificateVerificationError{Err: x509.HostnameError{Certificate: &x509.Certificate{}, Host: "h"}}, "another host"},
		{"expired", &tls.CertificateVerificationError{Err: x509.CertificateInvalidError{Reason: x509.Expired}}, "clock"},
		{"other verification", &tls.CertificateVerificationError{Err: errors.New("CANARY")}, "not verified"},
		{"no TLS", tls.RecordHeaderError{Msg: "CANARY"}, "does not speak TLS"},
		{"alert", tls.AlertError(40), "TLS: "},
		{"anything", errors.New("CANARY"), "not HTTP"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := describeNetwork(fmt.Errorf("server response error:\n %w", &url.Error{Op: "Post", URL: testEndpoint, Err: tt.err}))
			if !strings.Contains(got, tt.want) || strings.Contains(got, "CANARY") {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestProxyRefuses checks that the error names the status with which an HTTP proxy
// refused CONNECT. net/http keeps only the text of the proxy's status line. The
// test fails if net/http changes this text.
func TestProxyRefuses(t *testing.T) {
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusProxyAuthRequired)
	}))
	defer proxy.Close()
	address, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	cert := newCert(t, 0, "one")
	cfg := testConfig(newEntra())
	cfg.HTTPClient = &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(address)}}
	_, err = Acquire(t.Context(), cfg, cert)
	var failure *Error
	if !errors.As(err, &failure) || failure.Class != Transient || !strings.Contains(err.Error(), "proxy responded 407") {
		t.Errorf("error %v", err)
	}
}

func TestSecretDoesNotPrint(t *testing.T) {
	s := Secret("CANARY")
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "secret", s, "grant", Grant{Token: s})
	raw, err := json.Marshal(map[string]any{"s": s, "g": Grant{Token: s}})
	if err != nil {
		t.Fatal(err)
	}
	all := fmt.Sprintf("%s %v %+v %#v %q %x %X %d %v %#v", s, s, s, s, s, s, s, s, Grant{Token: s}, &Grant{Token: s}) + log.String() + string(raw)
	if strings.Contains(all, "CANARY") || strings.Contains(strings.ToLower(all), "43414e415259") || strings.Count(all, redacted) != 14 {
		t.Error(all)
	}
	if string(s) != "CANARY" {
		t.Error("the secret itself is lost")
	}
}

// FuzzResponse checks that no response causes a panic, an unusable token or an
// error with a long text.
func FuzzResponse(f *testing.F) {
	f.Add(200, []byte(`{`+okBody+`}`))
	f.Add(200, []byte(`{"token_type":"Bearer","expires_on":"01/02/2006 15:04:05","access_token":"a","client_info":"e30","id_token":"a.b.c","scope":""}`))
	f.Add(400, []byte(aadsts(700027, "invalid_client")))
	f.Add(200, []byte(`{"access_token":"a.e30.c","expires_in":9223372036854775807,"refresh_in":"1"}`))
	cert := newCert(f, 0, "one")
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		if status < 200 || status > 599 {
			status = 200
		}
		e := newEntra(cert)
		e.respondWith(&response{status: status, body: string(body)})
		g, err := Acquire(t.Context(), testConfig(e), cert)
		if err == nil && (!isBearerToken(string(g.Token)) || time.Until(g.Expires) <= 0 || time.Until(g.Expires) > maxLifetime) {
			t.Errorf("accepted %+v", g)
		}
		if err != nil && (g.Token != "" || len(err.Error()) > 1000 || strings.ContainsAny(err.Error(), "\r\n")) {
			t.Errorf("refused with %q", err)
		}
	})
}

// TestBearerTokens checks which texts are accepted as tokens: those of the grammar
// b64token in RFC 6750, section 2.1, up to maxBearerToken bytes.
func TestBearerTokens(t *testing.T) {
	for text, want := range map[string]bool{
		"": false, "=": false, "==": false, "=a": false, "a=b": false, "a==b=": false, "a b": false, "a,b": false, "\u00e4": false, "a\x7f": false,
		"a@b": false, "a[b": false, "a`b": false, "a{b": false, "a:b": false,
		"a": true, "a=": true, "a==": true, "a====": true, "-._~+/": true, "azAZ09": true, "e30.e30.c2ln": true,
		strings.Repeat("a", maxBearerToken): true, strings.Repeat("a", maxBearerToken+1): false,
	} {
		if got := isBearerToken(text); got != want {
			t.Errorf("%.20q, %d bytes: %v", text, len(text), got)
		}
	}
}

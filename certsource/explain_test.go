package certsource

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func status(code int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { respond(w, code, body) }
}

func refusal(inner string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { refuse(w, inner) }
}

// entra returns a handler for Entra ID that refuses every log-in with an AADSTS
// code. The text of the refusal must not appear in errors or logs.
func entra(code string) http.HandlerFunc {
	body := `{"error":"invalid_client","error_description":"AADSTS` + code + `: ` + canarySecret + `","error_codes":[` + code + `]}`
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "GET" {
			(&testVault{}).serveEntra(w, r)
			return
		}
		respond(w, 401, body)
	}
}

// TestExplain checks the fields and the remedy of the errors for common
// problems.
func TestExplain(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*testVault)
		op     string
		status int
		code   string
		remedy string
	}{
		"rbac":               {func(f *testVault) { f.vault = refusal("ForbiddenByRbac") }, "get secret", 403, "ForbiddenByRbac", "Key Vault Secrets User"},
		"access policy":      {func(f *testVault) { f.vault = refusal("AccessDenied") }, "get secret", 403, "AccessDenied", "secrets/get"},
		"policy":             {func(f *testVault) { f.vault = refusal("ForbiddenByPolicy") }, "get secret", 403, "ForbiddenByPolicy", "secrets/get"},
		"firewall":           {func(f *testVault) { f.vault = refusal("ForbiddenByFirewall") }, "get secret", 403, "ForbiddenByFirewall", "network"},
		"just forbidden":     {func(f *testVault) { f.vault = status(403, `{"error":{"code":"Forbidden"}}`) }, "get secret", 403, "Forbidden", "secrets/get"},
		"a code that is not": {func(f *testVault) { f.vault = refusal("line\\nbreak " + canarySecret) }, "get secret", 403, "Forbidden", "secrets/get"},
		"secret expired":     {func(f *testVault) { f.vault = refusal("SecretExpired") }, "get secret", 403, "SecretExpired", "date"},
		"not found":          {func(f *testVault) { f.versions = nil }, "get secret", 404, "SecretNotFound", "name"},
		"404 page":           {func(f *testVault) { f.vault = status(404, "<html>") }, "get secret", 404, "", "URI"},
		"other tenant":       {func(f *testVault) { f.vault = status(401, `{"error":{"code":"Unauthorized"}}`) }, "get secret", 401, "Unauthorized", "tenant"},
		"throttled":          {func(f *testVault) { f.vault = status(429, "") }, "get secret", 429, "", "rate"},
		"outage":             {func(f *testVault) { f.vault = status(503, "") }, "get secret", 503, "", "at the moment"},
		"redirect":           {func(f *testVault) { f.vault = status(302, "") }, "get secret", 302, "", "URI"},
		"web page":           {func(f *testVault) { f.vault = status(200, "<html>") }, "get secret", 200, CodeNotKeyVault, "URI"},
		"empty object":       {func(f *testVault) { f.vault = status(200, "{}") }, "get secret", 0, CodeNotKeyVault, "URI"},
		"id of nothing":      {func(f *testVault) { f.vault = status(200, `{"id":"x"}`) }, "get secret", 0, CodeNotKeyVault, "URI"},
		"panicking challenge": {func(f *testVault) {
			f.challenge = `Bearer authorization="https://login.example", resource="https://vault.azure.net"`
		}, "get secret", 401, CodeNotKeyVault, "URI"},
		"other resource": {func(f *testVault) {
			f.challenge = `Bearer authorization="https://` + loginHost + `/` + tenant + `", resource="https://management.azure.com"`
		}, "get secret", 401, CodeNotKeyVault, "URI"},
		"basic challenge": {func(f *testVault) { f.challenge = `Basic realm="proxy"` }, "get secret", 401, CodeNotKeyVault, "URI"},

		"wrong secret":        {func(f *testVault) { f.entra = entra("7000215") }, "log in", 401, "AADSTS7000215", "Value"},
		"expired secret":      {func(f *testVault) { f.entra = entra("7000222") }, "log in", 401, "AADSTS7000222", "expired"},
		"wrong tenant":        {func(f *testVault) { f.entra = entra("700016") }, "log in", 401, "AADSTS700016", "tenant"},
		"no such tenant":      {func(f *testVault) { f.entra = status(400, `{"error":"invalid_tenant","error_codes":[90002]}`) }, "log in", 400, "AADSTS90002", "tenant"},
		"disabled app":        {func(f *testVault) { f.entra = entra("7000112") }, "log in", 401, "AADSTS7000112", "disabled"},
		"conditional access":  {func(f *testVault) { f.entra = entra("53003") }, "log in", 401, "AADSTS53003", "Conditional Access"},
		"code of tomorrow":    {func(f *testVault) { f.entra = entra("123456789") }, "log in", 401, "AADSTS123456789", "client secret"},
		"entra outage":        {func(f *testVault) { f.entra = status(503, "") }, "log in", 503, "", "at the moment"},
		"entra is a web page": {func(f *testVault) { f.entra = status(200, "<html>"+canarySecret) }, "log in", 200, CodeNoCredential, "authority"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newTestVault(t, ver(t, "v1", day))
				c.change(f)
				e := wantCode(t, f.open(), "", c.code)
				if e.Op != c.op || e.Status != c.status || !strings.Contains(e.Remedy, c.remedy) {
					t.Errorf("%+v", e)
				}
				if strings.ContainsAny(e.Error(), "\r\n<") || len(e.Error()) > 300 {
					t.Errorf("not a line: %q", e.Error())
				}
				if got := f.take("login.example"); got != nil {
					t.Errorf("%q", got)
				}
			})
		})
	}
}

// TestPastedSecretID checks that the id of a client secret is recognised by its
// form when it was pasted instead of the secret's value.
func TestPastedSecretID(t *testing.T) {
	f := newTestVault(t)
	k := f.open(func(c *KeyVaultConfig) {
		c.Secret = func() (string, error) { return "0f8fad5b-d9cb-469f-a165-70867728950e", nil }
	})
	if e := wantCode(t, k, "", "AADSTS7000215"); !strings.Contains(e.Remedy, "this is the secret's ID") {
		t.Error(e)
	}
}

// TestForeignChallengeGetsNoToken checks that a challenge for another resource
// does not cause a log-in. Otherwise the server at a mistyped vault URL would
// receive a token.
func TestForeignChallengeGetsNoToken(t *testing.T) {
	f := newTestVault(t)
	f.challenge = `Bearer authorization="https://` + loginHost + `/` + tenant + `", resource="https://graph.microsoft.com"`
	wantCode(t, f.open(), "", CodeNotKeyVault)
	if got := f.take(loginHost); got != nil {
		t.Errorf("%q", got)
	}
}

// TestLoginIsNotRedirected checks that a log-in does not follow a redirect,
// because such a log-in would send the client secret to another host.
func TestLoginIsNotRedirected(t *testing.T) {
	f := newTestVault(t)
	f.entra = func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "https://evil.example/")
		w.WriteHeader(http.StatusTemporaryRedirect)
	}
	wantCode(t, f.open(), "", "")
	if got := f.take("evil.example"); got != nil {
		t.Errorf("%q", got)
	}
}

type failing struct{ err error }

func (f failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }

func TestNetworkErrors(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		code string
		show string
	}{
		"unknown host": {&net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: vaultHost, IsNotFound: true}}, CodeUnknownHost, "no such host"},
		"refused":      {&net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", errors.New("connection refused"))}, CodeUnreachable, "refused"},
		"nasty name":   {&tls.CertificateVerificationError{Err: errors.New("valid for \x1b[31mred\r\n, not")}, CodeUntrusted, "valid for \\x1b[31mred , not"},
		"host name":    {x509.HostnameError{Certificate: &x509.Certificate{}, Host: vaultHost}, CodeUntrusted, ""},
		"proxy url":    {errors.New("invalid proxy address http://u:" + canarySecret + "@h"), CodeUnreachable, ""},
	} {
		for _, auth := range []Auth{AuthSecret, AuthManaged} {
			t.Run(name+", "+string(auth), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					k := newTestVault(t).open(func(cfg *KeyVaultConfig) {
						cfg.Auth, cfg.HTTPClient = auth, &http.Client{Transport: failing{c.err}}
					})
					e := wantCode(t, k, "", c.code)
					if e.Host != vaultHost || e.Op != "get secret" || e.Remedy == "" || !strings.Contains(e.Error(), c.show) {
						t.Errorf("%+v", e)
					}
				})
			})
		}
	}
}

// TestEntraOutOfReach checks that the error names the host that cannot be
// reached. The library's error contains this host only in its text.
func TestEntraOutOfReach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newTestVault(t)
		k := f.open(func(cfg *KeyVaultConfig) { cfg.HTTPClient = &http.Client{Transport: vaultOnly{f}} })
		if e := wantCode(t, k, "", CodeUnknownHost); e.Host != loginHost || !strings.Contains(e.Remedy, "DNS") {
			t.Errorf("%+v", e)
		}
	})
}

type vaultOnly struct{ f *testVault }

func (v vaultOnly) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != vaultHost {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: r.URL.Host, IsNotFound: true}}
	}
	return inProcess{v.f}.RoundTrip(r)
}

func TestOtherWaysToLogIn(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("federated"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, v := range []string{"AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_CLIENT_SECRET", "AZURE_TOKEN_CREDENTIALS", "IDENTITY_ENDPOINT", "IDENTITY_HEADER", "MSI_ENDPOINT", "IMDS_ENDPOINT"} {
		t.Setenv(v, "")
		os.Unsetenv(v)
	}
	t.Setenv("PATH", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	for _, c := range []struct {
		name string
		auth Auth
		env  map[string]string
		list string
		code string
	}{
		{"workload", AuthWorkload, map[string]string{"AZURE_FEDERATED_TOKEN_FILE": token}, "v1", ""},
		{"workload without its file", AuthWorkload, map[string]string{"AZURE_FEDERATED_TOKEN_FILE": token + "x"}, "", CodeNoCredential},
		{"workload without its variables", AuthWorkload, nil, "", CodeNoCredential},
		{"managed elsewhere", AuthManaged, nil, "", CodeNoCredential},
		{"managed", AuthManaged, map[string]string{"IDENTITY_ENDPOINT": "http://" + vaultHost + "/msi", "IDENTITY_HEADER": "h"}, "v1", ""},
		{"not logged in", AuthDefault, nil, "", CodeNoCredential},
	} {
		t.Run(c.name, func(t *testing.T) {
			for k, v := range c.env {
				t.Setenv(k, v)
			}
			synctest.Test(t, func(t *testing.T) {
				f := newTestVault(t, ver(t, "v1", day))
				k := f.open(func(cfg *KeyVaultConfig) {
					cfg.Auth, cfg.Secret = c.auth, nil
					cfg.ClientID = rand.Text() // a new id for each case, because the library caches the tokens of managed identities in a global variable
					cfg.HTTPClient = &http.Client{Transport: machine{f}}
				})
				e := wantCode(t, k, c.list, c.code)
				if c.code != "" && (e.Op != "log in" || e.Remedy != loginRemedy(c.auth)) {
					t.Errorf("%+v", e)
				}
			})
		})
	}
}

// machine is a double of a machine that has the managed identity endpoint of an
// App Service and no service at 169.254.169.254.
type machine struct{ f *testVault }

func (m machine) RoundTrip(r *http.Request) (*http.Response, error) {
	switch {
	case r.URL.Host == "169.254.169.254":
		time.Sleep(time.Second)
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("no route to host")}
	case r.URL.Path == "/msi":
		return inProcess{status(200, `{"access_token":"`+canaryToken+`","expires_on":"`+"4102444800"+`","resource":"https://vault.azure.net","token_type":"Bearer"}`)}.RoundTrip(r)
	}
	return inProcess{m.f}.RoundTrip(r)
}

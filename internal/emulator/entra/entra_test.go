package entra_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hmaproxy/internal/emulator/entra"
	"hmaproxy/internal/emulator/pki"
	"hmaproxy/internal/emulator/service"
)

const (
	tenantID = "0f3c9a52-6b1d-4b7e-9d0e-2f6a1c5b8e47"
	appID    = "6a1de0b4-41c7-4c2f-8f5d-93f0b7a2d611"
	exchange = "https://mail.contoso.com"
	endpoint = "https://login.microsoftonline.com/" + tenantID + "/oauth2/v2.0/token"
	bearer   = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" // RFC 7523, section 2.2
)

var key = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

// A tenant is an emulated Entra ID with the certificate of the HMA application.
type tenant struct {
	t     *testing.T
	entra *entra.Entra
	cert  *pki.Certificate
}

func newTestTenant(t *testing.T) *tenant {
	cert, err := pki.New(pki.Options{Key: key()})
	if err != nil {
		t.Fatal(err)
	}
	n := entra.New(entra.Config{
		TenantID: tenantID, Domain: "contoso.com", HMAAppID: appID, VaultAppID: "vault", VaultSecret: "canary",
		Resource: func() string { return exchange }, TokenLifetime: time.Hour, SigningKey: key(),
	}, service.Config{Lifetime: service.NewLifetime()})
	n.Register(cert)
	return &tenant{t, n, cert}
}

// assertion returns a signed client assertion as Microsoft documents it. edit,
// which may be nil, changes the claims before they are signed.
func (n *tenant) assertion(edit func(claims map[string]any)) string {
	n.t.Helper()
	sum := sha256.Sum256(n.cert.Leaf.Raw)
	claims := map[string]any{
		"aud": endpoint, "iss": appID, "sub": appID, "jti": rand.Text(),
		"nbf": time.Now().Unix(), "exp": time.Now().Add(10 * time.Minute).Unix(),
	}
	if edit != nil {
		edit(claims)
	}
	part := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			n.t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	signed := part(map[string]any{"alg": "PS256", "typ": "JWT", "x5t#S256": base64.RawURLEncoding.EncodeToString(sum[:])}) + "." + part(claims)
	digest := sha256.Sum256([]byte(signed))
	sig, err := rsa.SignPSS(rand.Reader, key(), crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	if err != nil {
		n.t.Fatal(err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(sig)
}

func form(assertion string) url.Values {
	return url.Values{
		"grant_type": {"client_credentials"}, "client_id": {appID}, "scope": {exchange + "/.default"},
		"client_assertion_type": {bearer}, "client_assertion": {assertion},
	}
}

// A reply is a response of the token endpoint (RFC 6749, sections 5.1 and 5.2).
type reply struct {
	status int
	Token  string `json:"access_token"`
	Type   string `json:"token_type"`
	Error  string
	Codes  []int `json:"error_codes"`
}

// outcome returns "200" for a token. For an error it returns the status, the
// OAuth error and Entra's codes.
func (r reply) outcome() string {
	if r.status == http.StatusOK && r.Token != "" && r.Type == "Bearer" && r.Error == "" {
		return "200"
	}
	return fmt.Sprint(r.status, " ", r.Error, " ", r.Codes)
}

func (n *tenant) send(method, target string, body url.Values) reply {
	n.t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	n.entra.ServeHTTP(w, r)
	a := reply{status: w.Code}
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		n.t.Fatalf("%s: %s", err, w.Body)
	}
	return a
}

// TestTokenRequests checks Entra's responses to well-formed and malformed
// requests of the client credentials flow.
func TestTokenRequests(t *testing.T) {
	for name, c := range map[string]struct {
		method, target string
		edit           func(url.Values)
		want           string
	}{
		"as documented":           {want: "200"},
		"tenant by its domain":    {target: strings.Replace(endpoint, tenantID, "Contoso.com", 1), want: "200"},
		"with OpenID scopes":      {edit: func(f url.Values) { f.Set("scope", "openid "+exchange+"/.default profile") }, want: "200"},
		"GET":                     {method: http.MethodGet, want: "400 invalid_request [900561]"},
		"consumers":               {target: strings.Replace(endpoint, tenantID, "consumers", 1), want: "400 invalid_request [9001023]"},
		"two client_ids":          {edit: func(f url.Values) { f.Add("client_id", appID) }, want: "400 invalid_request [900144]"},
		"no assertion type":       {edit: func(f url.Values) { f.Del("client_assertion_type") }, want: "400 invalid_request [900144]"},
		"assertion type of SAML":  {edit: func(f url.Values) { f.Set("client_assertion_type", strings.Replace(bearer, "jwt", "saml2", 1)) }, want: "400 invalid_request [900144]"},
		"assertion not a JWT":     {edit: func(f url.Values) { f.Set("client_assertion", "a.b.c") }, want: "401 invalid_client [50027]"},
		"scope is only .default":  {edit: func(f url.Values) { f.Set("scope", "/.default") }, want: "400 invalid_scope [1002012]"},
		"form of more than 64 KB": {edit: func(f url.Values) { f.Set("x", strings.Repeat("x", 64<<10)) }, want: "400 invalid_request [900144]"},
	} {
		t.Run(name, func(t *testing.T) {
			n := newTestTenant(t)
			method, target, body := http.MethodPost, endpoint, form(n.assertion(nil))
			if c.method != "" {
				method = c.method
			}
			if c.target != "" {
				target = c.target
			}
			if c.edit != nil {
				c.edit(body)
			}
			if got := n.send(method, target, body).outcome(); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// TestAssertionClaims tests both sides of each rule about the claims of a client
// assertion (RFC 7523, section 3, and Microsoft's page about certificate
// credentials).
func TestAssertionClaims(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTestTenant(t)
		now := time.Now().Unix()
		set := func(claim string, value any) func(map[string]any) {
			return func(claims map[string]any) { claims[claim] = value }
		}
		const good, audience, expired, subject, malformed = "200", "401 invalid_client [700023]", "401 invalid_client [700024]", "401 invalid_client [700021]", "401 invalid_client [50027]"
		for name, c := range map[string]struct {
			edit func(map[string]any)
			want string
		}{
			"aud is the token endpoint":     {nil, good},
			"aud is the issuer of tenant":   {set("aud", "https://login.microsoftonline.com/"+tenantID+"/v2.0"), good},
			"aud is another tenant":         {set("aud", strings.Replace(endpoint, tenantID, "common", 1)), audience},
			"aud is another host":           {set("aud", strings.Replace(endpoint, "login.", "evil.", 1)), audience},
			"aud missing":                   {set("aud", nil), audience},
			"nbf is now":                    {set("nbf", now), good},
			"nbf is in a second":            {set("nbf", now+1), expired},
			"nbf missing":                   {set("nbf", nil), expired},
			"exp is in a second":            {set("exp", now+1), good},
			"exp is now":                    {set("exp", now), expired},
			"exp a day after nbf":           {set("exp", now+24*60*60), good},
			"exp a day and a second after":  {set("exp", now+24*60*60+1), expired},
			"sub is another application":    {set("sub", "vault"), subject},
			"sub missing":                   {set("sub", nil), subject},
			"iss is another application":    {set("iss", "vault"), subject},
			"jti missing":                   {set("jti", nil), malformed},
			"jti was used":                  {set("jti", "twice"), good},
			"another claim makes no change": {set("iat", now+60), good},
		} {
			if got := n.send(http.MethodPost, endpoint, form(n.assertion(c.edit))).outcome(); got != c.want {
				t.Errorf("%s: got %s, want %s", name, got, c.want)
			}
		}
		if got := n.send(http.MethodPost, endpoint, form(n.assertion(set("jti", "twice")))).outcome(); got != malformed {
			t.Errorf("jti for the second time: got %s, want %s", got, malformed)
		}
	})
}

// TestFederatedCredentials checks that a token is accepted only if its issuer,
// subject and audience match one credential. The codes come from Microsoft's page
// about errors of workload identity federation.
func TestFederatedCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const cluster, subject = "https://oidc.contoso.com/cluster", "system:serviceaccount:mail:hmaproxy"
		n := newTestTenant(t)
		newIssuer := func(url string) *entra.FederatedIssuer {
			i, err := entra.NewFederatedIssuer(url)
			if err != nil {
				t.Fatal(err)
			}
			return i
		}
		issuer, sameURL, unregistered := newIssuer(cluster), newIssuer(cluster), newIssuer("https://oidc.fabrikam.com/")
		n.entra.AddFederatedCredential(entra.FederatedCredential{Issuer: issuer, Subject: subject})
		now := time.Now()
		for name, c := range map[string]struct {
			issuer            *entra.FederatedIssuer
			subject, audience string
			issued            time.Time
			want              string
		}{
			"all match":        {issuer, subject, "api://AzureADTokenExchange", now, "200"},
			"other issuer":     {unregistered, subject, "api://AzureADTokenExchange", now, "401 invalid_client [700211]"},
			"other key":        {sameURL, subject, "api://AzureADTokenExchange", now, "400 invalid_grant [50013]"},
			"other subject":    {issuer, subject + "2", "api://AzureADTokenExchange", now, "401 invalid_client [700213]"},
			"subject's case":   {issuer, strings.ToUpper(subject), "api://AzureADTokenExchange", now, "401 invalid_client [700213]"},
			"other audience":   {issuer, subject, "https://kubernetes.default.svc", now, "401 invalid_client [700212]"},
			"ends in a second": {issuer, subject, "api://AzureADTokenExchange", now.Add(time.Second - time.Hour), "200"},
			"has ended":        {issuer, subject, "api://AzureADTokenExchange", now.Add(-time.Hour), "401 invalid_client [700024]"},
			"not yet valid":    {issuer, subject, "api://AzureADTokenExchange", now.Add(time.Second), "401 invalid_client [700024]"},
		} {
			token, err := c.issuer.Token(c.subject, c.audience, c.issued)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // a federated token may be used several times
				if got := n.send(http.MethodPost, endpoint, form(token)).outcome(); got != c.want {
					t.Errorf("%s: got %s, want %s", name, got, c.want)
				}
			}
		}
	})
}

// TestDiscovery checks the documents that MSAL reads, for the tenant and for
// another tenant.
func TestDiscovery(t *testing.T) {
	n := newTestTenant(t)
	get := func(path string) (int, map[string]any) {
		w := httptest.NewRecorder()
		n.entra.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "https://login.microsoftonline.com/"+path, nil))
		document := map[string]any{}
		if strings.HasPrefix(w.Header().Get("Content-Type"), "application/json") {
			if err := json.Unmarshal(w.Body.Bytes(), &document); err != nil {
				t.Fatal(err)
			}
		}
		return w.Code, document
	}
	status, d := get(tenantID + "/v2.0/.well-known/openid-configuration")
	if status != http.StatusOK || d["token_endpoint"] != endpoint || d["issuer"] != "https://login.microsoftonline.com/"+tenantID+"/v2.0" {
		t.Errorf("configuration of the tenant: %d %v", status, d)
	}
	if status, d := get("fabrikam.com/v2.0/.well-known/openid-configuration"); status != http.StatusBadRequest || d["error"] != "invalid_request" {
		t.Errorf("configuration of another tenant: %d %v", status, d)
	}
	if status, _ := get(tenantID + "/oauth2/v2.0/authorize"); status != http.StatusNotFound {
		t.Errorf("another path: %d", status)
	}
}

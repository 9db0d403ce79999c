package emulator_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"hmaproxy/internal/emulator"
	"hmaproxy/internal/ewstest"
)

// The tests of this package share a certificate key and an Entra key, because
// generating a key takes longer than most tests.
var testKey, signingKey = sync.OnceValue(newKey), sync.OnceValue(newKey)

func newKey() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
}

func newCert(t testing.TB, o emulator.CertOptions) *emulator.Certificate {
	t.Helper()
	if o.Key == nil && !o.EC && o.Bits == 0 {
		o.Key = testKey()
	}
	c, err := emulator.NewCertificate(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// start returns an emulator that serves over pipes, and a client.
func start(t testing.TB, c emulator.Config) (*emulator.Emulator, *http.Client) {
	t.Helper()
	if c.Cert == nil {
		c.Cert = newCert(t, emulator.CertOptions{})
	}
	c.SigningKey = signingKey()
	e, err := emulator.New(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.StartPipes(); err != nil {
		t.Fatal(err)
	}
	client := e.Client()
	t.Cleanup(func() { client.CloseIdleConnections(); e.Close() })
	return e, client
}

// An assertion is a client assertion (RFC 7515, RFC 7523) that is not signed yet.
type assertion struct {
	key    crypto.Signer
	alg    string
	header map[string]any
	claims map[string]any
}

func newAssertion(e *emulator.Emulator, c *emulator.Certificate) *assertion {
	sum := sha256.Sum256(c.Leaf.Raw)
	now := time.Now()
	id := e.Config().HMAAppID
	return &assertion{
		key:    c.Key,
		alg:    "PS256",
		header: map[string]any{"typ": "JWT", "x5t#S256": base64.RawURLEncoding.EncodeToString(sum[:])},
		claims: map[string]any{
			"aud": tokenURL(e), "iss": id, "sub": id, "jti": rand.Text(),
			"nbf": now.Add(-30 * time.Second).Unix(), "exp": now.Add(5 * time.Minute).Unix(),
		},
	}
}

func (a *assertion) sign(t testing.TB) string {
	t.Helper()
	a.header["alg"] = a.alg
	part := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	signed := part(a.header) + "." + part(a.claims)
	sum := sha256.Sum256([]byte(signed))
	var options crypto.SignerOpts = crypto.SHA256
	if a.alg == "PS256" {
		options = &rsa.PSSOptions{SaltLength: 32, Hash: crypto.SHA256}
	}
	sig, err := a.key.Sign(rand.Reader, sum[:], options)
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(sig)
}

func sha1Thumbprint(c *emulator.Certificate) []byte {
	sum := sha1.Sum(c.Leaf.Raw)
	return sum[:]
}

func tokenURL(e *emulator.Emulator) string {
	return e.Entra().URL() + "/" + e.Config().TenantID + "/oauth2/v2.0/token"
}

// assertionForm returns the token request of the certificate flow.
func assertionForm(e *emulator.Emulator, signed string) url.Values {
	return url.Values{
		"grant_type":            {"client_credentials"},
		"client_id":             {e.Config().HMAAppID},
		"scope":                 {e.Resource() + "/.default openid offline_access profile"},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		"client_assertion":      {signed},
	}
}

// secretForm returns the token request of the secret flow.
func secretForm(e *emulator.Emulator) url.Values {
	return url.Values{
		"grant_type":    {"client_credentials"},
		"client_id":     {e.Config().VaultAppID},
		"scope":         {"https://vault.azure.net/.default"},
		"client_secret": {e.Config().VaultSecret},
	}
}

// A tokenResponse is a response of Entra: a token or an error.
type tokenResponse struct {
	Status      int    `json:"-"`
	Token       string `json:"access_token"`
	Type        string `json:"token_type"`
	ExpiresIn   int    `json:"expires_in"`
	RefreshIn   int    `json:"refresh_in"`
	Error       string `json:"error"`
	Description string `json:"error_description"`
	Codes       []int  `json:"error_codes"`
	TraceID     string `json:"trace_id"`
	Correlation string `json:"correlation_id"`
	Timestamp   string `json:"timestamp"`
}

func postToken(t testing.TB, client *http.Client, target string, form url.Values) tokenResponse {
	t.Helper()
	resp, err := client.PostForm(target, form)
	if err != nil {
		t.Fatal(err)
	}
	a := tokenResponse{Status: resp.StatusCode}
	if err := json.Unmarshal(readAll(t, resp), &a); err != nil {
		t.Fatal(err)
	}
	return a
}

func hmaToken(t testing.TB, e *emulator.Emulator, client *http.Client) string {
	t.Helper()
	a := postToken(t, client, tokenURL(e), assertionForm(e, newAssertion(e, e.Certificate()).sign(t)))
	if a.Status != http.StatusOK || a.Token == "" {
		t.Fatalf("token: %+v", a)
	}
	return a.Token
}

func readAll(t testing.TB, resp *http.Response) []byte {
	t.Helper()
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func claimsOf(t testing.TB, token string) map[string]any {
	t.Helper()
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

// soapEnvelope returns a request as client libraries write it.
func soapEnvelope(header, operation string) string {
	return ewstest.Document(ewstest.ServerVersion+header, operation)
}

var asAlice = ewstest.Impersonation("PrimarySmtpAddress", "alice@contoso.com")

const getInbox = `<m:GetFolder><m:FolderShape><t:BaseShape>Default</t:BaseShape></m:FolderShape><m:FolderIds><t:DistinguishedFolderId Id="inbox"/></m:FolderIds></m:GetFolder>`

// An ews sends requests to the emulated Exchange.
type ews struct {
	t      testing.TB
	e      *emulator.Emulator
	client *http.Client
	token  string
	header http.Header
}

func newEWS(t testing.TB, c emulator.Config) *ews {
	e, client := start(t, c)
	return &ews{t: t, e: e, client: client, token: hmaToken(t, e, client), header: http.Header{}}
}

func (x *ews) request(body string) *http.Request {
	x.t.Helper()
	req, err := http.NewRequestWithContext(x.t.Context(), "POST", x.e.Exchange().URL()+"/EWS/Exchange.asmx", bytes.NewReader([]byte(body)))
	if err != nil {
		x.t.Fatal(err)
	}
	maps.Copy(req.Header, x.header)
	req.Header.Set("Content-Type", "text/xml; charset=utf-8")
	if x.token != "" {
		req.Header.Set("Authorization", "Bearer "+x.token)
	}
	return req
}

func (x *ews) do(req *http.Request) (*http.Response, string) {
	x.t.Helper()
	resp, err := x.client.Do(req)
	if err != nil {
		x.t.Fatal(err)
	}
	return resp, string(readAll(x.t, resp))
}

// call posts an operation that impersonates alice and must succeed.
func (x *ews) call(operation string) string {
	x.t.Helper()
	resp, body := x.do(x.request(soapEnvelope(asAlice, operation)))
	if resp.StatusCode != http.StatusOK {
		x.t.Fatalf("status %d: %s", resp.StatusCode, body)
	}
	return body
}

// between returns the part of s between two texts, the arguments "before" and
// "after".
func between(t testing.TB, s, before, after string) string {
	t.Helper()
	_, s, ok1 := strings.Cut(s, before)
	s, _, ok2 := strings.Cut(s, after)
	if !ok1 || !ok2 {
		t.Fatalf("no %q … %q", before, after)
	}
	return s
}

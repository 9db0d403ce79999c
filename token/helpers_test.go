package token

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
)

const (
	testTenant   = "0f9c8d7e-1111-2222-3333-444455556666"
	testClient   = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
	testResource = "https://mail.contoso.com"
	testIssuer   = "https://login.example.com"
	testEndpoint = testIssuer + "/" + testTenant + "/oauth2/v2.0/token"
)

var testKeys = sync.OnceValue(func() (keys [3]*rsa.PrivateKey) {
	for i := range keys {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		keys[i] = key
	}
	return keys
})

// newCert returns a certificate for one of the test keys that is valid for a
// year from now.
func newCert(t testing.TB, key int, name string) *tls.Certificate {
	t.Helper()
	return newCertAt(t, key, name, time.Now().Add(-time.Hour), time.Now().AddDate(1, 0, 0))
}

func newCertAt(t testing.TB, key int, name string, from, to time.Time) *tls.Certificate {
	t.Helper()
	private := testKeys()[key]
	template := &x509.Certificate{SerialNumber: big.NewInt(int64(key) + 1), Subject: pkix.Name{CommonName: name}, NotBefore: from, NotAfter: to}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private, Leaf: leaf}
}

// response replaces the usual response of the double of Entra.
type response struct {
	status int
	header http.Header
	body   string
	err    error         // error of the request, which gets no response
	cut    error         // reading the body ends with this error
	hang   bool          // there is no response until the request's context ends
	delay  time.Duration // time before the response; with status 0, before the usual response
}

// entra is a double of the token service for one application, behind an
// http.RoundTripper. It checks assertions as Microsoft documents them, with the
// standard library alone.
type entra struct {
	mu         sync.Mutex
	registered map[string]*rsa.PublicKey // registered certificates by base64url SHA-256
	life       time.Duration
	refreshIn  time.Duration
	roles      []string
	clock      time.Duration // Entra's clock minus this machine's
	refusal    int           // AADSTS code for a certificate that is not registered
	federated  string        // assertion of another issuer that this double accepts

	metadata, token func() *response // return a replacement for the usual response; nil, or a nil result, means the usual response

	metadataRequests, posts int
	assertions              []string
	tokens                  map[string]time.Time // tokens issued, with their expiry
	jti                     map[string]bool
	hosts                   map[string]int
	complaints              []string
}

func newEntra(certs ...*tls.Certificate) *entra {
	e := &entra{life: time.Hour, refusal: 700027, roles: []string{"full_access_as_app"}, registered: map[string]*rsa.PublicKey{},
		tokens: map[string]time.Time{}, jti: map[string]bool{}, hosts: map[string]int{}}
	for _, c := range certs {
		e.register(c)
	}
	return e
}

func thumb(c *tls.Certificate) string {
	sum := sha256.Sum256(c.Certificate[0])
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func (e *entra) register(c *tls.Certificate) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.registered[thumb(c)] = c.Leaf.PublicKey.(*rsa.PublicKey)
}

func (e *entra) unregister(c *tls.Certificate) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.registered, thumb(c))
}

// respondWith sets the response to every token request. nil means the usual
// response.
func (e *entra) respondWith(a *response) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.token = func() *response { return a }
}

func (e *entra) requests() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.posts
}

// valid reports whether Exchange would accept the token now.
func (e *entra) valid(token string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	end, ok := e.tokens[token]
	return ok && time.Now().Before(end)
}

func (e *entra) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	var form url.Values
	if req.Body != nil {
		raw, _ := io.ReadAll(req.Body)
		req.Body.Close()
		form, _ = url.ParseQuery(string(raw))
	}
	e.mu.Lock()
	e.hosts[req.URL.Host]++
	special := e.metadata
	if req.Method == http.MethodPost {
		special = e.token
		e.posts++
		e.assertions = append(e.assertions, form.Get("client_assertion"))
	} else {
		e.metadataRequests++
	}
	e.mu.Unlock()
	if special != nil {
		if a := special(); a != nil {
			if resp, err, done := a.give(req); done {
				return resp, err
			}
		}
	}
	if req.Method != http.MethodPost {
		return e.respond(req, 200, fmt.Sprintf(`{"issuer":%q,"authorization_endpoint":%q,"token_endpoint":%q}`, testIssuer+"/"+testTenant+"/v2.0", testEndpoint+"x", testEndpoint)), nil
	}
	return e.grant(req, form), nil
}

func (r *response) give(req *http.Request) (resp *http.Response, err error, done bool) {
	if r.hang {
		<-req.Context().Done()
		return nil, req.Context().Err(), true
	}
	select {
	case <-time.After(r.delay):
	case <-req.Context().Done():
		return nil, req.Context().Err(), true
	}
	if r.err != nil {
		return nil, r.err, true
	}
	if r.status == 0 {
		return nil, nil, false
	}
	header := r.header.Clone()
	if header == nil {
		header = http.Header{}
	}
	body := io.Reader(strings.NewReader(r.body))
	if r.cut != nil {
		body = io.MultiReader(body, iotest.ErrReader(r.cut))
	}
	return &http.Response{StatusCode: r.status, Header: header, Body: io.NopCloser(body), Request: req, ProtoMajor: 1, ProtoMinor: 1}, nil, true
}

func (e *entra) respond(req *http.Request, status int, body string) *http.Response {
	header := http.Header{"Content-Type": {"application/json"}, "Date": {time.Now().Add(e.clock).UTC().Format(http.TimeFormat)}}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body)), Request: req, ProtoMajor: 1, ProtoMinor: 1}
}

// aadsts returns a body in the form of Entra's refusals. Its description must
// not appear in logs or errors.
func aadsts(code int, name string) string {
	return fmt.Sprintf(`{"error":%q,"error_description":"AADSTS%d: CANARY-description. Trace ID: x","error_codes":[%d],"correlation_id":"11111111-2222-3333-4444-555555555555"}`, name, code, code)
}

func (e *entra) grant(req *http.Request, form url.Values) *http.Response {
	e.mu.Lock()
	defer e.mu.Unlock()
	if code := e.check(req, form); code != 0 {
		return e.respond(req, 401, aadsts(code, "invalid_client"))
	}
	now := time.Now()
	claims, _ := json.Marshal(map[string]any{"aud": testResource, "tid": testTenant, "appid": testClient, "appidacr": "2", "roles": e.roles, "exp": now.Add(e.life).Unix()})
	token := "e30." + base64.RawURLEncoding.EncodeToString(claims) + ".CANARY-token-" + rand.Text()
	e.tokens[token] = now.Add(e.life)
	body := map[string]any{"token_type": "Bearer", "expires_in": int(e.life.Seconds()), "ext_expires_in": int(e.life.Seconds()), "access_token": token}
	if e.refreshIn > 0 {
		body["refresh_in"] = int(e.refreshIn.Seconds())
	}
	raw, _ := json.Marshal(body)
	return e.respond(req, 200, string(raw))
}

// check returns the AADSTS code with which the request is refused, or 0 if it is
// accepted.
func (e *entra) check(req *http.Request, form url.Values) int {
	complain := func(format string, args ...any) int {
		e.complaints = append(e.complaints, fmt.Sprintf(format, args...))
		return 50012
	}
	if req.URL.String() != testEndpoint {
		return complain("posted to %s", req.URL)
	}
	for name, want := range map[string]string{"grant_type": "client_credentials", "client_id": testClient,
		"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"} {
		if form.Get(name) != want {
			return complain("%s = %q", name, form.Get(name))
		}
	}
	if scopes := strings.Fields(form.Get("scope")); len(scopes) == 0 || scopes[0] != testResource+"/.default" {
		return complain("scope = %q", form.Get("scope"))
	}
	if e.federated != "" && form.Get("client_assertion") == e.federated {
		return 0
	}
	parts := strings.Split(form.Get("client_assertion"), ".")
	if len(parts) != 3 {
		return complain("assertion has %d parts", len(parts))
	}
	var header struct {
		Alg, Typ string
		X5T      string `json:"x5t#S256"`
	}
	var claims struct {
		Aud, Iss, Sub, Jti string
		Nbf, Exp           int64
	}
	for i, into := range []any{&header, &claims} {
		raw, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil || json.Unmarshal(raw, into) != nil {
			return complain("assertion part %d is not JSON", i)
		}
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || header.Alg != "PS256" || header.Typ != "JWT" {
		return complain("header %+v, signature %v", header, err)
	}
	if claims.Aud != testEndpoint || claims.Iss != testClient || claims.Sub != testClient || claims.Jti == "" || e.jti[claims.Jti] {
		return complain("claims %+v", claims)
	}
	e.jti[claims.Jti] = true
	if span := claims.Exp - claims.Nbf; span <= 0 || span > 600 {
		return complain("valid for %d s", span)
	}
	if now := time.Now().Add(e.clock).Unix(); now < claims.Nbf || now >= claims.Exp {
		return 700024
	}
	public := e.registered[header.X5T]
	if public == nil {
		return e.refusal
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if rsa.VerifyPSS(public, crypto.SHA256, digest[:], signature, &rsa.PSSOptions{SaltLength: 32}) != nil {
		return 700027
	}
	return 0
}

// vault is a double of the certificate source.
type vault struct {
	mu    sync.Mutex
	certs []*tls.Certificate
	err   error
	hang  bool
	polls int
}

func (v *vault) set(err error, certs ...*tls.Certificate) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.certs, v.err = certs, err
}

func (v *vault) count() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.polls
}

func (v *vault) certificates(ctx context.Context) ([]*tls.Certificate, error) {
	v.mu.Lock()
	v.polls++
	hang, certs, err := v.hang, v.certs, v.err
	v.mu.Unlock()
	if hang {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return certs, err
}

// safeBuffer is a log that can be read while it is written.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// lines returns the number of log lines that contain all parts.
func (b *safeBuffer) lines(parts ...string) (n int) {
next:
	for line := range strings.Lines(b.String()) {
		for _, part := range parts {
			if !strings.Contains(line, part) {
				continue next
			}
		}
		n++
	}
	return n
}

// testKeeper is a keeper with doubles of Entra and of the certificate source.
type testKeeper struct {
	*Keeper
	t        testing.TB
	entra    *entra
	vault    *vault
	logs     *safeBuffer
	mu       sync.Mutex
	attempts []Attempt
	begun    time.Time
	stopRun  func()
}

func testConfig(e *entra) Config {
	authority, err := url.Parse(testIssuer)
	if err != nil {
		panic(err)
	}
	return Config{Authority: authority, TenantID: testTenant, ClientID: testClient, Resource: testResource, HTTPClient: &http.Client{Transport: e}}
}

// newTestKeeper makes a keeper that is not running. Its double of the
// certificate source returns certs, newest first. All these certificates are
// registered with the double of Entra.
func newTestKeeper(t testing.TB, certs ...*tls.Certificate) *testKeeper {
	t.Helper()
	w := &testKeeper{t: t, entra: newEntra(certs...), vault: &vault{certs: certs}, logs: &safeBuffer{}, begun: time.Now()}
	cfg := testConfig(w.entra)
	cfg.Certificates = w.vault.certificates
	cfg.Log = slog.New(slog.NewTextHandler(w.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	cfg.Attempted = func(a Attempt) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.attempts = append(w.attempts, a)
	}
	k, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.Keeper = k
	return w
}

// run starts the keeper. The method close stops it, and checks that Entra accepted
// the form of every request and that no secret is in the log or the status.
func (w *testKeeper) run() *testKeeper {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); w.Run(ctx) }()
	w.stopRun = sync.OnceFunc(func() { cancel(); <-done })
	return w
}

func (w *testKeeper) close() {
	w.stopRun()
	for _, c := range w.entra.complaints {
		w.t.Errorf("entra: %s", c)
	}
	shown := w.logs.String() + fmt.Sprintf("%+v %v", w.Status(), w.Status().Err)
	if strings.Contains(shown, "CANARY") {
		w.t.Error("log or status hold a token or a text of Entra's")
	}
	for _, assertion := range w.entra.assertions {
		if strings.Contains(shown, assertion) {
			w.t.Error("log or status hold an assertion")
		}
	}
	if w.t.Failed() {
		w.t.Logf("log:\n%s", w.logs)
	}
}

func (w *testKeeper) count(reason Reason) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.attempts {
		if a.Reason == reason {
			n++
		}
	}
	return n
}

// request does what the proxy does for one request.
func (w *testKeeper) request() error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	token, err := w.Token(ctx)
	if err == nil && !w.entra.valid(token) {
		return errors.New("Exchange refuses the token")
	}
	return err
}

// use makes a request every 10 s for the duration d. For each request that failed,
// it returns the time since w.begun.
func (w *testKeeper) use(d time.Duration) (failed []time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(10 * time.Second) {
		synctest.Wait()
		if at := time.Since(w.begun); w.request() != nil {
			failed = append(failed, at)
		}
	}
	return failed
}

// mustUse is like use, but fails the test if a request fails.
func (w *testKeeper) mustUse(d time.Duration) {
	w.t.Helper()
	if failed := w.use(d); len(failed) > 0 {
		w.t.Errorf("%d requests failed, from %v to %v", len(failed), failed[0], failed[len(failed)-1])
	}
}

// activeName returns the subject of the active certificate.
func (w *testKeeper) activeName() string {
	synctest.Wait()
	if a := w.Status().Active; a != nil {
		return a.Subject
	}
	return ""
}

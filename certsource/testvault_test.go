package certsource

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// These secrets may appear in requests only, never in errors or logs.
const (
	canarySecret = "canary-client-secret-Zq7"
	canaryToken  = "canary-access-token-Xw9"
)

const (
	vaultHost = "contoso.vault.azure.net"
	loginHost = "login.microsoftonline.com"
	tenant    = "11111111-2222-3333-4444-555555555555"
	app       = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
)

// testVault is a double of Key Vault and Entra ID that holds the certificate
// HMA-Cert. Requests and responses are as documented.
type testVault struct {
	t  *testing.T
	mu sync.Mutex

	versions  []*testVersion // newest first
	mayList   bool
	key       *rsa.PrivateKey // the vault's private key, which makes signatures
	secret    string          // client secret that Entra ID accepts
	challenge string          // value of WWW-Authenticate; "" means the usual value
	requests  []string
	log       bytes.Buffer

	// vault and entra replace the usual responses; nil means the usual
	// responses.
	vault, entra http.HandlerFunc
}

type testVersion struct {
	id, value, previous, kid string
	disabled                 bool
	created                  time.Time
}

func newTestVault(t *testing.T, versions ...*testVersion) *testVault {
	f := &testVault{t: t, versions: versions, secret: canarySecret}
	t.Cleanup(func() { noCanary(t, f.log.String()) })
	return f
}

func noCanary(t *testing.T, text string) {
	t.Helper()
	for _, s := range []string{canarySecret, canaryToken, "PRIVATE KEY", "MII"} {
		if strings.Contains(text, s) {
			t.Errorf("%q shows in: %s", s, text)
		}
	}
}

// config returns a configuration whose HTTP client calls the double directly.
// The client uses no sockets, because synctest does not support them.
func (f *testVault) config() KeyVaultConfig {
	return KeyVaultConfig{
		Vault: &url.URL{Scheme: "https", Host: vaultHost}, Name: "HMA-Cert",
		TenantID: tenant, ClientID: app, Secret: func() (string, error) { return canarySecret, nil },
		HTTPClient: &http.Client{Transport: inProcess{f}},
		Log:        slog.New(slog.NewTextHandler(&f.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
}

func (f *testVault) open(change ...func(*KeyVaultConfig)) *KeyVault {
	f.t.Helper()
	cfg := f.config()
	for _, c := range change {
		c(&cfg)
	}
	k, err := NewKeyVault(cfg)
	if err != nil {
		f.t.Fatal(err)
	}
	return k
}

// inProcess passes requests to a handler and honours their context.
type inProcess struct{ h http.Handler }

func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	p.h.ServeHTTP(w, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	resp := w.Result()
	resp.Request = r
	return resp, nil
}

func (f *testVault) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host := cmp.Or(r.Host, r.URL.Host) // a redirected request has only URL.Host
	f.mu.Lock()
	f.requests = append(f.requests, r.Method+" "+host+r.URL.Path)
	f.mu.Unlock()
	switch {
	case host == loginHost && f.entra != nil:
		f.entra(w, r)
	case host == loginHost:
		f.serveEntra(w, r)
	case r.Header.Get("Authorization") == "":
		challenge := f.challenge
		if challenge == "" {
			challenge = `Bearer authorization="https://` + loginHost + `/` + tenant + `", resource="https://vault.azure.net"`
		}
		w.Header().Set("WWW-Authenticate", challenge)
		w.WriteHeader(http.StatusUnauthorized)
	case r.Header.Get("Authorization") != "Bearer "+canaryToken:
		respond(w, 401, `{"error":{"code":"Unauthorized"}}`)
	case f.vault != nil:
		f.vault(w, r)
	default:
		f.serveVault(w, r)
	}
}

func (f *testVault) serveEntra(w http.ResponseWriter, r *http.Request) {
	if r.Method == "GET" {
		base := "https://" + loginHost + "/" + tenant
		respond(w, 200, fmt.Sprintf(`{"token_endpoint":"%s/oauth2/v2.0/token","authorization_endpoint":"%[1]s/a","issuer":"%[1]s/v2.0"}`, base))
		return
	}
	if r.FormValue("client_assertion") == "" && r.FormValue("client_secret") != f.secret {
		respond(w, 401, `{"error":"invalid_client","error_codes":[7000215],"error_description":"AADSTS7000215: Invalid client secret provided. `+canarySecret+`"}`)
		return
	}
	respond(w, 200, `{"token_type":"Bearer","expires_in":3599,"access_token":"`+canaryToken+`"}`)
}

func (f *testVault) serveVault(w http.ResponseWriter, r *http.Request) {
	path := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case len(path) == 3 && path[2] == "versions" && !f.mayList:
		refuse(w, "ForbiddenByRbac")
	case len(path) == 3 && path[2] == "versions":
		f.serveList(w)
	case path[0] == "secrets" && path[1] == "HMA-Cert":
		f.serveSecret(w, strings.Join(path[2:], ""))
	case r.Method == "POST" && path[0] == "keys" && path[3] == "sign":
		f.serveSign(w, r, path[2])
	default:
		respond(w, 404, `{"error":{"code":"SecretNotFound","message":"x"}}`)
	}
}

func (f *testVault) serveSecret(w http.ResponseWriter, id string) {
	for _, v := range f.versions {
		if id != "" && id != v.id {
			continue
		}
		if v.disabled {
			refuse(w, "SecretDisabled")
			return
		}
		out := map[string]any{"id": secretID(v.id), "value": v.value, "attributes": attributes(v)}
		if v.previous != "" {
			out["previousVersion"] = v.previous
		}
		if v.kid != "" {
			out["kid"] = v.kid
		}
		data, _ := json.Marshal(out)
		respond(w, 200, string(data))
		return
	}
	respond(w, 404, `{"error":{"code":"SecretNotFound","message":"x"}}`)
}

// serveList lists the versions in the order of their ids, like Key Vault, and
// not by age.
func (f *testVault) serveList(w http.ResponseWriter) {
	var list []any
	byID := slices.SortedFunc(slices.Values(f.versions), func(a, b *testVersion) int { return strings.Compare(a.id, b.id) })
	for _, v := range byID {
		list = append(list, map[string]any{"id": secretID(v.id), "attributes": attributes(v)})
	}
	data, _ := json.Marshal(map[string]any{"value": list})
	respond(w, 200, string(data))
}

func (f *testVault) serveSign(w http.ResponseWriter, r *http.Request, version string) {
	var in struct{ Alg, Value string }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || version != "key-of-v1" {
		respond(w, 404, `{"error":{"code":"KeyNotFound"}}`)
		return
	}
	digest, _ := base64.RawURLEncoding.DecodeString(in.Value)
	var sig []byte
	var err error
	if in.Alg == "PS256" {
		sig, err = rsa.SignPSS(rand.Reader, f.key, crypto.SHA256, digest, &rsa.PSSOptions{SaltLength: 32})
	} else {
		sig, err = rsa.SignPKCS1v15(nil, f.key, crypto.SHA256, digest)
	}
	if err != nil {
		respond(w, 400, `{"error":{"code":"BadParameter"}}`)
		return
	}
	respond(w, 200, `{"kid":"https://`+vaultHost+`/keys/HMA-Cert/`+version+`","value":"`+base64.RawURLEncoding.EncodeToString(sig)+`"}`)
}

func attributes(v *testVersion) map[string]any {
	return map[string]any{"enabled": !v.disabled, "created": v.created.Unix()}
}

func secretID(version string) string { return "https://" + vaultHost + "/secrets/HMA-Cert/" + version }

func respond(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body))
}

// refuse sends a 403 of Key Vault, with the reason in the inner error.
func refuse(w http.ResponseWriter, inner string) {
	respond(w, 403, `{"error":{"code":"Forbidden","message":"Caller is not authorized. `+canarySecret+`","innererror":{"code":"`+inner+`"}}}`)
}

// take returns the requests so far that contain part, and forgets all requests.
func (f *testVault) take(part string) (taken []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.requests {
		if strings.Contains(r, part) {
			taken = append(taken, r)
		}
	}
	f.requests = nil
	return taken
}

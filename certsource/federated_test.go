package certsource

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// federatedToken returns an unsigned token of a service account.
func federatedToken(t *testing.T, audience any, expires time.Time) string {
	t.Helper()
	claims, err := json.Marshal(map[string]any{"iss": "https://oidc.contoso.com", "sub": "system:serviceaccount:mail:hmaproxy", "aud": audience, "exp": expires.Unix()})
	if err != nil {
		t.Fatal(err)
	}
	return "e30." + base64.RawURLEncoding.EncodeToString(claims) + "." + canarySecret
}

func TestFederatedTokenFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	f, err := NewExperimentalFederated(ExperimentalFederatedConfig{Auth: AuthWorkload, TokenFile: path})
	if err != nil {
		t.Fatal(err)
	}
	hour := time.Now().Add(time.Hour)
	good := federatedToken(t, []string{"other", FederatedAudience}, hour)
	for _, tt := range []struct{ name, content, code string }{
		{"missing", "", CodeUnreadable},
		{"empty", " \n", CodeEmpty},
		{"a text", canarySecret, CodeNotAToken},
		{"three parts of text", "a." + canarySecret + ".c", CodeNotAToken},
		{"good", good + "\n", ""},
		{"renewed, one audience as text", federatedToken(t, FederatedAudience, hour.Add(time.Hour)), ""},
		{"expired", federatedToken(t, FederatedAudience, time.Now().Add(-time.Minute)), CodeTokenExpired},
		{"another audience", federatedToken(t, []string{"https://kubernetes.default.svc"}, hour), CodeTokenAudience},
		{"audience with a slash", federatedToken(t, FederatedAudience+"/", hour), CodeTokenAudience},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.name != "missing" {
				if err := os.WriteFile(path, []byte(tt.content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			got, err := f.Assertion(t.Context())
			var e *Error
			if tt.code == "" {
				if err != nil || got != strings.TrimSpace(tt.content) {
					t.Errorf("%q, %v", got, err)
				}
				return
			}
			if !errors.As(err, &e) || e.Code != tt.code || e.Remedy == "" || got != "" {
				t.Fatalf("%q, %v; want %s", got, err, tt.code)
			}
			noCanary(t, err.Error())
		})
	}
}

func TestFederatedManagedIdentity(t *testing.T) {
	token := federatedToken(t, FederatedAudience, time.Now().Add(time.Hour))
	for name, tt := range map[string]struct {
		identity string // different in each case, because the library caches tokens by identity as long as the process runs
		respond  http.HandlerFunc
		code     string
	}{
		"good": {"10000000-2222-4333-8444-555555555555", func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Metadata") != "true" || r.FormValue("resource") != FederatedAudience || r.FormValue("client_id") == "" {
				t.Errorf("request %s", r.URL)
			}
			respond(w, 200, `{"access_token":"`+token+`","expires_in":"3599","token_type":"Bearer"}`)
		}, ""},
		"no identity": {"20000000-2222-4333-8444-555555555555", func(w http.ResponseWriter, _ *http.Request) {
			respond(w, 400, `{"error":"invalid_request","error_description":"Identity not found `+canarySecret+`"}`)
		}, CodeNoCredential},
		"no token": {"30000000-2222-4333-8444-555555555555", func(w http.ResponseWriter, _ *http.Request) {
			respond(w, 200, `{"access_token":"`+canarySecret+`","expires_in":"3599","token_type":"Bearer"}`)
		}, CodeNotAToken},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, err := NewExperimentalFederated(ExperimentalFederatedConfig{Auth: AuthManaged, ClientID: tt.identity, HTTPClient: &http.Client{Transport: inProcess{tt.respond}}})
				if err != nil {
					t.Fatal(err)
				}
				got, err := f.Assertion(t.Context())
				var e *Error
				if tt.code == "" && (err != nil || got != token) {
					t.Errorf("%q, %v", got, err)
				}
				if tt.code != "" && (!errors.As(err, &e) || e.Code != tt.code || e.Remedy == "" || e.Name != tt.identity) {
					t.Errorf("%v, want %s", err, tt.code)
				}
				if err != nil {
					noCanary(t, err.Error())
				}
			})
		})
	}
}

func TestFederatedConfig(t *testing.T) {
	for name, cfg := range map[string]ExperimentalFederatedConfig{
		"nothing":          {},
		"no file":          {Auth: AuthWorkload},
		"by client secret": {Auth: AuthSecret, TokenFile: "x"},
	} {
		if _, err := NewExperimentalFederated(cfg); err == nil || !strings.HasPrefix(err.Error(), "certsource: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if f, err := NewExperimentalFederated(ExperimentalFederatedConfig{Auth: AuthManaged}); err != nil || f.managed == nil {
		t.Error(err)
	}
}

package emulator_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"hmaproxy/internal/emulator"
)

func TestEntraAcceptsEveryDocumentedHeader(t *testing.T) {
	e, client := start(t, emulator.Config{})
	cert := e.Certificate()
	sum := newAssertion(e, cert).header["x5t#S256"].(string)
	raw, err := base64.RawURLEncoding.DecodeString(sum)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ alg, key, value string }{
		"PS256, SHA-256, base64url":              {"PS256", "x5t#S256", sum},
		"PS256, SHA-256, standard base64 padded": {"PS256", "x5t#S256", base64.StdEncoding.EncodeToString(raw)},
		"RS256, SHA-1, base64url":                {"RS256", "x5t", base64.RawURLEncoding.EncodeToString(sha1Thumbprint(cert))},
		"RS256, SHA-1, standard base64 padded":   {"RS256", "x5t", base64.StdEncoding.EncodeToString(sha1Thumbprint(cert))},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAssertion(e, cert)
			a.alg = c.alg
			delete(a.header, "x5t#S256")
			a.header[c.key] = c.value
			got := postToken(t, client, tokenURL(e), assertionForm(e, a.sign(t)))
			if got.Status != http.StatusOK || got.Type != "Bearer" || got.ExpiresIn != 3599 || got.RefreshIn != 0 {
				t.Errorf("response: %+v", got)
			}
		})
	}
}

func TestEntraTokenClaims(t *testing.T) {
	e, client := start(t, emulator.Config{RefreshIn: true, TokenLifetime: 10 * time.Minute})
	got := postToken(t, client, tokenURL(e), assertionForm(e, newAssertion(e, e.Certificate()).sign(t)))
	if got.ExpiresIn != 599 || got.RefreshIn != 299 {
		t.Errorf("expires_in %d, refresh_in %d", got.ExpiresIn, got.RefreshIn)
	}
	claims := claimsOf(t, got.Token)
	tid := e.Config().TenantID
	for claim, want := range map[string]string{
		"aud": e.Resource(), "iss": "https://sts.windows.net/" + tid + "/", "tid": tid,
		"appid": e.Config().HMAAppID, "appidacr": "2", "ver": "1.0", "roles": "[full_access_as_app]",
	} {
		if got := fmt.Sprint(claims[claim]); got != want {
			t.Errorf("%s is %q, want %q", claim, got, want)
		}
	}
	left := time.Until(time.Unix(int64(claims["exp"].(float64)), 0))
	if left < 9*time.Minute || left > 10*time.Minute {
		t.Errorf("exp is %v ahead", left)
	}
	vault := postToken(t, client, tokenURL(e), secretForm(e))
	if c := claimsOf(t, vault.Token); c["aud"] != "https://vault.azure.net" || c["appidacr"] != "1" || c["roles"] != nil {
		t.Errorf("vault token: %v", c)
	}
}

// refusalCases are changes to a valid token request for Exchange. Entra refuses the
// changed request.
var refusalCases = map[string]struct {
	change func(t *testing.T, e *emulator.Emulator, a *assertion, form url.Values)
	after  func(e *emulator.Emulator, form url.Values) // called after the assertion was signed
	tenant string
	status int
	code   int
	oauth  string
}{
	"certificate not registered": {
		change: func(t *testing.T, e *emulator.Emulator, a *assertion, _ url.Values) {
			e.Entra().Unregister(e.Certificate())
		},
		status: 401, code: 700027, oauth: "invalid_client",
	},
	"registration that flaps": {
		change: func(t *testing.T, e *emulator.Emulator, a *assertion, _ url.Values) {
			e.Entra().RegisterWhile(e.Certificate(), func() bool { return false })
		},
		status: 401, code: 700027, oauth: "invalid_client",
	},
	"signed with another key": {
		change: func(t *testing.T, e *emulator.Emulator, a *assertion, _ url.Values) {
			a.key = newCert(t, emulator.CertOptions{Bits: 1024}).Key
		},
		status: 401, code: 700027, oauth: "invalid_client",
	},
	"algorithm changed after signing": {
		change: func(t *testing.T, _ *emulator.Emulator, a *assertion, _ url.Values) { a.alg = "none" },
		status: 401, code: 700027, oauth: "invalid_client",
	},
	"thumbprint missing": {
		change: func(_ *testing.T, _ *emulator.Emulator, a *assertion, _ url.Values) { delete(a.header, "x5t#S256") },
		status: 401, code: 50027, oauth: "invalid_client",
	},
	"not yet valid": {
		change: func(_ *testing.T, _ *emulator.Emulator, a *assertion, _ url.Values) {
			a.claims["nbf"] = time.Now().Add(time.Minute).Unix()
		},
		status: 401, code: 700024, oauth: "invalid_client",
	},
	"expired": {
		change: func(_ *testing.T, _ *emulator.Emulator, a *assertion, _ url.Values) {
			a.claims["exp"] = time.Now().Add(-time.Second).Unix()
		},
		status: 401, code: 700024, oauth: "invalid_client",
	},
	"without exp": {
		change: func(_ *testing.T, _ *emulator.Emulator, a *assertion, _ url.Values) { delete(a.claims, "exp") },
		status: 401, code: 700024, oauth: "invalid_client",
	},
	"Entra's clock is behind": {
		change: func(_ *testing.T, e *emulator.Emulator, _ *assertion, _ url.Values) {
			e.Entra().SetClockSkew(-2 * time.Minute)
		},
		status: 401, code: 700024, oauth: "invalid_client",
	},
	"wrong audience": {
		change: func(_ *testing.T, _ *emulator.Emulator, a *assertion, _ url.Values) {
			a.claims["aud"] = "https://login.example/token"
		},
		status: 401, code: 700023, oauth: "invalid_client",
	},
	"subject is another": {
		change: func(_ *testing.T, _ *emulator.Emulator, a *assertion, _ url.Values) { a.claims["sub"] = "someone" },
		status: 401, code: 700021, oauth: "invalid_client",
	},
	"without jti": {
		change: func(_ *testing.T, _ *emulator.Emulator, a *assertion, _ url.Values) { delete(a.claims, "jti") },
		status: 401, code: 50027, oauth: "invalid_client",
	},
	"certificate expired": {
		change: func(t *testing.T, e *emulator.Emulator, a *assertion, _ url.Values) {
			old := newCert(t, emulator.CertOptions{NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(-time.Hour)})
			e.Entra().Register(old)
			a.header = newAssertion(e, old).header
		},
		status: 401, code: 1000502, oauth: "invalid_client",
	},
	"no such tenant": {
		tenant: "11111111-2222-3333-4444-555555555555",
		status: 400, code: 90002, oauth: "invalid_request",
	},
	"common tenant": {tenant: "common", status: 400, code: 9001023, oauth: "invalid_request"},
	"no such application": {
		after:  func(_ *emulator.Emulator, form url.Values) { form.Set("client_id", "someone") },
		status: 400, code: 700016, oauth: "unauthorized_client",
	},
	"application removed": {
		change: func(_ *testing.T, e *emulator.Emulator, _ *assertion, _ url.Values) {
			e.Entra().RemoveApp(e.Config().HMAAppID)
		},
		status: 400, code: 700016, oauth: "unauthorized_client",
	},
	"application disabled": {
		change: func(_ *testing.T, e *emulator.Emulator, _ *assertion, _ url.Values) {
			e.Entra().Disable(e.Config().HMAAppID, true)
		},
		status: 400, code: 7000112, oauth: "unauthorized_client",
	},
	"conditional access": {
		change: func(_ *testing.T, e *emulator.Emulator, _ *assertion, _ url.Values) {
			e.Entra().Block(e.Config().HMAAppID, true)
		},
		status: 400, code: 53003, oauth: "invalid_grant",
	},
	"resource with a path": {
		after: func(e *emulator.Emulator, form url.Values) {
			form.Set("scope", e.Resource()+"/EWS/Exchange.asmx/.default")
		},
		status: 400, code: 500011, oauth: "invalid_resource",
	},
	"resource with a slash too many": {
		after:  func(e *emulator.Emulator, form url.Values) { form.Set("scope", e.Resource()+"//.default") },
		status: 400, code: 500011, oauth: "invalid_resource",
	},
	"resource not registered": {
		change: func(_ *testing.T, e *emulator.Emulator, _ *assertion, _ url.Values) {
			e.Entra().RemoveResource(e.Resource())
		},
		status: 400, code: 500011, oauth: "invalid_resource",
	},
	"role required": {
		change: func(_ *testing.T, e *emulator.Emulator, _ *assertion, _ url.Values) {
			e.Entra().AddResource(e.Resource(), true)
			e.Entra().Consent(e.Config().HMAAppID, e.Resource())
		},
		status: 400, code: 501051, oauth: "invalid_grant",
	},
	"scope without .default": {
		after:  func(e *emulator.Emulator, form url.Values) { form.Set("scope", e.Resource()+"/full_access_as_app") },
		status: 400, code: 1002012, oauth: "invalid_scope",
	},
	"two resources": {
		after: func(e *emulator.Emulator, form url.Values) {
			form.Set("scope", e.Resource()+"/.default https://vault.azure.net/.default")
		},
		status: 400, code: 700022, oauth: "invalid_scope",
	},
	"scope of OpenID only": {
		after:  func(_ *emulator.Emulator, form url.Values) { form.Set("scope", "openid profile") },
		status: 400, code: 70011, oauth: "invalid_scope",
	},
	"no scope": {
		after:  func(_ *emulator.Emulator, form url.Values) { form.Del("scope") },
		status: 400, code: 900144, oauth: "invalid_request",
	},
	"no credential": {
		after:  func(_ *emulator.Emulator, form url.Values) { form.Del("client_assertion") },
		status: 401, code: 7000218, oauth: "invalid_client",
	},
	"other grant": {
		after:  func(_ *emulator.Emulator, form url.Values) { form.Set("grant_type", "password") },
		status: 400, code: 70003, oauth: "unsupported_grant_type",
	},
	"wrong secret": {
		after: func(e *emulator.Emulator, form url.Values) {
			form.Del("client_assertion")
			form.Set("client_secret", "no")
		},
		status: 401, code: 7000215, oauth: "invalid_client",
	},
	"expired secret": {
		after: func(e *emulator.Emulator, form url.Values) {
			e.Entra().AddSecret(e.Config().HMAAppID, "old", time.Now().Add(-time.Hour))
			form.Del("client_assertion")
			form.Set("client_secret", "old")
		},
		status: 401, code: 7000222, oauth: "invalid_client",
	},
	"transient, on order": {
		change: func(_ *testing.T, e *emulator.Emulator, _ *assertion, _ url.Values) {
			e.Entra().Inject(1, emulator.Fault{AADSTS: 90033})
		},
		status: 503, code: 90033, oauth: "temporarily_unavailable",
	},
}

func TestEntraRefuses(t *testing.T) {
	for name, c := range refusalCases {
		t.Run(name, func(t *testing.T) {
			e, client := start(t, emulator.Config{})
			a, form := newAssertion(e, e.Certificate()), url.Values{}
			if c.change != nil {
				c.change(t, e, a, form)
			}
			form = assertionForm(e, a.sign(t))
			if c.after != nil {
				c.after(e, form)
			}
			target := tokenURL(e)
			if c.tenant != "" {
				target = strings.Replace(target, e.Config().TenantID, c.tenant, 1)
			}
			got := postToken(t, client, target, form)
			if got.Status != c.status || got.Error != c.oauth || !slices.Equal(got.Codes, []int{c.code}) || got.Token != "" {
				t.Fatalf("response: %+v", got)
			}
			text := regexp.MustCompile(`^AADSTS` + fmt.Sprint(c.code) + `: .+ Trace ID: [0-9a-f-]{36} Correlation ID: [0-9a-f-]{36} Timestamp: \d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ$`)
			if !text.MatchString(got.Description) {
				t.Errorf("description: %s", got.Description)
			}
			if hop := e.Entra().LastHop(); hop.AADSTS != c.code || hop.Status != c.status {
				t.Errorf("hop: %+v", hop)
			}
		})
	}
}

func TestEntraRefusesAnAssertionItHasSeen(t *testing.T) {
	e, client := start(t, emulator.Config{})
	form := assertionForm(e, newAssertion(e, e.Certificate()).sign(t))
	if got := postToken(t, client, tokenURL(e), form); got.Status != http.StatusOK {
		t.Fatalf("first: %+v", got)
	}
	if got := postToken(t, client, tokenURL(e), form); got.Status != http.StatusUnauthorized || !slices.Equal(got.Codes, []int{50027}) {
		t.Errorf("second: %+v", got)
	}
}

func TestEntraResourceWithASlash(t *testing.T) {
	e, client := start(t, emulator.Config{Resource: "https://mail.contoso.com/"})
	got := postToken(t, client, tokenURL(e), assertionForm(e, newAssertion(e, e.Certificate()).sign(t)))
	if got.Status != http.StatusOK || claimsOf(t, got.Token)["aud"] != "https://mail.contoso.com/" {
		t.Errorf("response: %+v", got)
	}
}

func TestEntraDiscovery(t *testing.T) {
	e, client := start(t, emulator.Config{})
	resp, err := client.Get(e.Entra().URL() + "/" + e.Config().TenantID + "/v2.0/.well-known/openid-configuration")
	if err != nil {
		t.Fatal(err)
	}
	body := string(readAll(t, resp))
	if got := between(t, body, `"token_endpoint":"`, `"`); got != tokenURL(e) {
		t.Errorf("token endpoint %q", got)
	}
	if got := between(t, body, `"issuer":"`, `"`); got != e.Entra().URL()+"/"+e.Config().TenantID+"/v2.0" {
		t.Errorf("issuer %q", got)
	}
	resp, err = client.Get(between(t, body, `"jwks_uri":"`, `"`))
	if err != nil {
		t.Fatal(err)
	}
	if keys := string(readAll(t, resp)); !strings.Contains(keys, `"kty":"RSA"`) {
		t.Errorf("keys: %s", keys)
	}
}

func TestEntraDateFollowsItsClock(t *testing.T) {
	e, client := start(t, emulator.Config{})
	e.Entra().SetClockSkew(-time.Hour)
	resp, err := client.Get(e.Entra().URL() + "/common/discovery/instance")
	if err != nil {
		t.Fatal(err)
	}
	readAll(t, resp)
	date, err := http.ParseTime(resp.Header.Get("Date"))
	if off := time.Since(date); err != nil || off < 59*time.Minute || off > 61*time.Minute {
		t.Errorf("Date is %v behind, %v", off, err)
	}
}

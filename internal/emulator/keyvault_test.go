package emulator_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"hmaproxy/internal/emulator"
)

// A vaultClient sends requests with a token of the application that may read the
// vault.
type vaultClient struct {
	t      *testing.T
	e      *emulator.Emulator
	client *http.Client
	token  string
}

func newVaultClient(t *testing.T, c emulator.Config) *vaultClient {
	e, client := start(t, c)
	return &vaultClient{t, e, client, postToken(t, client, tokenURL(e), secretForm(e)).Token}
}

// A vaultResponse is a response of the vault: a secret or an error.
type vaultResponse struct {
	status          int
	challenge       string
	ID              string
	Value           json.RawMessage
	ContentType     string
	KID             string
	PreviousVersion string
	Attributes      struct {
		Enabled  bool
		Nbf, Exp int64
	}
	Cer   string
	Error struct {
		Code, Message string
		InnerError    struct{ Code string }
	}
}

func (v *vaultClient) get(path string) vaultResponse {
	v.t.Helper()
	req, err := http.NewRequestWithContext(v.t.Context(), "GET", v.e.KeyVault().URL()+path+"?api-version=7.4", nil)
	if err != nil {
		v.t.Fatal(err)
	}
	if v.token != "" {
		req.Header.Set("Authorization", "Bearer "+v.token)
	}
	resp, err := v.client.Do(req)
	if err != nil {
		v.t.Fatal(err)
	}
	a := vaultResponse{status: resp.StatusCode, challenge: resp.Header.Get("WWW-Authenticate")}
	if err := json.Unmarshal(readAll(v.t, resp), &a); err != nil {
		v.t.Fatal(err)
	}
	return a
}

func TestVaultChallenges(t *testing.T) {
	v := newVaultClient(t, emulator.Config{})
	good := v.token
	exchange, err := v.e.Entra().Grant(v.e.Resource())
	if err != nil {
		t.Fatal(err)
	}
	edited := func(claim string, value any) string {
		v.e.Entra().EditClaims(set(claim, value))
		defer v.e.Entra().EditClaims(nil)
		return postToken(t, v.client, tokenURL(v.e), secretForm(v.e)).Token
	}
	want := `Bearer authorization="` + v.e.Entra().URL() + "/" + v.e.Config().TenantID + `", resource="https://vault.azure.net"`
	for name, c := range map[string]struct{ token, code string }{
		"no token":            {"", "AKV10000"},
		"not a token":         {"x.y.z", "AKV10046"},
		"signature broken":    {good[:len(good)-8] + "AAAAAAAA", "AKV10046"},
		"a token of Exchange": {exchange, "AKV10022"},
		"another issuer's":    {edited("iss", "https://sts.windows.net/else/"), "AKV10032"},
		"expired":             {edited("exp", 1), "AKV10050"},
	} {
		t.Run(name, func(t *testing.T) {
			v.token = c.token
			got := v.get("/secrets/HMA-Cert")
			if got.status != http.StatusUnauthorized || got.challenge != want || !strings.HasPrefix(got.Error.Message, c.code) {
				t.Errorf("response: %+v", got)
			}
		})
	}
	v.e.KeyVault().Inject(1, emulator.Fault{NoTenantInChallenge: true})
	v.token = ""
	if got := v.get("/secrets/HMA-Cert"); got.challenge != `Bearer authorization="`+v.e.Entra().URL()+`", resource="https://vault.azure.net"` {
		t.Errorf("challenge without a tenant: %s", got.challenge)
	}
}

func TestVaultRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change      func(k *emulator.KeyVault, app string)
		path        string
		status      int
		code, inner string
	}{
		"missing":          {func(k *emulator.KeyVault, _ string) { k.Delete("HMA-Cert") }, "/secrets/HMA-Cert", 404, "SecretNotFound", ""},
		"missing version":  {nil, "/secrets/HMA-Cert/0123", 404, "SecretNotFound", ""},
		"no certificate":   {nil, "/certificates/other", 404, "CertificateNotFound", ""},
		"newest disabled":  {func(k *emulator.KeyVault, _ string) { k.Disable(k.Versions("HMA-Cert")[0]) }, "/secrets/HMA-Cert", 403, "Forbidden", "SecretDisabled"},
		"access policy":    {func(k *emulator.KeyVault, app string) { k.Permit(app) }, "/secrets/HMA-Cert", 403, "Forbidden", "ForbiddenByPolicy"},
		"no list":          {func(k *emulator.KeyVault, app string) { k.Permit(app, emulator.GetSecrets) }, "/secrets/HMA-Cert/versions", 403, "Forbidden", "ForbiddenByPolicy"},
		"role assignments": {func(k *emulator.KeyVault, app string) { k.Permit(app); k.SetRBAC(true) }, "/secrets/HMA-Cert", 403, "Forbidden", "ForbiddenByRbac"},
		"firewall":         {func(k *emulator.KeyVault, _ string) { k.SetFirewall(true) }, "/secrets/HMA-Cert", 403, "Forbidden", "ForbiddenByFirewall"},
		"unknown path":     {nil, "/storage/x", 404, "NotFound", ""},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVaultClient(t, emulator.Config{})
			if c.change != nil {
				c.change(v.e.KeyVault(), v.e.Config().VaultAppID)
			}
			got := v.get(c.path)
			if got.status != c.status || got.Error.Code != c.code || got.Error.InnerError.Code != c.inner {
				t.Errorf("response: %+v", got)
			}
		})
	}
}

func TestVaultVersions(t *testing.T) {
	v := newVaultClient(t, emulator.Config{})
	k := v.e.KeyVault()
	first := k.Versions("HMA-Cert")[0]
	second := k.Upload("HMA-Cert", newCert(t, emulator.CertOptions{Format: emulator.PEM}))
	got := v.get("/secrets/hma-cert/")
	if got.ID != v.e.KeyVault().URL()+"/secrets/HMA-Cert/"+second || got.ContentType != "application/x-pem-file" || got.PreviousVersion != "" {
		t.Errorf("newest: %+v", got)
	}
	if got.KID != v.e.KeyVault().URL()+"/keys/HMA-Cert/"+second || !got.Attributes.Enabled || got.Attributes.Exp <= got.Attributes.Nbf {
		t.Errorf("newest: %+v", got)
	}
	k.SetPreviousVersion(true)
	if got := v.get("/secrets/HMA-Cert"); got.PreviousVersion != first {
		t.Errorf("previous version %q, want %q", got.PreviousVersion, first)
	}
	if got := v.get("/secrets/HMA-Cert/" + first); got.ContentType != "application/x-pkcs12" || got.PreviousVersion != "" {
		t.Errorf("first: %+v", got)
	}
	list := string(v.get("/secrets/HMA-Cert/versions").Value)
	if !strings.Contains(list, first) || !strings.Contains(list, second) || strings.Contains(list, `"value"`) {
		t.Errorf("list: %s", list)
	}
}

func TestVaultSecretWithoutContentType(t *testing.T) {
	v := newVaultClient(t, emulator.Config{})
	v.e.KeyVault().Upload("plain", newCert(t, emulator.CertOptions{Format: emulator.PEMUnlabeled}))
	if got := v.get("/secrets/plain"); got.ContentType != "" || !strings.Contains(string(got.Value), "BEGIN PRIVATE KEY") {
		t.Errorf("response: %+v", got)
	}
	v.e.KeyVault().PutSecret("text", "hello", "text/plain")
	if got := v.get("/secrets/text"); string(got.Value) != `"hello"` || got.ContentType != "text/plain" {
		t.Errorf("response: %+v", got)
	}
}

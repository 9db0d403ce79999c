package keyvault_test

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
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hmaproxy/internal/emulator/jwt"
	"hmaproxy/internal/emulator/keyvault"
	"hmaproxy/internal/emulator/pki"
	"hmaproxy/internal/emulator/service"
)

const (
	tenantID  = "0f3c9a52-6b1d-4b7e-9d0e-2f6a1c5b8e47"
	reader    = "reader"
	vaultURL  = "https://contoso.vault.azure.net"
	authority = "https://login.microsoftonline.com"
	version   = "?api-version=7.4"
)

var key = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

// An issuer is an identity provider with one key.
type issuer struct{}

func (issuer) URL() string { return authority }

func (issuer) SigningKeys() []jwt.Key {
	return []jwt.Key{{ID: "1", Public: &key().PublicKey}}
}

// A vault is an emulated vault with one certificate.
type vault struct {
	*keyvault.KeyVault
	t    *testing.T
	cert *pki.Certificate
	id   string // identifier of the certificate's version
}

func newTestVault(t *testing.T) *vault {
	cert, err := pki.New(pki.Options{Key: key()})
	if err != nil {
		t.Fatal(err)
	}
	k := keyvault.New(keyvault.Config{TenantID: tenantID, Issuer: issuer{}, AppID: reader}, service.Config{Lifetime: service.NewLifetime()})
	return &vault{k, t, cert, k.Upload("HMA-Cert", cert)}
}

// token returns a token of the application. edit changes the claims before the
// token is signed; nil changes nothing.
func (v *vault) token(edit func(claims map[string]any)) string {
	v.t.Helper()
	claims := map[string]any{
		"aud": "https://vault.azure.net", "iss": "https://sts.windows.net/" + tenantID + "/", "appid": reader,
		"nbf": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
	}
	if edit != nil {
		edit(claims)
	}
	token, err := jwt.Sign(key(), map[string]any{"alg": "RS256", "kid": "1"}, claims)
	if err != nil {
		v.t.Fatal(err)
	}
	return token
}

// A reply holds those parts of a secret, a certificate, a signature or an error
// of the vault that the tests compare.
type reply struct {
	status      int
	challenge   string
	ID, KID     string
	Value       string
	ContentType string
	Cer         string
	Error       struct {
		Code, Message string
		InnerError    struct{ Code string }
	}
}

// outcome returns the status, and the codes of an error.
func (r reply) outcome() string {
	return strings.TrimSpace(fmt.Sprintln(r.status, r.Error.Code, r.Error.InnerError.Code))
}

func (v *vault) send(method, path, token, body string) reply {
	v.t.Helper()
	r := httptest.NewRequest(method, vaultURL+path, strings.NewReader(body))
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	v.ServeHTTP(w, r)
	a := reply{status: w.Code, challenge: w.Header().Get("WWW-Authenticate")}
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		v.t.Fatalf("%v: %s", err, w.Body)
	}
	return a
}

// TestTokens tests both sides of each rule about the caller's token. A refusal is
// a challenge that names the tenant's authority and the resource.
func TestTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newTestVault(t)
		now := time.Now().Unix()
		set := func(claim string, value any) string {
			return v.token(func(claims map[string]any) { claims[claim] = value })
		}
		const challenge = `Bearer authorization="` + authority + `/` + tenantID + `", resource="https://vault.azure.net"`
		for name, c := range map[string]struct{ token, code string }{ // code is "" if the vault accepts the token
			"valid":                {v.token(nil), ""},
			"no token":             {"", "AKV10000"},
			"not a token":          {"x", "AKV10046"},
			"changed signature":    {v.token(nil)[:400] + "AAAA", "AKV10046"},
			"audience with slash":  {set("aud", "https://vault.azure.net/"), "AKV10022"},
			"audience is Exchange": {set("aud", "https://mail.contoso.com"), "AKV10022"},
			"issuer of version 2":  {set("iss", authority+"/"+tenantID+"/v2.0"), "AKV10032"},
			"valid from now on":    {set("nbf", now), ""},
			"valid in a second":    {set("nbf", now+1), "AKV10050"},
			"valid for a second":   {set("exp", now+1), ""},
			"valid until now":      {set("exp", now), "AKV10050"},
		} {
			got := v.send(http.MethodGet, "/secrets/HMA-Cert"+version, c.token, "")
			if c.code == "" {
				if got.outcome() != "200" || got.challenge != "" {
					t.Errorf("%s: %+v", name, got)
				}
				continue
			}
			if got.outcome() != "401 Unauthorized" || got.challenge != challenge || !strings.HasPrefix(got.Error.Message, c.code+":") {
				t.Errorf("%s: %+v", name, got)
			}
		}
	})
}

// TestPermissions checks that each operation needs its own permission and no
// other permission.
func TestPermissions(t *testing.T) {
	all := []keyvault.Permission{keyvault.GetSecrets, keyvault.ListSecrets, keyvault.GetCertificates, keyvault.SignKeys}
	digest := sha256.Sum256(nil)
	for needed, c := range map[keyvault.Permission]struct{ method, path, body string }{
		keyvault.GetSecrets:      {http.MethodGet, "/secrets/HMA-Cert", ""},
		keyvault.ListSecrets:     {http.MethodGet, "/secrets/HMA-Cert/versions", ""},
		keyvault.GetCertificates: {http.MethodGet, "/certificates/HMA-Cert", ""},
		keyvault.SignKeys:        {http.MethodPost, "/keys/HMA-Cert/ID/sign", `{"alg":"RS256","value":"` + base64.RawURLEncoding.EncodeToString(digest[:]) + `"}`},
	} {
		v := newTestVault(t)
		send := func() string {
			r := httptest.NewRequest(c.method, vaultURL+strings.Replace(c.path, "ID", v.id, 1)+version, strings.NewReader(c.body))
			r.Header.Set("Authorization", "Bearer "+v.token(nil))
			w := httptest.NewRecorder()
			v.ServeHTTP(w, r)
			_, inner, _ := strings.Cut(w.Body.String(), `"innererror":{"code":"`)
			inner, _, _ = strings.Cut(inner, `"`)
			return strings.TrimSpace(fmt.Sprintln(w.Code, inner))
		}
		for _, p := range all {
			v.Permit(reader, p)
			want := "403 ForbiddenByPolicy"
			if p == needed {
				want = "200"
			}
			if got := send(); got != want {
				t.Errorf("%s with %s: %s, want %s", c.path, p, got, want)
			}
		}
		v.Permit(reader)
		v.SetRBAC(true)
		if got := send(); got != "403 ForbiddenByRbac" {
			t.Errorf("%s without a role: %s", c.path, got)
		}
		v.Permit(reader, all...)
		v.SetFirewall(true)
		if got := send(); got != "403 ForbiddenByFirewall" {
			t.Errorf("%s behind the firewall: %s", c.path, got)
		}
	}
}

// TestRequests checks the vault's responses to well-formed and malformed
// requests.
func TestRequests(t *testing.T) {
	for name, c := range map[string]struct{ method, path, want string }{
		"newest version":          {http.MethodGet, "/secrets/HMA-Cert" + version, "200"},
		"slash at the end":        {http.MethodGet, "/secrets/HMA-Cert/" + version, "200"},
		"name in another case":    {http.MethodGet, "/secrets/hma-cert" + version, "200"},
		"a version":               {http.MethodGet, "/secrets/HMA-Cert/ID" + version, "200"},
		"no api-version":          {http.MethodGet, "/secrets/HMA-Cert", "400 BadParameter"},
		"unknown name":            {http.MethodGet, "/secrets/other" + version, "404 SecretNotFound"},
		"unknown version":         {http.MethodGet, "/secrets/HMA-Cert/0" + version, "404 SecretNotFound"},
		"certificate":             {http.MethodGet, "/certificates/HMA-Cert/ID" + version, "200"},
		"certificate of a secret": {http.MethodGet, "/certificates/text" + version, "404 CertificateNotFound"},
		"key of a secret":         {http.MethodPost, "/keys/text/1/sign" + version, "404 KeyNotFound"},
		"POST to a secret":        {http.MethodPost, "/secrets/HMA-Cert" + version, "404 NotFound"},
		"another operation":       {http.MethodPost, "/keys/HMA-Cert/ID/decrypt" + version, "404 NotFound"},
		"another collection":      {http.MethodGet, "/storage/HMA-Cert" + version, "404 NotFound"},
	} {
		v := newTestVault(t)
		v.PutSecret("text", "hello", "text/plain")
		if got := v.send(c.method, strings.Replace(c.path, "ID", v.id, 1), v.token(nil), ""); got.outcome() != c.want {
			t.Errorf("%s: %s, want %s", name, got.outcome(), c.want)
		}
	}
}

// TestSecretOfACertificate compares a certificate's secret with the documented
// form. It also reads the secret as PEM, which the vault makes from PFX.
func TestSecretOfACertificate(t *testing.T) {
	v := newTestVault(t)
	got := v.send(http.MethodGet, "/secrets/HMA-Cert"+version, v.token(nil), "")
	if got.ID != vaultURL+"/secrets/HMA-Cert/"+v.id || got.KID != vaultURL+"/keys/HMA-Cert/"+v.id || got.ContentType != "application/x-pkcs12" {
		t.Errorf("secret: %+v", got)
	}
	if der, err := base64.StdEncoding.DecodeString(got.Value); err != nil || len(der) == 0 || der[0] != 0x30 {
		t.Errorf("the value is not DER in base64: %v", err)
	}
	got = v.send(http.MethodGet, "/secrets/HMA-Cert"+version+"&outContentType=application/x-pem-file", v.token(nil), "")
	if got.ContentType != "application/x-pem-file" || !strings.Contains(got.Value, "-----BEGIN PRIVATE KEY-----") || !strings.Contains(got.Value, "-----BEGIN CERTIFICATE-----") {
		t.Errorf("as PEM: %+v", got)
	}
	got = v.send(http.MethodGet, "/certificates/HMA-Cert"+version, v.token(nil), "")
	if got.ID != vaultURL+"/certificates/HMA-Cert/"+v.id || got.Cer != base64.StdEncoding.EncodeToString(v.cert.Leaf.Raw) || got.Value != "" {
		t.Errorf("certificate: %+v", got)
	}
	v.Disable(v.id)
	if got := v.send(http.MethodGet, "/secrets/HMA-Cert"+version, v.token(nil), ""); got.outcome() != "403 Forbidden SecretDisabled" {
		t.Errorf("disabled: %+v", got)
	}
	v.SetEnabled(v.id, true)
	if got := v.send(http.MethodGet, "/secrets/HMA-Cert"+version, v.token(nil), ""); got.outcome() != "200" {
		t.Errorf("enabled again: %+v", got)
	}
}

// TestSign verifies signatures with the certificate, and sends requests that the
// vault must refuse. The digest is base64url (RFC 7518, section 3.3 and 3.5).
func TestSign(t *testing.T) {
	v := newTestVault(t)
	digest := sha256.Sum256([]byte("header.claims"))
	public := v.cert.Leaf.PublicKey.(*rsa.PublicKey)
	request := func(alg string, digest []byte) string {
		return `{"alg":"` + alg + `","value":"` + base64.RawURLEncoding.EncodeToString(digest) + `"}`
	}
	sign := func(body string) reply {
		return v.send(http.MethodPost, "/keys/HMA-Cert/"+v.id+"/sign"+version, v.token(nil), body)
	}
	for alg, verify := range map[string]func(sig []byte) error{
		"RS256": func(sig []byte) error { return rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], sig) },
		"PS256": func(sig []byte) error {
			return rsa.VerifyPSS(public, crypto.SHA256, digest[:], sig, &rsa.PSSOptions{SaltLength: sha256.Size})
		},
	} {
		got := sign(request(alg, digest[:]))
		sig, err := base64.RawURLEncoding.DecodeString(got.Value)
		if err != nil || got.outcome() != "200" || got.KID != vaultURL+"/keys/HMA-Cert/"+v.id {
			t.Fatalf("%s: %+v, %v", alg, got, err)
		}
		if err := verify(sig); err != nil {
			t.Errorf("%s: %v", alg, err)
		}
	}
	for name, body := range map[string]string{
		"no JSON":               "x",
		"no algorithm":          request("", digest[:]),
		"algorithm of EC keys":  request("ES256", digest[:]),
		"digest of 31 bytes":    request("RS256", digest[:31]),
		"digest of SHA-384":     request("RS256", make([]byte, 48)),
		"digest not in base64":  `{"alg":"RS256","value":"#"}`,
		"digest in hexadecimal": `{"alg":"RS256","value":"` + fmt.Sprintf("%x", digest) + `"}`,
	} {
		if got := sign(body); got.outcome() != "400 BadParameter" || got.Value != "" {
			t.Errorf("%s: %+v", name, got)
		}
	}
	v.Disable(v.id)
	if got := sign(request("RS256", digest[:])); got.outcome() != "403 Forbidden KeyDisabled" {
		t.Errorf("disabled: %+v", got)
	}
}

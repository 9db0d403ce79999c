package emulator_test

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"hmaproxy/internal/emulator"
)

func TestServeOnACallersListener(t *testing.T) {
	e, err := emulator.New(emulator.Config{Cert: newCert(t, emulator.CertOptions{})})
	if err != nil {
		t.Fatal(err)
	}
	config, err := e.TLSConfig("login.example")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- e.Entra().Serve(tls.NewListener(l, config)) }()
	transport := e.Transport()
	transport.DialContext = nil
	transport.TLSClientConfig.ServerName = "login.example"
	client := &http.Client{Transport: transport}
	defer client.CloseIdleConnections()
	resp, err := client.Get("https://" + l.Addr().String() + "/common/discovery/instance")
	if err != nil {
		t.Fatal(err)
	}
	if body := string(readAll(t, resp)); !strings.Contains(body, l.Addr().String()) {
		t.Errorf("Entra names another host: %s", body)
	}
	e.Close()
	if err := <-ended; err != http.ErrServerClosed {
		t.Errorf("Serve: %v", err)
	}
}

func TestStrictAffinity(t *testing.T) {
	x := newEWS(t, emulator.Config{})
	x.e.Exchange().SetStrictAffinity(true)
	seen := map[string]int{}
	for range 4 {
		x.call(getInbox)
		seen[x.e.Exchange().LastHop().BackEnd]++
	}
	if seen["EX01"] != 2 || seen["EX02"] != 2 {
		t.Errorf("back ends: %v", seen)
	}
}

func TestTokenLifetimeAndRefreshIn(t *testing.T) {
	e, client := start(t, emulator.Config{})
	e.Entra().SetTokenLifetime(24 * time.Hour)
	e.Entra().SetRefreshIn(true)
	if got := postToken(t, client, tokenURL(e), secretForm(e)); got.ExpiresIn != 86399 || got.RefreshIn != 43199 {
		t.Errorf("response: %+v", got)
	}
	e.Entra().RemoveSecret(e.Config().VaultAppID, e.Config().VaultSecret)
	if got := postToken(t, client, tokenURL(e), secretForm(e)); got.Status != http.StatusUnauthorized {
		t.Errorf("with the secret removed: %+v", got)
	}
	if e.Entra().Issued() != 1 {
		t.Errorf("%d tokens", e.Entra().Issued())
	}
}

func TestTokenWithoutConsentHasNoRoles(t *testing.T) {
	e, client := start(t, emulator.Config{})
	e.Entra().Consent(e.Config().HMAAppID, e.Resource())
	if claims := claimsOf(t, hmaToken(t, e, client)); claims["roles"] != nil {
		t.Errorf("roles: %v", claims["roles"])
	}
}

func TestVaultCertificate(t *testing.T) {
	v := newVaultClient(t, emulator.Config{})
	cert := newCert(t, emulator.CertOptions{NonExportable: true, Format: emulator.PEM})
	version := v.e.KeyVault().Upload("HMA-Cert", cert)
	got := v.get("/certificates/HMA-Cert/" + version)
	if got.Cer != base64.StdEncoding.EncodeToString(cert.Leaf.Raw) || got.KID != v.e.KeyVault().URL()+"/keys/HMA-Cert/"+version {
		t.Errorf("response: %+v", got)
	}
	if secret := v.get("/secrets/HMA-Cert"); strings.Contains(string(secret.Value), "PRIVATE") || !strings.Contains(string(secret.Value), "CERTIFICATE") {
		t.Errorf("the secret of a non-exportable certificate: %s", secret.Value)
	}
}

func TestVaultSigns(t *testing.T) {
	v := newVaultClient(t, emulator.Config{})
	version := v.e.KeyVault().Versions("HMA-Cert")[0]
	digest := sha256.Sum256([]byte("text"))
	good := base64.RawURLEncoding.EncodeToString(digest[:])
	for name, c := range map[string]struct {
		body   string
		change func(k *emulator.KeyVault)
		status int
	}{
		"good":          {body: `{"alg":"RS256","value":"` + good + `"}`, status: 200},
		"algorithm":     {body: `{"alg":"ES256","value":"` + good + `"}`, status: 400},
		"short digest":  {body: `{"alg":"RS256","value":"AAAA"}`, status: 400},
		"no JSON":       {body: `?`, status: 400},
		"disabled":      {body: `{"alg":"RS256","value":"` + good + `"}`, change: func(k *emulator.KeyVault) { k.Disable(version) }, status: 403},
		"not permitted": {body: `{}`, change: func(k *emulator.KeyVault) { k.Permit(v.e.Config().VaultAppID, emulator.GetSecrets) }, status: 403},
	} {
		t.Run(name, func(t *testing.T) {
			if c.change != nil {
				c.change(v.e.KeyVault())
				defer v.e.KeyVault().SetEnabled(version, true)
				defer v.e.KeyVault().Permit(v.e.Config().VaultAppID, emulator.SignKeys)
			}
			req, err := http.NewRequestWithContext(t.Context(), "POST", v.e.KeyVault().URL()+"/keys/HMA-Cert/"+version+"/sign?api-version=7.4", bytes.NewReader([]byte(c.body)))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+v.token)
			resp, err := v.client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body := readAll(t, resp)
			if resp.StatusCode != c.status {
				t.Fatalf("status %d: %s", resp.StatusCode, body)
			}
			if c.status != http.StatusOK {
				return
			}
			var got struct{ Value string }
			if err := json.Unmarshal(body, &got); err != nil {
				t.Fatal(err)
			}
			sig, err := base64.RawURLEncoding.DecodeString(got.Value)
			if err != nil {
				t.Fatal(err)
			}
			if err := rsa.VerifyPKCS1v15(v.e.Certificate().Leaf.PublicKey.(*rsa.PublicKey), crypto.SHA256, digest[:], sig); err != nil {
				t.Error(err)
			}
		})
	}
}

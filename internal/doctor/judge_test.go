package doctor

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"hmaproxy/internal/config"
)

// testFacts returns the facts of a set-up that nothing was gathered for.
func testFacts(t *testing.T, environ ...string) *facts {
	t.Helper()
	c, err := config.Load(append([]string{
		"HMA_EWS_URL=https://mail.contoso.com/EWS/Exchange.asmx",
		"HMA_TENANT_ID=0f3c9a52-6b1d-4b7e-9d0e-2f6a1c5b8e47",
		"HMA_APP_ID=6a1de0b4-41c7-4c2f-8f5d-93f0b7a2d611",
		"HMA_KEY_VAULT_URI=https://contoso.vault.azure.net",
		"HMA_KEY_VAULT_CERT_NAME=HMA-Cert",
		"HMA_KEY_VAULT_APP_ID=b87c2d35-0e94-4f6a-a1c8-5d7e3b9f0a26",
		"HMA_KEY_VAULT_CLIENT_SECRET=Kv8~canary-client-secret-7f3a",
	}, environ...), nil)
	if err != nil {
		t.Fatal(err)
	}
	return newFacts(Options{Config: c})
}

// Go's TLS server cannot ask for renegotiation. The error is the one that the
// product's transport returns then.
func TestRenegotiation(t *testing.T) {
	f := testFacts(t)
	u, err := url.Parse("https://mail.contoso.com/EWS/Exchange.asmx")
	if err != nil {
		t.Fatal(err)
	}
	r := judgeFailure(f, connection{
		target:    target{url: u, variable: "HMA_EWS_URL", exchange: true},
		route:     route{connected: true},
		handshake: handshake{begun: true, version: 0x0303, asked: true},
		err:       errors.New("upstream: local error: tls: no renegotiation"),
	})
	if !strings.Contains(r.Detail, "asks for TLS renegotiation") || !strings.Contains(r.Cause, "client certificate by renegotiation") || !strings.Contains(strings.Join(r.Repair, " "), "SSL Settings") {
		t.Errorf("got %+v", r)
	}
}

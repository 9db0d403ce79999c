package doctor_test

import (
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"strings"
	"testing"
	"time"

	"hmaproxy/internal/emulator"
)

func TestWrongSigning(t *testing.T) {
	sign := func(f emulator.Fault) func(*testSetup) {
		return func(r *testSetup) {
			r.env["HMA_KEY_MODE"] = "vault"
			vaultFault(func(req *http.Request) bool { return strings.HasSuffix(req.URL.Path, "/sign") }, f)(r)
		}
	}
	none := emulator.Config{}
	run(t, []misconfiguration{
		{"firewall closed after the look-up", none, sign(vaultSays(403, "Forbidden", "ForbiddenByFirewall")), "vault-sign", "vault's firewall", "network-rule add"},
		{"key disabled", none, sign(vaultSays(403, "Forbidden", "KeyDisabled")), "vault-sign", "key is disabled", "set-attributes .*--enabled true"},
		{"secret without a key", none, sign(vaultSays(404, "KeyNotFound", "")), "vault-sign", "no key .HMA-Cert. behind the certificate", "az keyvault certificate import"},
		{"operation not permitted to the key", none, sign(vaultSays(403, "Forbidden", "KeyOperationForbidden")), "vault-sign", "do not include sign", "--ops sign verify"},
		{"outage", none, sign(vaultSays(500, "InternalServerError", "")), "vault-sign", "passing problem", "try again"},
		{"no response", none, sign(emulator.Fault{Hang: true}), "vault-sign", "does not respond to the request to sign", "try again"},
		{"web filter", none, sign(page(403)), "vault-sign", "responds in Key Vault's place", "permitted on the proxy"},
	})
}

func TestWrongFiles(t *testing.T) {
	from := func(content func(*testSetup) []byte) func(*testSetup) {
		return func(r *testSetup) {
			for name := range r.env {
				if strings.HasPrefix(name, "HMA_KEY_VAULT_") {
					delete(r.env, name)
				}
			}
			r.env["HMA_CERT_FILE"] = r.file("hma.pem", content(r))
		}
	}
	withKey := func(r *testSetup, o emulator.CertOptions) []byte {
		key, err := x509.MarshalPKCS8PrivateKey(certKey())
		if err != nil {
			r.t.Fatal(err)
		}
		return append(pemOf(newCert(r.t, o).Leaf), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})...)
	}
	none := emulator.Config{}
	run(t, []misconfiguration{
		{"PFX with a password that is not set", none, from(func(r *testSetup) []byte { return passwordProtected(r.t) }), "certificate", "HMA_CERT_PASSWORD is not set", "set HMA_CERT_PASSWORD"},
		{"PEM whose key has a password", none, from(func(r *testSetup) []byte {
			return append(pemOf(r.e.Certificate().Leaf), pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte{0x30, 0}})...)
		}), "certificate", "PEM's private key has a password", "openssl pkcs12 -export"},
		{"key of another certificate", none, from(func(r *testSetup) []byte { return withKey(r, emulator.CertOptions{Key: signingKey()}) }), "certificate", "not one certificate with its private key", "do not belong together"},
		{"expired", none, from(func(r *testSetup) []byte {
			return withKey(r, emulator.CertOptions{NotBefore: time.Now().AddDate(-2, 0, 0), NotAfter: time.Now().AddDate(-1, 0, 0)})
		}), "certificate", "has expired", "openssl req -x509 .*\nopenssl x509 .*az ad app credential reset"},
		{"not registered", none, from(func(r *testSetup) []byte { return withKey(r, emulator.CertOptions{}) }), "token", "is not registered on HMA-App", "openssl x509 -in .*az ad app credential reset"},
	})
}

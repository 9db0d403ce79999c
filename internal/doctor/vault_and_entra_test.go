package doctor_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hmaproxy/internal/doctor"
	"hmaproxy/internal/emulator"
)

// upload puts another certificate into the vault, registers it and disables the
// previous version. These steps succeed, so a failed check is due to the content of
// the new certificate.
func upload(o emulator.CertOptions) func(*testSetup) {
	return func(r *testSetup) {
		c := newCert(r.t, o)
		r.e.KeyVault().Upload("HMA-Cert", c)
		r.e.Entra().Register(c)
		r.e.KeyVault().Disable(r.e.KeyVault().Versions("HMA-Cert")[0])
	}
}

func permit(rbac bool, permissions ...emulator.Permission) func(*testSetup) {
	return func(r *testSetup) {
		r.e.KeyVault().SetRBAC(rbac)
		r.e.KeyVault().Permit(r.e.Config().VaultAppID, permissions...)
	}
}

func TestWrongVault(t *testing.T) {
	run(t, []misconfiguration{
		{"client secret wrong", emulator.Config{}, set("HMA_KEY_VAULT_CLIENT_SECRET", "Kv8~another-canary-secret"), "vault-login", "client secret is wrong", "az ad app credential reset"},
		{"secret's id instead of its value", emulator.Config{}, set("HMA_KEY_VAULT_CLIENT_SECRET", otherID), "vault-login", "secret's ID; its Value is needed", "az ad app credential reset"},
		{"client secret expired", emulator.Config{}, func(r *testSetup) {
			r.e.Entra().AddSecret(r.e.Config().VaultAppID, vaultSecret, time.Now().Add(-time.Hour))
		}, "vault-login", "has expired", "az ad app credential reset"},
		{"KV-App's id mistyped", emulator.Config{}, set("HMA_KEY_VAULT_APP_ID", otherID), "vault-login", "HMA_KEY_VAULT_APP_ID is not an application", "az ad app list"},
		{"KV-App disabled", emulator.Config{}, func(r *testSetup) { r.e.Entra().Disable(r.e.Config().VaultAppID, true) }, "vault-login", "disabled", "accountEnabled=true"},
		{"KV-App blocked by Conditional Access", emulator.Config{}, func(r *testSetup) { r.e.Entra().Block(r.e.Config().VaultAppID, true) }, "vault-login", "Conditional Access", "exclude the service principal"},
		{"get secret missing, access policy", emulator.Config{}, permit(false, emulator.GetCertificates), "vault-secret", "lacks the permission get on secrets in the vault's access policy", "az keyvault set-policy .*--secret-permissions get"},
		{"both missing, access policy", emulator.Config{}, permit(false), "vault-secret", "get on secrets and get on certificates", "--certificate-permissions get"},
		{"get secret missing, RBAC", emulator.Config{}, permit(true, emulator.GetCertificates), "vault-secret", "Key Vault Secrets User is not assigned", "az role assignment create .*Key Vault Secrets User"},
		{"both missing, RBAC", emulator.Config{}, permit(true), "vault-secret", "RBAC", "Key Vault Certificate User"},
		{"firewall", emulator.Config{}, func(r *testSetup) { r.e.KeyVault().SetFirewall(true) }, "vault-secret", "firewall", "network-rule add"},
		{"certificate's name mistyped", emulator.Config{}, set("HMA_KEY_VAULT_CERT_NAME", "HMA-Crt"), "vault-secret", "no certificate .HMA-Crt", "az keyvault certificate list"},
		{"certificate disabled", emulator.Config{}, func(r *testSetup) {
			r.e.KeyVault().Disable(r.e.KeyVault().Versions("HMA-Cert")[0])
		}, "vault-secret", "newest version of the certificate is disabled", "set-attributes .*--enabled true"},
		{"two applications interchanged", emulator.Config{}, func(r *testSetup) {
			r.env["HMA_APP_ID"], r.env["HMA_KEY_VAULT_APP_ID"] = r.env["HMA_KEY_VAULT_APP_ID"], r.env["HMA_APP_ID"]
		}, "vault-login", "interchanged", "."},
		{"no workload identity here", emulator.Config{}, func(r *testSetup) {
			r.env["HMA_KEY_VAULT_AUTH"] = "workload"
			delete(r.env, "HMA_KEY_VAULT_CLIENT_SECRET")
		}, "vault-login", "no such identity here .HMA_KEY_VAULT_AUTH=workload", "azure.workload.identity/use"},
		{"no managed identity here", emulator.Config{}, func(r *testSetup) {
			r.env["HMA_KEY_VAULT_AUTH"] = "managed"
			delete(r.env, "HMA_KEY_VAULT_CLIENT_SECRET")
			delete(r.env, "HMA_KEY_VAULT_APP_ID")
			r.noService("169.254.169.254:80")
		}, "vault-login", "no such identity here .HMA_KEY_VAULT_AUTH=managed", "169.254.169.254"},
		{"no response to tokens", emulator.Config{}, func(r *testSetup) {
			r.e.KeyVault().InjectWhile(func() bool { return true }, emulator.Fault{
				Match: func(req *http.Request) bool { return req.Header.Get("Authorization") != "" },
				Hang:  true,
			})
		}, "vault-secret", "hangs", "try again"},
		{"responses are not JSON", emulator.Config{}, func(r *testSetup) {
			r.e.KeyVault().InjectWhile(func() bool { return true }, emulator.Fault{
				Match:  func(req *http.Request) bool { return req.Header.Get("Authorization") != "" },
				Status: 200, Body: "<html>blocked by your administrator</html>",
			})
		}, "vault-secret", "does not behave as a Key Vault", "HMA_KEY_VAULT_URI"},
		{"newest version disabled, an older one is not", emulator.Config{}, func(r *testSetup) {
			r.e.KeyVault().Disable(uploadLater(r, newCert(r.t, emulator.CertOptions{})))
		}, "vault-secret", "newest version of the certificate is disabled", "set-attributes"},
		{"vault throttles", emulator.Config{}, func(r *testSetup) {
			r.e.KeyVault().InjectWhile(func() bool { return true }, emulator.Fault{
				Match:  func(req *http.Request) bool { return req.Header.Get("Authorization") != "" },
				Status: 429, Body: `{"error":{"code":"Throttled","message":"too many"}}`,
			})
		}, "vault-secret", "limits the rate", "try again"},
		{"URI of another web server", emulator.Config{}, func(r *testSetup) {
			r.env["HMA_KEY_VAULT_URI"] = "https://www.contoso.com"
			r.serve("www.contoso.com:443", r.tlsConfig("www.contoso.com"), http.NotFoundHandler())
		}, "vault", "is not a Key Vault", "HMA_KEY_VAULT_URI"},
		{"challenge without a tenant", emulator.Config{}, func(r *testSetup) {
			r.e.KeyVault().InjectWhile(func() bool { return true }, emulator.Fault{NoTenantInChallenge: true})
		}, "vault", "names no tenant", "HMA_KEY_VAULT_URI"},
		{"sign missing, RBAC", emulator.Config{}, func(r *testSetup) {
			r.env["HMA_KEY_MODE"] = "vault"
			permit(true, emulator.GetSecrets, emulator.GetCertificates)(r)
		}, "vault-sign", "Key Vault Crypto User is not assigned", "Key Vault Crypto User"},
		{"sign missing, access policy", emulator.Config{}, func(r *testSetup) {
			r.env["HMA_KEY_MODE"] = "vault"
			permit(false, emulator.GetSecrets)(r)
		}, "vault-sign", "lacks the permission sign on keys", "--key-permissions sign"},
	})
}

func TestWrongCertificate(t *testing.T) {
	file := func(content func(*testSetup) []byte) func(*testSetup) {
		return func(r *testSetup) {
			for name := range r.env {
				if strings.HasPrefix(name, "HMA_KEY_VAULT_") {
					delete(r.env, name)
				}
			}
			r.env["HMA_CERT_FILE"] = r.file("hma.pfx", content(r))
		}
	}
	run(t, []misconfiguration{
		{"not exportable", emulator.Config{}, upload(emulator.CertOptions{NonExportable: true}), "certificate", "not exportable", "HMA_KEY_MODE=vault"},
		{"elliptic curve", emulator.Config{}, upload(emulator.CertOptions{EC: true}), "certificate", "not RSA", "az keyvault certificate create"},
		{"1024 bits", emulator.Config{}, upload(emulator.CertOptions{Bits: 1024}), "certificate", "too short", "az keyvault certificate create"},
		{"expired", emulator.Config{}, func(r *testSetup) {
			upload(emulator.CertOptions{NotBefore: time.Now().AddDate(-2, 0, 0), NotAfter: time.Now().AddDate(-1, 0, 0)})(r)
		}, "certificate", "has expired", "az keyvault certificate create"},
		{"not yet valid", emulator.Config{}, func(r *testSetup) {
			upload(emulator.CertOptions{NotBefore: time.Now().AddDate(0, 1, 0)})(r)
		}, "certificate", "not valid yet", "timedatectl|w32tm"},
		{"a password instead of a certificate", emulator.Config{}, func(r *testSetup) {
			r.e.KeyVault().PutSecret("HMA-Cert", "canary-cert-password", "text/plain")
		}, "certificate", "not one certificate with its private key", "PFX"},
		{"file of public half", emulator.Config{}, file(func(r *testSetup) []byte {
			pem, err := newCert(r.t, emulator.CertOptions{NonExportable: true}).PEM()
			if err != nil {
				r.t.Fatal(err)
			}
			return pem
		}), "certificate", "private key is missing", "PFX or PEM"},
		{"file missing", emulator.Config{}, func(r *testSetup) {
			file(func(*testSetup) []byte { return nil })(r)
			r.env["HMA_CERT_FILE"] += ".not"
		}, "configuration", "HMA_CERT_FILE names a file that does not exist", "."},
		{"file's password wrong", emulator.Config{}, func(r *testSetup) {
			file(func(r *testSetup) []byte { return passwordProtected(r.t) })(r)
			r.env["HMA_CERT_PASSWORD"] = certPassword
		}, "certificate", "HMA_CERT_PASSWORD is not the file's password", "openssl"},
	})
}

func TestWrongApplication(t *testing.T) {
	hmaApp := func(e *emulator.Emulator) string { return e.Config().HMAAppID }
	run(t, []misconfiguration{
		{"certificate not registered", emulator.Config{}, func(r *testSetup) { r.e.Entra().Unregister(r.e.Certificate()) }, "token", "thumbprint [0-9A-F]{40} is not registered on HMA-App", "az keyvault certificate download .*az ad app credential reset .*--append"},
		{"newest version not registered", emulator.Config{}, func(r *testSetup) {
			uploadLater(r, newCert(r.t, emulator.CertOptions{}))
		}, "token", "is not registered on HMA-App", "az ad app credential reset"},
		{"HMA-App's id mistyped", emulator.Config{}, set("HMA_APP_ID", otherID), "token", "HMA_APP_ID is not an application of the tenant", "az ad app show"},
		{"HMA-App disabled", emulator.Config{}, func(r *testSetup) { r.e.Entra().Disable(hmaApp(r.e), true) }, "token", "disabled", "accountEnabled=true"},
		{"HMA-App blocked by Conditional Access", emulator.Config{}, func(r *testSetup) { r.e.Entra().Block(hmaApp(r.e), true) }, "token", "Conditional Access", "exclude the service principal"},
		{"resource not registered", emulator.Config{}, func(r *testSetup) { r.e.Entra().RemoveResource(r.e.Resource()) }, "token", "no spelling of https://mail.contoso.com is registered", "Update-MgServicePrincipal"},
		{"resource registered with a slash only", emulator.Config{}, func(r *testSetup) {
			r.e.Entra().RemoveResource(r.e.Resource())
			r.e.Entra().AddResource("https://mail.contoso.com/", false)
		}, "token", "registered in Entra ID as https://mail.contoso.com/,", "HMA_RESOURCE_ID=https://mail.contoso.com/"},
		{"resource is another name, unregistered", emulator.Config{}, set("HMA_RESOURCE_ID", "https://ews.contoso.com"), "token", "registered in Entra ID as https://mail.contoso.com,", "HMA_RESOURCE_ID=https://mail.contoso.com"},
		{"no consent, assignment required", emulator.Config{}, func(r *testSetup) {
			r.e.Entra().AddResource(r.e.Resource(), true)
			r.e.Entra().Consent(hmaApp(r.e), r.e.Resource())
		}, "token", "consent|role", "admin-consent"},
		{"no consent", emulator.Config{}, func(r *testSetup) { r.e.Entra().Consent(hmaApp(r.e), r.e.Resource()) }, "claims", "roles claim is missing.*admin consent", "az ad app permission admin-consent"},
		{"another permission", emulator.Config{}, func(r *testSetup) { r.e.Entra().Consent(hmaApp(r.e), r.e.Resource(), "Mail.Read") }, "claims", "full_access_as_app is missing", "dc890d15-9560-4a4c-9b7f-a736ec74ec40=Role"},
		{"audience is another registered host", emulator.Config{}, func(r *testSetup) {
			r.env["HMA_RESOURCE_ID"] = "https://autodiscover.contoso.com"
			r.e.Entra().AddResource("https://autodiscover.contoso.com", false)
		}, "claims", "audience is not the host of HMA_EWS_URL", "HMA_RESOURCE_ID=https://mail.contoso.com"},
		{"audience by http", emulator.Config{}, func(r *testSetup) {
			r.e.Entra().EditClaims(func(c map[string]any) {
				if c["aud"] == "https://mail.contoso.com" {
					c["aud"] = "http://mail.contoso.com"
				}
			})
		}, "claims", "audience is not", "HMA_RESOURCE_ID"},
		{"token of another tenant", emulator.Config{}, editEWS("tid", otherID), "claims", "another tenant", "Tenant ID"},
		{"token by client secret", emulator.Config{}, editEWS("appidacr", "1"), "claims", "not obtained with a certificate", "az ad app credential reset"},
		{"token endpoint redirects", emulator.Config{}, func(r *testSetup) {
			r.e.Entra().InjectWhile(func() bool { return true }, emulator.Fault{
				Match:  func(req *http.Request) bool { _ = req.ParseForm(); return req.PostForm.Get("client_assertion") != "" },
				Status: 307, Header: http.Header{"Location": {"https://evil.example/"}},
			})
		}, "token", "responds in Entra ID's place", "redirect"},
		{"token without a lifetime", emulator.Config{}, func(r *testSetup) {
			r.e.Entra().InjectWhile(func() bool { return true }, emulator.Fault{
				Match:       func(req *http.Request) bool { _ = req.ParseForm(); return req.PostForm.Get("client_assertion") != "" },
				NoExpiresIn: true,
			})
		}, "token", "not what Entra ID gives", "."},
		{"token endpoint hangs", emulator.Config{}, func(r *testSetup) {
			r.e.Entra().InjectWhile(func() bool { return true }, emulator.Fault{
				Match: func(req *http.Request) bool { _ = req.ParseForm(); return req.PostForm.Get("client_assertion") != "" },
				Hang:  true,
			})
		}, "token", "cannot be reached at the moment", "."},
		{"token endpoint busy", emulator.Config{}, func(r *testSetup) {
			r.e.Entra().InjectWhile(func() bool { return true }, emulator.Fault{
				Match:  func(req *http.Request) bool { _ = req.ParseForm(); return req.PostForm.Get("client_assertion") != "" },
				Status: 503,
			})
		}, "token", "cannot be reached at the moment", "."},
	})
}

// editEWS changes a claim in the tokens for Exchange, and in no other token.
func editEWS(claim, value string) func(*testSetup) {
	return func(r *testSetup) {
		r.e.Entra().EditClaims(func(c map[string]any) {
			if c["aud"] == "https://mail.contoso.com" {
				c[claim] = value
			}
		})
	}
}

// TestEveryAADSTS checks that doctor reports a cause and at least two lines of
// repair for each of these AADSTS codes. They come from Microsoft's reference.
func TestEveryAADSTS(t *testing.T) {
	for _, code := range []int{500011, 50001, 650057, 65005, 650056, 700016, 7000112, 70001, 700027, 700030, 700024, 50012,
		7000215, 7000222, 7000218, 700025, 70011, 28002, 700022, 700023, 90002, 50059, 50128, 9001023, 90038, 900382, 900432,
		53003, 530032, 50034, 50196, 90055, 50033, 90006, 90090, 7000214, 1000502, 501051, 65001, 1002012} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newTestSetup(t, emulator.Config{})
				r.e.Entra().InjectWhile(func() bool { return true }, emulator.Fault{
					Match:  func(req *http.Request) bool { _ = req.ParseForm(); return req.PostForm.Get("client_assertion") != "" },
					AADSTS: code,
				})
				o := r.examine()
				f := o.first()
				if f.Check != "token" || f.Status != doctor.Failed || !strings.Contains(f.Detail, fmt.Sprintf("AADSTS%d", code)) {
					t.Fatalf("first is %+v", f)
				}
				if f.Cause == "" || strings.Contains(f.Cause, "not known here") || len(f.Repair) < 2 {
					t.Errorf("cause %q, repair %q", f.Cause, f.Repair)
				}
			})
		})
	}
}

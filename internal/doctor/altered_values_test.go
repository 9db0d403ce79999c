package doctor_test

import (
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hmaproxy/internal/doctor"
	"hmaproxy/internal/emulator"
)

func TestAlteredValues(t *testing.T) {
	none := emulator.Config{}
	run(t, []misconfiguration{
		{"example not filled in", none, set("HMA_KEY_VAULT_APP_ID", "00000000-0000-0000-0000-000000000000"), "configuration", "example's values", "setup.md"},
		{"comment behind a value", none, func(r *testSetup) { r.env["HMA_TENANT_ID"] += " # ours" }, "configuration", "HMA_TENANT_ID .*a comment behind a value", "set HMA_TENANT_ID"},
		{"invisible character", none, func(r *testSetup) { r.env["HMA_TENANT_ID"] += "\u200b" }, "configuration", "HMA_TENANT_ID .*an invisible one", "set HMA_TENANT_ID"},
		{"tenant in quotes", none, func(r *testSetup) { r.env["HMA_TENANT_ID"] = `"` + r.env["HMA_TENANT_ID"] + `"` }, "configuration", "HMA_TENANT_ID is in quotes", "set HMA_TENANT_ID to a tenant id"},
		{"vault's URI with the certificate's path", none, set("HMA_KEY_VAULT_URI", "https://contoso.vault.azure.net/certificates/HMA-Cert/0123"), "configuration", "HMA_KEY_VAULT_URI has a path", "such as https://contoso.vault.azure.net"},
		{"vault's resource id", none, set("HMA_KEY_VAULT_URI", "/subscriptions/1/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/contoso"), "configuration", "HMA_KEY_VAULT_URI", "such as https://contoso.vault.azure.net"},
		{"certificate's name with its version", none, set("HMA_KEY_VAULT_CERT_NAME", "HMA-Cert/0123"), "configuration", "HMA_KEY_VAULT_CERT_NAME.*no version", "set HMA_KEY_VAULT_CERT_NAME to"},
		{"OWA's URL", none, set("HMA_EWS_URL", "https://mail.contoso.com/owa"), "configuration", "HMA_EWS_URL has a path that is not the EWS endpoint", "/EWS/Exchange.asmx"},
		{"http URL", none, set("HMA_EWS_URL", "http://mail.contoso.com/EWS/Exchange.asmx"), "configuration", "HMA_EWS_URL does not begin with https", "set HMA_EWS_URL to an https URL"},
		{"resource with a path", none, set("HMA_RESOURCE_ID", "https://mail.contoso.com/EWS/Exchange.asmx"), "configuration", "HMA_RESOURCE_ID has a path", "set HMA_RESOURCE_ID to"},
		{"resource is the application's id", none, set("HMA_RESOURCE_ID", "00000002-0000-0ff1-ce00-000000000000"), "configuration", "HMA_RESOURCE_ID is a GUID", "set HMA_RESOURCE_ID to"},
		{"allow-list separated by semicolons", none, set("HMA_ALLOWED_MAILBOXES", "alice@contoso.com; bob@contoso.com"), "configuration", "HMA_ALLOWED_MAILBOXES is not a valid list", "separated by commas"},
		{"allow-list file missing", none, func(r *testSetup) {
			delete(r.env, "HMA_ALLOWED_MAILBOXES")
			r.env["HMA_ALLOWED_MAILBOXES_FILE"] = "/nonexistent/allow.txt"
		}, "configuration", "HMA_ALLOWED_MAILBOXES_FILE names a file that does not exist", "path of a file"},
		{"connect address without a port", none, set("HMA_EWS_CONNECT", "ex01.corp.contoso.com"), "configuration", "HMA_EWS_CONNECT is not host:port", "host:port"},
		{"proxy's password not encoded", none, set("HTTPS_PROXY", "http://svc:p#ss/"+proxyPassword+"@proxy.contoso.com:3128"), "configuration", "HTTPS_PROXY .*percent-encoded", "."},
	})
}

func TestWrongIdentities(t *testing.T) {
	none := emulator.Config{}
	run(t, []misconfiguration{
		{"ids interchanged", none, func(r *testSetup) {
			r.env["HMA_APP_ID"], r.env["HMA_KEY_VAULT_APP_ID"] = r.env["HMA_KEY_VAULT_APP_ID"], r.env["HMA_APP_ID"]
		}, "vault-login", "^the two applications are interchanged", "^set HMA_APP_ID=6a1de0b4-.* and HMA_KEY_VAULT_APP_ID=b87c2d35-"},
		{"secret of the other application", none, func(r *testSetup) {
			r.env["HMA_KEY_VAULT_CLIENT_SECRET"] = "Kv8~canary-secret-of-HMA-App"
			r.e.Entra().AddSecret(r.e.Config().HMAAppID, "Kv8~canary-secret-of-HMA-App", time.Now().AddDate(1, 0, 0))
		}, "vault-login", "the client secret is that of the application in HMA_APP_ID", "make a secret for KV-App: az ad app credential reset --id b87c2d35-"},
		{"HMA-App's id in both", none, both("HMA_APP_ID"), "vault-login", "HMA_APP_ID was copied into both", "set HMA_KEY_VAULT_APP_ID"},
		{"KV-App's id in both", none, both("HMA_KEY_VAULT_APP_ID"), "token", "KV-App's id was copied into both", "^az ad app list --display-name HMA-App .*set HMA_APP_ID"},
		{"secret in quotes", none, secretAltered(func(s string) string { return `"` + s + `"` }), "vault-login", "holds quotes", "without quotes"},
		{"secret encoded for a URL", none, secretAltered(replaced("~", "%7E")), "vault-login", "altered on its way", "unescaped"},
		{"secret with an invisible character", none, secretAltered(func(s string) string { return "\u200b" + s }), "vault-login", "altered on its way", "as the portal showed it"},
		{"machine without a managed identity", none, func(r *testSetup) {
			r.env["HMA_KEY_VAULT_AUTH"] = "managed"
			delete(r.env, "HMA_KEY_VAULT_CLIENT_SECRET")
			r.serve("169.254.169.254:80", nil, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(http.StatusBadRequest)
				_, _ = w.Write([]byte(`{"error":"invalid_request","error_description":"Identity not found"}`))
			}))
		}, "vault-login", "no managed identity, or not the one", "az vm identity assign"},
		{"name registered on an application of its own", none, editEWS("aud", otherID), "claims", "registered on an application of its own", "Expose an API"},
		{"secret cut off", none, secretAltered(func(s string) string { return s[strings.Index(s, "~")+1:] }), "vault-login", "cut off", "az ad app credential reset"},
		{"vault's tenant does not know Key Vault", none, entraFault(posted, emulator.Fault{AADSTS: 500011}), "vault-login", "does not know Azure Key Vault", "az ad sp create --id cfa8b339-"},
		{"assignment demanded of KV-App", none, entraFault(posted, emulator.Fault{AADSTS: 501051}), "vault-login", "an assignment or a consent that is missing", "appRoleAssignmentRequired"},
		{"federated credential of another pod", none, entraFault(posted, emulator.Fault{AADSTS: 700213}), "vault-login", "no federated credential", "az ad app federated-credential list --id b87c2d35-"},
		{"unknown code of Entra ID, KV-App", none, entraFault(posted, emulator.Fault{AADSTS: 5000611}), "vault-login", "not known here", "Sign-in logs.*\n.*5000611"},
		{"unknown code of Entra ID, HMA-App", none, entraFault(assertion, emulator.Fault{AADSTS: 5000611}), "token", "not known here", "5000611.*\n.*Sign-in logs"},
		{"HMA-App without a service principal", none, entraFault(assertion, emulator.Fault{AADSTS: 7000229}), "token", "not an application of the tenant", "az ad sp create --id 6a1de0b4-"},
		{"resource's service principal disabled", none, entraFault(assertion, emulator.Fault{AADSTS: 500014}), "token", "service principal .* is disabled", "Enterprise applications"},
		{"web filter forbids the sign-in", none, entraFault(posted, page(403)), "vault-login", "responds in Entra ID's place", "login.microsoftonline.com:443 permitted"},
		{"web filter forbids the assertion", none, entraFault(assertion, page(403)), "token", "responds in Entra ID's place", "login.microsoftonline.com:443 permitted"},
		{"sign-in gets no response", none, entraFault(posted, emulator.Fault{Hang: true}), "vault-login", "not to the sign-in", "pass login.microsoftonline.com through"},
		{"portal's page for Entra", none, entraFault(nil, page(200)), "entra", "^what responded is not Entra ID: a corporate proxy, web filter or captive portal", "login.microsoftonline.com:443 permitted"},
		{"network wants a sign-in", none, entraFault(nil, page(511)), "entra", "captive portal", "without sign-in"},
		{"a year behind", none, func(r *testSetup) { skewed(r, 300*24*time.Hour) }, "clock", "clock is wrong by 300 days", "timedatectl"},
	})
}

func TestVaultResponses(t *testing.T) {
	none := emulator.Config{}
	run(t, []misconfiguration{
		{"vault's name alone", none, set("HMA_KEY_VAULT_URI", "https://contoso"), "vault", "a vault's name ends in vault.azure.net", "nslookup"},
		{"China's vault, public sign-in", none, set("HMA_KEY_VAULT_URI", "https://contoso.vault.azure.cn"), "vault", "vault.azure.cn is the China cloud's, and HMA_AUTHORITY_HOST the public", "nslookup"},
		{"private endpoint's own name", none, set("HMA_KEY_VAULT_URI", "https://contoso.privatelink.vaultcore.azure.net"), "vault", "the name is contoso.vault.azure.net, without privatelink", "."},
		{"Managed HSM", none, set("HMA_KEY_VAULT_URI", "https://contoso.managedhsm.azure.net"), "vault", "Managed HSM .* holds no certificates", "."},
		{"vault of China responds", none, func(r *testSetup) {
			r.env["HMA_KEY_VAULT_URI"] = "https://contoso.vault.azure.cn"
			r.serve("contoso.vault.azure.cn:443", r.tlsConfig("contoso.vault.azure.cn"), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("WWW-Authenticate", `Bearer authorization="https://login.partner.microsoftonline.cn/`+otherID+`", resource="https://vault.azure.cn"`)
				w.WriteHeader(http.StatusUnauthorized)
			}))
		}, "vault", "another cloud .China.", "HMA_AUTHORITY_HOST=https://login.partner.microsoftonline.cn"},
		{"vault's outage", none, vaultFault(nil, emulator.Fault{Status: 503}), "vault", "passing problem", "try again"},
		{"vault throttles from the first request", none, vaultFault(nil, vaultSays(429, "Throttled", "")), "vault", "limits the rate", "try again"},
		{"web filter's page", none, vaultFault(nil, page(403)), "vault", "^what responded is not a Key Vault: a corporate proxy, web filter", "contoso.vault.azure.net:443 permitted"},
		{"web filter forbids tokens", none, vaultFault(withToken, page(403)), "vault-secret", "responds in Key Vault's place", "contoso.vault.azure.net:443 permitted"},
		{"public access off", none, vaultFault(withToken, vaultSays(403, "Forbidden", "ForbiddenByConnection")), "vault-secret", "private endpoint", "nslookup contoso.vault.azure.net"},
		{"unknown reason", none, vaultFault(withToken, vaultSays(403, "Forbidden", "ForbiddenByNewRule")), "vault-secret", "not known here: ForbiddenByNewRule", "az keyvault show"},
		{"issuer of another tenant", none, vaultFault(withToken, vaultSays(401, "Unauthorized", "")), "vault-secret", "another tenant or cloud than the vault", "HMA_KEY_VAULT_TENANT_ID"},
		{"certificate deleted", none, func(r *testSetup) { r.e.KeyVault().Delete("HMA-Cert") }, "vault-secret", "it was deleted", "list-deleted"},
		{"public half stored by hand", none, stored(func(r *testSetup) string {
			return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.e.Certificate().Leaf.Raw}))
		}, "application/x-pem-file"), "certificate", "uploaded without", "az keyvault certificate import"},
		{"PFX with a password stored by hand", none, stored(func(r *testSetup) string {
			return base64.StdEncoding.EncodeToString(passwordProtected(r.t))
		}, "application/x-pkcs12"), "certificate", "put into the vault with a password", "az keyvault certificate import .*--password"},
		{"PFX cut off", none, stored(func(r *testSetup) string {
			return base64.StdEncoding.EncodeToString(passwordProtected(r.t)[:300])
		}, "application/x-pkcs12"), "certificate", "not one certificate with its private key", "az keyvault certificate import"},
		{"empty secret", none, stored(func(*testSetup) string { return "" }, ""), "certificate", "not one certificate", "az keyvault certificate import"},
	})
}

// TestFurtherAADSTS checks that doctor also names a cause for codes that
// package token does not list.
func TestFurtherAADSTS(t *testing.T) {
	for code, cause := range map[int]string{500133: "clock", 900023: "tenant", 53000: "Conditional Access", 530003: "Conditional Access"} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newTestSetup(t, emulator.Config{})
				entraFault(assertion, emulator.Fault{AADSTS: code})(r)
				if f := r.examine().first(); f.Check != "token" || f.Status != doctor.Failed || len(f.Repair) < 1 || !strings.Contains(f.Cause+strings.Join(f.Repair, " "), cause) {
					t.Errorf("first is %+v", f)
				}
			})
		})
	}
}

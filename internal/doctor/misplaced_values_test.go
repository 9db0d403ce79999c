package doctor_test

import (
	"context"
	"encoding/base64"
	"net"
	"net/http"
	"os"
	"syscall"
	"testing"

	"hmaproxy/internal/emulator"
)

// TestMisplacedValues checks that doctor recognises values that are right,
// but in the wrong setting or in the wrong form.
func TestMisplacedValues(t *testing.T) {
	none := emulator.Config{}
	run(t, []misconfiguration{
		{"display name in the allow-list", none, set("HMA_ALLOWED_MAILBOXES", "Alice <alice@contoso.com>"), "configuration", "without a display name", "such as alice@contoso.com"},
		{"allow-list as CSV", none, listFile("\"PrimarySmtpAddress\"\r\n\"alice@contoso.com\"\r\n"), "configuration", "line 1, entry 1: .*without quotes.*line 2", "HMA_ALLOWED_MAILBOXES_FILE"},
		{"domain without a star", none, set("HMA_ALLOWED_MAILBOXES", "@contoso.com"), "configuration", `every address of a domain .*\*@domain`, "such as alice@contoso.com"},
		{"secret next to a managed identity", none, set("HMA_KEY_VAULT_AUTH", "managed"), "configuration", "HMA_KEY_VAULT_CLIENT_SECRET has no effect", "^remove HMA_KEY_VAULT_CLIENT_SECRET"},
		{"Exchange Online's application in the place of HMA-App", none, set("HMA_APP_ID", "00000002-0000-0ff1-ce00-000000000000"), "configuration", "Office 365 Exchange Online itself", "HMA-App > Overview"},
		{"tenant's id in the place of KV-App's", none, func(r *testSetup) { r.env["HMA_KEY_VAULT_APP_ID"] = r.env["HMA_TENANT_ID"] }, "configuration", "copied into both", "KV-App > Overview"},
		{"thumbprint in the place of the name", none, set("HMA_KEY_VAULT_CERT_NAME", "21B4915FFD593229EF87D56F39170D5F68DC7FB6"), "vault-secret", "^HMA_KEY_VAULT_CERT_NAME is a thumbprint", "az keyvault certificate list"},
		{"secret in base64", none, secretAltered(func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }), "vault-login", "base64", "decoded"},
		{"reference to a secret", none, set("HMA_KEY_VAULT_CLIENT_SECRET", "@Microsoft.KeyVault(SecretUri=https://contoso.vault.azure.net/secrets/kv-app/)"), "vault-login", "reference to a secret", "the value itself"},
		{"resource of Microsoft Graph", none, func(r *testSetup) {
			r.env["HMA_RESOURCE_ID"] = "https://graph.microsoft.com"
			r.e.Entra().AddResource("https://graph.microsoft.com", false)
			r.e.Entra().Consent(r.e.Config().HMAAppID, "https://graph.microsoft.com", "Mail.ReadWrite")
		}, "claims", "HMA_RESOURCE_ID is wrong", "set HMA_RESOURCE_ID=https://mail.contoso.com"},
		{"name registered on an application of its own, without roles", none, func(r *testSetup) {
			r.e.Entra().EditClaims(func(c map[string]any) {
				if c["aud"] == "https://mail.contoso.com" {
					c["aud"] = otherID
					delete(c, "roles")
				}
			})
		}, "claims", "registered on an application of its own", "Expose an API"},
	})
}

func TestWrongRoutes(t *testing.T) {
	none := emulator.Config{}
	outside := []string{"login.microsoftonline.com:443", "contoso.vault.azure.net:443"}
	run(t, []misconfiguration{
		{"NO_PROXY excepts Microsoft, packets dropped", none, func(r *testSetup) {
			r.connectProxy(func(*http.Request) int { return http.StatusOK })
			r.env["NO_PROXY"] = ".microsoftonline.com,.azure.net,.contoso.com"
			r.blackHole(outside[0])
			r.blackHole(outside[1])
		}, "vault", "NO_PROXY excepts it", "take what matches contoso.vault.azure.net out of NO_PROXY"},
		{"NO_PROXY excepts all, names unknown", none, func(r *testSetup) {
			r.connectProxy(func(*http.Request) int { return http.StatusOK })
			r.env["NO_PROXY"] = "*"
			r.noName(outside[0])
			r.noName(outside[1])
		}, "vault", "NO_PROXY excepts it", "^take what matches contoso.vault.azure.net out of NO_PROXY"},
		{"authority of the way through the proxy", none, func(r *testSetup) {
			r.connectProxy(func(*http.Request) int { return http.StatusOK })
			delete(r.env, "HMA_CA_FILE")
		}, "vault", "the corporate proxy proxy.contoso.com:3128 inspects TLS", "-connect contoso.vault.azure.net:443 -proxy proxy.contoso.com:3128 -servername contoso"},
		{"authority of the server behind a connect address", none, func(r *testSetup) {
			c, _ := r.otherAuthority("mail.contoso.com")
			r.env["HMA_EWS_CONNECT"] = "ex01.corp.contoso.com:443"
			r.serve("ex01.corp.contoso.com:443", c, r.e.Exchange())
		}, "exchange", "private PKI", "-connect ex01.corp.contoso.com:443 -servername mail.contoso.com"},
		{"no route to Exchange", none, unreachable(syscall.ENETUNREACH), "exchange", "this machine has no route", "ip route|route print"},
		{"Exchange's subnet not connected", none, unreachable(syscall.EHOSTUNREACH), "exchange", "this machine has no route|no machine has that address", "VPN"},
		{"connect address with the port of plain HTTP", none, func(r *testSetup) {
			r.env["HMA_EWS_CONNECT"] = "ex01.corp.contoso.com:80"
			r.serve("ex01.corp.contoso.com:80", nil, r.e.Exchange())
		}, "exchange", "another service's", "port in HMA_EWS_CONNECT"},
		{"connect address of another server", none, func(r *testSetup) {
			r.env["HMA_EWS_CONNECT"] = "crm.corp.contoso.com:443"
			r.serve("crm.corp.contoso.com:443", r.tlsConfig("crm.corp.contoso.com"), http.NotFoundHandler())
		}, "exchange", "for another host.*HMA_EWS_CONNECT", "HMA_EWS_CONNECT \\(crm.corp.contoso.com:443\\)"},
		{"one server behind the load balancer without OAuth", none, exchangeFault(withToken, emulator.Fault{Status: http.StatusUnauthorized,
			Header: http.Header{"Www-Authenticate": {"Negotiate", "NTLM"}, "X-Feserver": {"EX02"}}}), "acceptance", "EX02.*not set up as EX01", "Server,OAuthAuthentication"},
		{"no site for the name", none, exchangeFault(nil, emulator.Fault{Status: http.StatusBadRequest, Header: http.Header{"Server": {"Microsoft-HTTPAPI/2.0"}, "Content-Type": {"text/html"}},
			Body: "<h2>Bad Request - Invalid Hostname</h2>"}), "challenge", "no site of IIS is bound to mail.contoso.com", "Get-WebBinding"},
		{"sign-in form in front", none, exchangeFault(nil, emulator.Fault{Status: 440, Header: http.Header{"Content-Type": {"text/html"}}}), "challenge", "pre-authentication", "pass /EWS/"},
	})
}

func listFile(content string) func(*testSetup) {
	return func(r *testSetup) {
		delete(r.env, "HMA_ALLOWED_MAILBOXES")
		r.env["HMA_ALLOWED_MAILBOXES_FILE"] = r.file("allow.csv", []byte(content))
	}
}

// unreachable makes every connection to Exchange fail with the given system
// error.
func unreachable(why syscall.Errno) func(*testSetup) {
	return func(r *testSetup) {
		r.ways["mail.contoso.com:443"] = func(context.Context) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", why)}
		}
	}
}

package doctor_test

import (
	"crypto/tls"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hmaproxy/internal/emulator"
)

// A misconfiguration is one mistake in an organisation. check is the first
// check that must fail; cause and repair are patterns for its texts.
type misconfiguration struct {
	name                 string
	config               emulator.Config
	setup                func(*testSetup)
	check, cause, repair string
}

func run(t *testing.T, table []misconfiguration) {
	for _, c := range table {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newTestSetup(t, c.config)
				c.setup(r)
				r.examine().wants(t, c.check, c.cause, c.repair)
			})
		})
	}
}

// set returns a function that changes settings. pairs holds their names and
// values alternately.
func set(pairs ...string) func(*testSetup) {
	return func(r *testSetup) {
		for i := 0; i < len(pairs); i += 2 {
			r.env[pairs[i]] = pairs[i+1]
		}
	}
}

const otherID = "11111111-2222-4333-8444-555555555555"

func TestWrongConfiguration(t *testing.T) {
	run(t, []misconfiguration{
		{"allow-list empty", emulator.Config{}, set("HMA_ALLOWED_MAILBOXES", ""), "configuration", "HMA_ALLOWED_MAILBOXES", "help settings"},
		{"misspelt name", emulator.Config{}, set("HMA_KEY_VAULT_KEY_NAME", "HMA-Cert"), "configuration", "HMA_KEY_VAULT_CERT_NAME", "help settings"},
		{"EWS URL missing", emulator.Config{}, func(r *testSetup) { delete(r.env, "HMA_EWS_URL") }, "configuration", "HMA_EWS_URL", "help settings"},
		{"two ids mixed up", emulator.Config{}, func(r *testSetup) { r.env["HMA_TENANT_ID"] = r.env["HMA_APP_ID"] }, "configuration", "same|copied", "Directory"},
		{"mailbox is not an address", emulator.Config{}, func(r *testSetup) { r.opts.Mailbox = "CONTOSO\\alice" }, "configuration", ".", "alice@contoso.com"},
	})
}

func TestWrongNetwork(t *testing.T) {
	outside := []string{"login.microsoftonline.com:443", "contoso.vault.azure.net:443"}
	run(t, []misconfiguration{
		{"vault's name mistyped", emulator.Config{}, set("HMA_KEY_VAULT_URI", "https://contsoo.vault.azure.net"), "vault", "HMA_KEY_VAULT_URI is mistyped", "nslookup contsoo"},
		{"corporate proxy needed, names unknown", emulator.Config{}, func(r *testSetup) { r.noName(outside[0]); r.noName(outside[1]) }, "vault", "^no name of the internet resolves here.*HTTPS_PROXY is not set", "HTTPS_PROXY="},
		{"corporate proxy needed, packets dropped", emulator.Config{}, func(r *testSetup) { r.blackHole(outside[0]); r.blackHole(outside[1]) }, "vault", "HTTPS_PROXY is not set", "HTTPS_PROXY="},
		{"Entra closed by a firewall", emulator.Config{}, func(r *testSetup) { r.noService(outside[0]) }, "entra", "no direct way to login.microsoftonline.com", "443"},
		{"EWS host unknown", emulator.Config{}, set("HMA_EWS_URL", "https://mial.contoso.com"), "exchange", "HMA_EWS_URL is mistyped", "HMA_EWS_CONNECT"},
		{"EWS port closed", emulator.Config{}, func(r *testSetup) { r.e.Exchange().Stop() }, "exchange", "firewall|nothing that listens", "curl"},
		{"connect address wrong", emulator.Config{}, set("HMA_EWS_CONNECT", "ex99.corp.contoso.com:443"), "exchange", "HMA_EWS_CONNECT", "."},
		{"plain HTTP port", emulator.Config{}, func(r *testSetup) {
			r.serve("mail.contoso.com:443", nil, http.NotFoundHandler())
		}, "exchange", "plain HTTP", "HMA_EWS_URL"},
		{"service hangs", emulator.Config{}, func(r *testSetup) {
			r.e.Exchange().InjectWhile(func() bool { return true }, emulator.Fault{Hang: true})
		}, "exchange", "hangs", "try again"},
		{"connection cut", emulator.Config{}, func(r *testSetup) {
			l := r.listen("mail.contoso.com:443")
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					c.Close()
				}
			}()
			r.ended = append(r.ended, func() { l.Close() })
		}, "exchange", "cuts|cut", "openssl"},
		{"proxy wants credentials", emulator.Config{}, func(r *testSetup) {
			r.connectProxy(func(*http.Request) int { return http.StatusProxyAuthRequired })
			r.noName(outside[0])
			r.noName(outside[1])
		}, "vault", "asks for credentials", "HTTPS_PROXY=http://user:password@"},
		{"proxy knows no inside hosts", emulator.Config{}, func(r *testSetup) {
			r.connectProxy(func(req *http.Request) int {
				if req.Host == "mail.contoso.com:443" {
					return http.StatusForbidden
				}
				return http.StatusOK
			})
		}, "exchange", "proxy does not permit", "NO_PROXY=mail.contoso.com"},
		{"proxy mistyped", emulator.Config{}, set("HTTPS_PROXY", "http://svc:"+proxyPassword+"@porxy.contoso.com:3128"), "vault", "HTTPS_PROXY is mistyped", "HTTPS_PROXY"},
	})
}

func TestWrongTLS(t *testing.T) {
	run(t, []misconfiguration{
		{"private PKI of Exchange missing", emulator.Config{}, func(r *testSetup) {
			c, _ := r.otherAuthority("mail.contoso.com")
			r.serve("mail.contoso.com:443", c, r.e.Exchange())
		}, "exchange", "private PKI.*HMA_CA_FILE is set and does not hold it", "HMA_CA_FILE"},
		{"CA file not set", emulator.Config{}, func(r *testSetup) {
			delete(r.env, "HMA_CA_FILE")
		}, "vault", "inspects TLS.*HMA_CA_FILE is not set", "HMA_CA_FILE"},
		{"inspecting proxy", emulator.Config{}, func(r *testSetup) {
			c, _ := r.otherAuthority("contoso.vault.azure.net")
			r.connectProxy(func(*http.Request) int { return http.StatusOK })
			r.serve("contoso.vault.azure.net:443", c, r.e.KeyVault())
			r.env["NO_PROXY"] = "contoso.vault.azure.net"
		}, "vault", "inspects TLS", "HMA_CA_FILE"},
		{"proxy's own certificate", emulator.Config{}, func(r *testSetup) {
			c, _ := r.otherAuthority("proxy.contoso.com")
			r.serve("proxy.contoso.com:3128", c, http.NotFoundHandler())
			r.env["HTTPS_PROXY"] = "https://svc:" + proxyPassword + "@proxy.contoso.com:3128"
		}, "vault", "issued the proxy's own certificate", "HMA_CA_FILE"},
		{"certificate for another host", emulator.Config{}, func(r *testSetup) {
			r.serve("mail.contoso.com:443", r.tlsConfig("exchange01.corp.contoso.com"), r.e.Exchange())
		}, "exchange", "for another host", "Get-WebServicesVirtualDirectory"},
		{"captive portal with its own certificate", emulator.Config{}, func(r *testSetup) {
			r.serve("login.microsoftonline.com:443", r.tlsConfig("portal.hotel.example"), http.NotFoundHandler())
		}, "entra", "captive portal", "nslookup login.microsoftonline.com"},
		{"certificate expired", emulator.Config{}, func(r *testSetup) {
			r.serve("mail.contoso.com:443", dated(r, -2), r.e.Exchange())
		}, "exchange", "has expired", "renew"},
		{"clock so wrong that no certificate is valid", emulator.Config{}, func(r *testSetup) {
			r.serve("mail.contoso.com:443", dated(r, 2), r.e.Exchange())
			r.e.Exchange().SetClockSkew(900 * 24 * time.Hour)
		}, "exchange", "this machine's clock is wrong: 900 days behind", "timedatectl"},
		{"self-signed", emulator.Config{}, func(r *testSetup) {
			c := newCert(r.t, emulator.CertOptions{CommonName: "EX01"})
			r.serve("mail.contoso.com:443", &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{c.Leaf.Raw}, PrivateKey: c.Key}}}, r.e.Exchange())
		}, "exchange", "self-signed|another host", "."},
		{"TLS 1.1 only", emulator.Config{}, func(r *testSetup) {
			c := r.tlsConfig("mail.contoso.com")
			c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
			r.serve("mail.contoso.com:443", c, r.e.Exchange())
		}, "exchange", "TLS 1.2", "TLS"},
		{"client certificate wanted", emulator.Config{}, func(r *testSetup) {
			c := r.tlsConfig("mail.contoso.com")
			c.ClientAuth, c.MaxVersion = tls.RequireAnyClientCert, tls.VersionTLS12
			r.serve("mail.contoso.com:443", c, r.e.Exchange())
		}, "exchange", "client certificate", "SSL Settings"},
		{"client certificate wanted by TLS 1.3", emulator.Config{}, func(r *testSetup) {
			c := r.tlsConfig("mail.contoso.com")
			c.ClientAuth = tls.RequireAnyClientCert
			r.serve("mail.contoso.com:443", c, r.e.Exchange())
		}, "exchange", "client certificate", "SSL Settings"},
	})
}

// dated returns a server configuration whose certificate is valid for one year,
// beginning the given number of years from now.
func dated(r *testSetup, years int) *tls.Config {
	from := time.Now().AddDate(years, 0, 0)
	c := newCert(r.t, emulator.CertOptions{CommonName: "mail.contoso.com", NotBefore: from, NotAfter: from.AddDate(1, 0, 0)})
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{c.Leaf.Raw}, PrivateKey: c.Key}}}
}

func TestWrongClock(t *testing.T) {
	all := func(d time.Duration) func(*testSetup) {
		return func(r *testSetup) {
			r.e.Entra().SetClockSkew(d)
			r.e.KeyVault().SetClockSkew(d)
			r.e.Exchange().SetClockSkew(d)
		}
	}
	run(t, []misconfiguration{
		{"this machine ahead", emulator.Config{}, all(-10 * time.Minute), "clock", "clock is wrong by 10 minutes", "w32tm|timedatectl"},
		{"this machine behind", emulator.Config{}, all(3 * time.Hour), "clock", "clock is wrong by 3 hours", "timedatectl"},
		{"a little ahead, and Entra strict", emulator.Config{}, all(-100 * time.Second), "token", "100 s ahead of Entra ID", "timedatectl"},
		{"Exchange's clock", emulator.Config{}, func(r *testSetup) { r.e.Exchange().SetClockSkew(2 * time.Hour) }, "clock", "Exchange server's clock is wrong", "on the Exchange servers"},
	})
}

func TestWrongTenantOrCloud(t *testing.T) {
	run(t, []misconfiguration{
		{"tenant mistyped", emulator.Config{}, set("HMA_TENANT_ID", otherID), "tenant", "HMA_TENANT_ID is not a tenant of this cloud.*Key Vault, for one, belongs to", "Tenant ID"},
		{"vault in another cloud", emulator.Config{EntraURL: "https://login.microsoftonline.us"}, func(r *testSetup) {
			r.env["HMA_AUTHORITY_HOST"] = "https://login.microsoftonline.com"
			r.serve("login.microsoftonline.com:443", r.tlsConfig("login.microsoftonline.com"), r.e.Entra())
		}, "vault", "another cloud", "HMA_AUTHORITY_HOST=https://login.microsoftonline.us"},
		{"tenant in another cloud", emulator.Config{}, func(r *testSetup) {
			r.e.Entra().InjectWhile(func() bool { return true }, emulator.Fault{
				Match:  func(req *http.Request) bool { return strings.Contains(req.URL.Path, "openid-configuration") },
				Status: 200,
				Body:   `{"issuer":"https://login.partner.microsoftonline.cn/x/v2.0","token_endpoint":"https://login.partner.microsoftonline.cn/x/oauth2/v2.0/token"}`,
			})
		}, "tenant", "another cloud", "HMA_AUTHORITY_HOST=https://login.partner.microsoftonline.cn"},
		{"authority is not Entra", emulator.Config{}, func(r *testSetup) {
			r.env["HMA_AUTHORITY_HOST"] = "https://sso.contoso.com"
			r.serve("sso.contoso.com:443", r.tlsConfig("sso.contoso.com"), http.NotFoundHandler())
		}, "entra", "is not Entra ID", "HMA_AUTHORITY_HOST"},
		{"captive portal", emulator.Config{}, func(r *testSetup) {
			r.e.Entra().InjectWhile(func() bool { return true }, emulator.Fault{Status: 302, Header: http.Header{"Location": {"https://portal.hotel.example/login?token=eyJhbGciOiJub25lIn0"}}})
		}, "entra", "captive portal", "."},
		{"Entra down", emulator.Config{}, func(r *testSetup) {
			r.e.Entra().InjectWhile(func() bool { return true }, emulator.Fault{Status: 503})
		}, "entra", "passing problem", "try again"},
	})
}

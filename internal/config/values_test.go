package config

import (
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestAccepted sets one variable at a time to a good value, and checks the
// field of Config.
func TestAccepted(t *testing.T) {
	long := strings.Repeat("a", 127)
	cases := []struct {
		name, variable, value, want string
		got                         func(*Config) any
	}{
		{"ews url as is", "HMA_EWS_URL", "https://mail.contoso.com/EWS/Exchange.asmx", "https://mail.contoso.com/EWS/Exchange.asmx", func(c *Config) any { return c.EWS }},
		{"ews url without path", "HMA_EWS_URL", "https://mail.contoso.com", "https://mail.contoso.com/EWS/Exchange.asmx", func(c *Config) any { return c.EWS }},
		{"ews url with a lone slash", "HMA_EWS_URL", "https://mail.contoso.com/", "https://mail.contoso.com/EWS/Exchange.asmx", func(c *Config) any { return c.EWS }},
		{"ews url letter case of the path", "HMA_EWS_URL", "https://Mail.Contoso.com/ews/exchange.asmx", "https://mail.contoso.com/ews/exchange.asmx", func(c *Config) any { return c.EWS }},
		{"ews url with port", "HMA_EWS_URL", "https://mail.contoso.com:4443", "https://mail.contoso.com:4443/EWS/Exchange.asmx", func(c *Config) any { return c.EWS }},
		{"ews url of an IPv6 address", "HMA_EWS_URL", "https://[2001:db8::1]:444/", "https://[2001:db8::1]:444/EWS/Exchange.asmx", func(c *Config) any { return c.EWS }},
		{"ews url with an upper-case scheme", "HMA_EWS_URL", "HTTPS://mail.contoso.com", "https://mail.contoso.com/EWS/Exchange.asmx", func(c *Config) any { return c.EWS }},
		{"ews url amid white space", "HMA_EWS_URL", " https://mail.contoso.com\r\n", "https://mail.contoso.com/EWS/Exchange.asmx", func(c *Config) any { return c.EWS }},
		{"default resource drops the port", "HMA_EWS_URL", "https://mail.contoso.com:4443/", "https://mail.contoso.com", func(c *Config) any { return c.Resource }},
		{"default resource of an IPv6 address", "HMA_EWS_URL", "https://[2001:db8::1]:444", "https://[2001:db8::1]", func(c *Config) any { return c.Resource }},
		{"resource as is", "HMA_RESOURCE_ID", "https://mail.fabrikam.com", "https://mail.fabrikam.com", func(c *Config) any { return c.Resource }},
		{"resource keeps its slash", "HMA_RESOURCE_ID", "https://mail.fabrikam.com/", "https://mail.fabrikam.com/", func(c *Config) any { return c.Resource }},
		{"resource bare host", "HMA_RESOURCE_ID", "mail.fabrikam.com", "https://mail.fabrikam.com", func(c *Config) any { return c.Resource }},
		{"resource bare host with slash", "HMA_RESOURCE_ID", "mail.fabrikam.com/", "https://mail.fabrikam.com/", func(c *Config) any { return c.Resource }},
		{"tenant guid in lower case", "HMA_TENANT_ID", strings.ToUpper(appGUID), appGUID, func(c *Config) any { return c.Tenant }},
		{"tenant domain", "HMA_TENANT_ID", "Contoso.com", "contoso.com", func(c *Config) any { return c.Tenant }},
		{"vault tenant follows", "HMA_TENANT_ID", "contoso.com", "contoso.com", func(c *Config) any { return c.VaultTenant }},
		{"vault tenant of its own", "HMA_KEY_VAULT_TENANT_ID", "fabrikam.com", "fabrikam.com", func(c *Config) any { return c.VaultTenant }},
		{"app id", "HMA_APP_ID", strings.ToUpper(appGUID), appGUID, func(c *Config) any { return c.App }},
		{"vault app id", "HMA_KEY_VAULT_APP_ID", vaultGUID, vaultGUID, func(c *Config) any { return c.VaultApp }},
		{"vault uri loses its slash", "HMA_KEY_VAULT_URI", "https://kv.vault.usgovcloudapi.net/", "https://kv.vault.usgovcloudapi.net", func(c *Config) any { return c.VaultURI }},
		{"vault uri on loopback", "HMA_KEY_VAULT_URI", "https://127.0.0.1:9443", "https://127.0.0.1:9443", func(c *Config) any { return c.VaultURI }},
		{"cert name of full length", "HMA_KEY_VAULT_CERT_NAME", long, long, func(c *Config) any { return c.VaultCertName }},
		{"secret", "HMA_KEY_VAULT_CLIENT_SECRET", "a b=\"c\"", "a b=\"c\"", func(c *Config) any { return c.VaultSecret.Reveal() }},
		{"secret with a line break at its end", "HMA_KEY_VAULT_CLIENT_SECRET", "abc\n", "abc", func(c *Config) any { return c.VaultSecret.Reveal() }},
		{"secret in quotes is a secret with quotes", "HMA_KEY_VAULT_CLIENT_SECRET", `"abc"`, `"abc"`, func(c *Config) any { return c.VaultSecret.Reveal() }},
		{"key mode", "HMA_KEY_MODE", "vault", "vault", func(c *Config) any { return c.KeyMode }},
		{"poll interval at its least", "HMA_CERT_POLL_INTERVAL", "1s", "1s", func(c *Config) any { return c.CertPoll }},
		{"authority", "HMA_AUTHORITY_HOST", "https://login.sovcloud-identity.fr/", "https://login.sovcloud-identity.fr", func(c *Config) any { return c.Authority }},
		{"connect", "HMA_EWS_CONNECT", "10.1.2.3:443", "10.1.2.3:443", func(c *Config) any { return c.Connect }},
		{"connect IPv6", "HMA_EWS_CONNECT", "[2001:db8::1]:443", "[2001:db8::1]:443", func(c *Config) any { return c.Connect }},
		{"host names", "HMA_HOST_NAMES", "Proxy.Contoso.com, hma_proxy,10.0.0.1,2001:DB8::1,[::2]", "[proxy.contoso.com hma_proxy 10.0.0.1 [2001:db8::1] [::2]]", func(c *Config) any { return c.HostNames }},
		{"expect continue", "HMA_EXPECT_CONTINUE", "never", "never", func(c *Config) any { return c.ExpectContinue }},
		{"forward headers", "HMA_FORWARD_HEADERS", "x-correlation-id, X-Request-ID,x-correlation-id", "[X-Correlation-Id X-Request-Id]", func(c *Config) any { return c.ForwardHeaders }},
		{"allow-list", "HMA_ALLOWED_MAILBOXES", "alice@contoso.com, *@fabrikam.com", "2", func(c *Config) any { return len(c.AllowedMailboxes) }},
		{"default mailbox", "HMA_DEFAULT_MAILBOX", "room1@contoso.com", "room1@contoso.com", func(c *Config) any { return c.DefaultMailbox }},
		{"login user", "HMA_IMPERSONATE_LOGIN_USER", "true", "true", func(c *Config) any { return c.LoginUser }},
		{"admin off", "HMA_ADMIN_LISTEN", "off", "true", func(c *Config) any { return c.Admin.Off() }},
		{"admin beyond loopback", "HMA_ADMIN_LISTEN", "0.0.0.0:9090", "0.0.0.0:9090", func(c *Config) any { return c.Admin }},
		{"admin localhost", "HMA_ADMIN_LISTEN", "localhost:9090", "127.0.0.1:9090", func(c *Config) any { return c.Admin }},
		{"admin quit", "HMA_ADMIN_QUIT", "true", "true", func(c *Config) any { return c.AdminQuit }},
		{"log level", "HMA_LOG_LEVEL", "debug", "DEBUG", func(c *Config) any { return c.LogLevel.Level() }},
		{"log format", "HMA_LOG_FORMAT", "json", "json", func(c *Config) any { return c.LogFormat }},
		{"log file", "HMA_LOG_FILE", `C:\ProgramData\hmaproxy\log.txt`, `C:\ProgramData\hmaproxy\log.txt`, func(c *Config) any { return c.LogFile }},
		{"shutdown delay", "HMA_SHUTDOWN_DELAY", "5s", "5s", func(c *Config) any { return c.ShutdownDelay }},
		{"shutdown timeout zero", "HMA_SHUTDOWN_TIMEOUT", "0s", "0s", func(c *Config) any { return c.ShutdownTimeout }},
		{"CA file", "HMA_CA_FILE", "/two.pem", "2", func(c *Config) any { return len(c.CAs) }},
		{"TLS compatibility", "HMA_TLS_COMPATIBILITY", "cbc, classic-groups", "[cbc classic-groups]", func(c *Config) any { return c.TLSCompatibility }},
		{"listen socket with the longest path", "HMA_LISTEN", "unix:/" + strings.Repeat("s", maxSocketPath()-1), "/" + strings.Repeat("s", maxSocketPath()-1), func(c *Config) any { return c.Listen[0].Unix }},
		{"listen socket", "HMA_LISTEN", "unix:/run/hma/ews.sock", "/run/hma/ews.sock", func(c *Config) any { return c.Listen[0] }},
		{"listen all of 127/8", "HMA_LISTEN", "127.5.6.7:80", "127.5.6.7:80", func(c *Config) any { return c.Listen[0] }},
		{"client users file", "HMA_CLIENT_USERS_FILE", "/users", "/users", func(c *Config) any { return c.ClientUsersFile }},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			c := mustLoad(t, fromVault().with(vars{tc.variable: tc.value}))
			if got := fmt.Sprint(tc.got(c)); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

// TestRefused sets one variable at a time to a bad value, and checks that Load
// refuses it.
func TestRefused(t *testing.T) {
	cases := []struct{ name, variable, value, text string }{
		{"ews url http", "HMA_EWS_URL", "http://mail.contoso.com/EWS/Exchange.asmx", "https://"},
		{"ews url bare host", "HMA_EWS_URL", "mail.contoso.com", "https://"},
		{"ews url user", "HMA_EWS_URL", "https://user:pass@mail.contoso.com", "user name or password"},
		{"ews url query", "HMA_EWS_URL", "https://mail.contoso.com/EWS/Exchange.asmx?wsdl", "query"},
		{"ews url empty query", "HMA_EWS_URL", "https://mail.contoso.com/EWS/Exchange.asmx?", "query"},
		{"ews url empty fragment", "HMA_EWS_URL", "https://mail.contoso.com/#", "fragment"},
		{"ews url owa", "HMA_EWS_URL", "https://mail.contoso.com/owa", "path"},
		{"ews url directory", "HMA_EWS_URL", "https://mail.contoso.com/EWS/", "path"},
		{"ews url dot segments", "HMA_EWS_URL", "https://mail.contoso.com/owa/../EWS/Exchange.asmx", "path"},
		{"ews url encoded slash", "HMA_EWS_URL", "https://mail.contoso.com/EWS%2fExchange.asmx", "path"},
		{"ews url path below the endpoint", "HMA_EWS_URL", "https://mail.contoso.com/EWS/Exchange.asmx/wssecurity", "path"},
		{"ews url long s in the path", "HMA_EWS_URL", "https://mail.contoso.com/EWS/Exchange.aſmx", "path"},
		{"ews url no host", "HMA_EWS_URL", "https:///EWS/Exchange.asmx", "host"},
		{"ews url host with underscore", "HMA_EWS_URL", "https://mail_1.contoso.com", "host"},
		{"ews url host with final dot", "HMA_EWS_URL", "https://mail.contoso.com./", "host"},
		{"ews url host with Kelvin sign", "HMA_EWS_URL", "https://\u212aontoso.com", "host"},
		{"ews url host that looks like a number", "HMA_EWS_URL", "https://127.1", "host"},
		{"ews url host with a zone", "HMA_EWS_URL", "https://[fe80::1%25eth0]/", "host"},
		{"ews url port zero", "HMA_EWS_URL", "https://mail.contoso.com:0", "port"},
		{"ews url port too large", "HMA_EWS_URL", "https://mail.contoso.com:65536", "port"},
		{"ews url port empty", "HMA_EWS_URL", "https://mail.contoso.com:/", "port"},
		{"ews url with a comment behind", "HMA_EWS_URL", "https://mail.contoso.com   # ours", "a comment behind a value is part of the value"},
		{"ews url in quotes", "HMA_EWS_URL", `"https://mail.contoso.com"`, "quotes"},
		{"ews url with a line break", "HMA_EWS_URL", "https://mail.contoso.com\n/EWS/Exchange.asmx", "URL"},
		{"resource with path", "HMA_RESOURCE_ID", "https://mail.contoso.com/EWS/Exchange.asmx", "path"},
		{"resource as a scope", "HMA_RESOURCE_ID", "https://mail.contoso.com/.default", "/.default"},
		{"resource http", "HMA_RESOURCE_ID", "http://mail.contoso.com", "https://"},
		{"resource guid", "HMA_RESOURCE_ID", "00000002-0000-0ff1-ce00-000000000000", "GUID"},
		{"tenant common", "HMA_TENANT_ID", "Common", "any tenant"},
		{"tenant organizations", "HMA_TENANT_ID", "organizations", "any tenant"},
		{"tenant consumers", "HMA_TENANT_ID", "consumers", "any tenant"},
		{"tenant name", "HMA_TENANT_ID", "Contoso Ltd", "neither"},
		{"tenant with a slash", "HMA_TENANT_ID", "contoso.com/oauth2", "neither"},
		{"tenant address", "HMA_TENANT_ID", "10.0.0.1", "neither"},
		{"app id name", "HMA_APP_ID", "hma-app", "GUID"},
		{"app id in braces", "HMA_APP_ID", "{" + appGUID + "}", "GUID"},
		{"vault uri of a secret", "HMA_KEY_VAULT_URI", "https://contoso.vault.azure.net/secrets/HMA-Cert", "path"},
		{"vault uri http", "HMA_KEY_VAULT_URI", "http://contoso.vault.azure.net", "https://"},
		{"vault uri name", "HMA_KEY_VAULT_URI", "contoso", "https://"},
		{"cert name too long", "HMA_KEY_VAULT_CERT_NAME", strings.Repeat("a", 128), "127"},
		{"cert name with version", "HMA_KEY_VAULT_CERT_NAME", "HMA-Cert/0123456789abcdef", "version"},
		{"cert name with underscore", "HMA_KEY_VAULT_CERT_NAME", "HMA_Cert", "letters"},
		{"secret of two lines", "HMA_KEY_VAULT_CLIENT_SECRET", "one\ntwo", "line break"},
		{"vault auth", "HMA_KEY_VAULT_AUTH", "Secret", "secret, workload, managed or default"},
		{"key mode", "HMA_KEY_MODE", "hsm", "memory or vault"},
		{"poll interval too short", "HMA_CERT_POLL_INTERVAL", "999ms", "at least 1s"},
		{"poll interval negative", "HMA_CERT_POLL_INTERVAL", "-10m", "at least 1s"},
		{"poll interval without unit", "HMA_CERT_POLL_INTERVAL", "600", "unit"},
		{"authority with tenant", "HMA_AUTHORITY_HOST", "https://login.microsoftonline.com/contoso.com", "path"},
		{"connect without port", "HMA_EWS_CONNECT", "mailserver9", "host:port"},
		{"connect without host", "HMA_EWS_CONNECT", ":443", "host"},
		{"connect url", "HMA_EWS_CONNECT", "https://exchange01:443", "host:port"},
		{"connect named port", "HMA_EWS_CONNECT", "exchange01:https", "port"},
		{"connect padded port", "HMA_EWS_CONNECT", "exchange01:0443", "port"},
		{"listen port only", "HMA_LISTEN", ":8080", "every network"},
		{"listen number", "HMA_LISTEN", "8080", "address:port"},
		{"listen name", "HMA_LISTEN", "proxy.contoso.com:8080", "no other name"},
		{"listen localhost with final dot", "HMA_LISTEN", "localhost.:8080", "no other name"},
		{"listen short IPv4", "HMA_LISTEN", "127.1:8080", "IP address"},
		{"listen mapped IPv4", "HMA_LISTEN", "[::ffff:127.0.0.1]:8080", "IPv4"},
		{"listen mapped any", "HMA_LISTEN", "[::ffff:0.0.0.0]:8080", "IPv4"},
		{"listen port too large", "HMA_LISTEN", "127.0.0.1:65536", "port"},
		{"listen twice", "HMA_LISTEN", "127.0.0.1:8080,127.0.0.1:8080,localhost:8080", "twice"},
		{"listen empty entry", "HMA_LISTEN", "127.0.0.1:8080,", "entry 2 is empty"},
		{"listen socket with too long a path", "HMA_LISTEN", "unix:/" + strings.Repeat("s", maxSocketPath()), "longer"},
		{"listen relative socket", "HMA_LISTEN", "unix:ews.sock", "absolute"},
		{"listen every IPv4 network", "HMA_LISTEN", "0.0.0.0:8080", "leaves loopback"},
		{"listen every network", "HMA_LISTEN", "127.0.0.1:8080,[::]:8080", "leaves loopback"},
		{"listen network address", "HMA_LISTEN", "192.168.1.10:8080", "leaves loopback"},
		{"admin list", "HMA_ADMIN_LISTEN", "127.0.0.1:1,127.0.0.1:2", "list"},
		{"admin socket", "HMA_ADMIN_LISTEN", "unix:/run/admin.sock", "port"},
		{"admin port only", "HMA_ADMIN_LISTEN", ":8081", "every network"},
		{"admin on the clients' address", "HMA_ADMIN_LISTEN", "127.0.0.1:8080", "HMA_LISTEN too"},
		{"admin none", "HMA_ADMIN_LISTEN", "Off", "address:port"},
		{"host name with port", "HMA_HOST_NAMES", "proxy:8080", "port"},
		{"host name url", "HMA_HOST_NAMES", "http://proxy", "scheme"},
		{"host name wildcard", "HMA_HOST_NAMES", "*.contoso.com", "wildcard"},
		{"host name with final dot", "HMA_HOST_NAMES", "proxy.", "host name"},
		{"allow-list without pattern", "HMA_ALLOWED_MAILBOXES", "# none", ""},
		{"allow-list names only", "HMA_ALLOWED_MAILBOXES", "alice", ""},
		{"default mailbox name", "HMA_DEFAULT_MAILBOX", "Alice Doe <alice@contoso.com>", "is not a mail address"},
		{"default mailbox domain user", "HMA_DEFAULT_MAILBOX", `CONTOSO\alice`, "is not a mail address"},
		{"login user yes", "HMA_IMPERSONATE_LOGIN_USER", "yes", "true or false"},
		{"quit 1", "HMA_ADMIN_QUIT", "1", "true or false"},
		{"quit TRUE", "HMA_ADMIN_QUIT", "TRUE", "true or false"},
		{"log level verbose", "HMA_LOG_LEVEL", "verbose", "debug, info, warn or error"},
		{"log level slog arithmetic", "HMA_LOG_LEVEL", "INFO+2", "debug, info, warn or error"},
		{"log format", "HMA_LOG_FORMAT", "logfmt", "auto, text or json"},
		{"shutdown delay negative", "HMA_SHUTDOWN_DELAY", "-1s", "at least 0s"},
		{"path that is content", "HMA_CERT_FILE", "-----BEGIN\nCERTIFICATE", "not its content"},
		{"CA missing", "HMA_CA_FILE", "/nowhere", "does not exist"},
		{"CA not readable", "HMA_CA_FILE", "/denied", "not permitted"},
		{"CA empty", "HMA_CA_FILE", "/empty", "empty"},
		{"CA without PEM", "HMA_CA_FILE", "/text", "without a PEM block"},
		{"CA with a key", "HMA_CA_FILE", "/key.pem", "is not a certificate"},
		{"CA that does not parse", "HMA_CA_FILE", "/bad.pem", "cannot be parsed"},
		{"users file missing", "HMA_CLIENT_USERS_FILE", "/nowhere", "does not exist"},
		{"users file empty", "HMA_CLIENT_USERS_FILE", "/empty", "empty"},
		{"proxy ftp", "HTTPS_PROXY", "ftp://proxy:21", "kind of proxy"},
		{"proxy without host", "HTTPS_PROXY", "http:///", "host"},
		{"proxy with a bad port", "HTTPS_PROXY", "proxy:http", "URL"},
		{"proxy with a path", "HTTPS_PROXY", "http://proxy:3128/pac", "path"},
		{"proxy password not encoded", "HTTPS_PROXY", "http://user:pa%ss@proxy:3128", "percent-encoded"},
		{"lower-case proxy", "https_proxy", "ftp://proxy", "kind of proxy"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			env := fromVault().with(vars{tc.variable: tc.value})
			if tc.variable == "HMA_CERT_FILE" {
				env = fromFile().with(vars{tc.variable: tc.value})
			}
			p := problemsOf(t, env)
			wantProblem(t, p, upperASCII(tc.variable), tc.text)
			if strings.Contains(p.Error(), tc.value) && len(tc.value) > 6 {
				t.Errorf("the error holds the value: %v", p)
			}
		})
	}
}

func TestDefaults(t *testing.T) {
	c := mustLoad(t, fromVault())
	want := Listeners{
		{TCP: netip.MustParseAddrPort("127.0.0.1:8080")},
		{TCP: netip.MustParseAddrPort("[::1]:8080"), Optional: true},
	}
	if !slices.Equal(c.Listen, want) {
		t.Errorf("Listen = %v, want %v", c.Listen, want)
	}
	checks := map[string]bool{
		"resource":  c.Resource == "https://mail.contoso.com",
		"authority": c.Authority.String() == "https://login.microsoftonline.com",
		"auth":      c.VaultAuth == AuthSecret,
		"key mode":  c.KeyMode == KeyMemory,
		"poll":      c.CertPoll == 10*time.Minute,
		"admin":     c.Admin.String() == "127.0.0.1:8081",
		"list":      !c.Limited() && c.ListMode == Enforce && c.ListScope == Impersonated,
		"log":       c.LogLevel.Level() == slog.LevelInfo && c.LogFormat == LogAuto,
		"shutdown":  c.ShutdownDelay == 0 && c.ShutdownTimeout == 30*time.Second,
		"source":    c.FromVault(),
		"switches":  !c.LoginUser && !c.AdminQuit && !c.UnsafeListenAny,
	}
	for name, ok := range checks {
		if !ok {
			t.Errorf("default of %s is wrong: %+v", name, c)
		}
	}
}

func TestListenLocalhost(t *testing.T) {
	c := mustLoad(t, fromVault().with(vars{"HMA_LISTEN": "localhost:9000,[::1]:9001,unix:/run/ews.sock"}))
	want := Listeners{
		{TCP: netip.MustParseAddrPort("127.0.0.1:9000")},
		{TCP: netip.MustParseAddrPort("[::1]:9000"), Optional: true},
		{TCP: netip.MustParseAddrPort("[::1]:9001")}, // not optional, because it was given as an address
		{Unix: "/run/ews.sock"},
	}
	if !slices.Equal(c.Listen, want) {
		t.Errorf("Listen = %v, want %v", c.Listen, want)
	}
	if c.Listen[3].Network() != "unix" || c.Listen[0].Network() != "tcp" {
		t.Errorf("networks are %s and %s", c.Listen[3].Network(), c.Listen[0].Network())
	}
}

package config

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write generated files instead of comparing them")

// fromFile is the smallest environment with a certificate from a file.
func fromFile() vars {
	return fromVault().with(vars{
		"HMA_CERT_FILE": "/ca.pem", "HMA_KEY_VAULT_URI": "-", "HMA_KEY_VAULT_CERT_NAME": "-",
		"HMA_KEY_VAULT_APP_ID": "-", "HMA_KEY_VAULT_CLIENT_SECRET": "-",
	})
}

// TestRulesAboutSeveralVariables checks rules about several variables. A case
// without the name of a variable expects no problem.
func TestRulesAboutSeveralVariables(t *testing.T) {
	list := vars{"HMA_ALLOWED_MAILBOXES": "alice@contoso.com,*@fabrikam.com"}
	cases := []struct {
		name           string
		env            vars
		variable, text string
	}{
		{"file alone", fromFile(), "", ""},
		{"file with password", fromFile().with(vars{"HMA_CERT_PASSWORD": "pw"}), "", ""},
		{"file with password file", fromFile().with(vars{"HMA_CERT_PASSWORD_FILE": "/secret"}), "", ""},
		{"file missing", fromFile().with(vars{"HMA_CERT_FILE": "/nowhere"}), "HMA_CERT_FILE", "does not exist"},
		{"file and vault", fromVault().with(vars{"HMA_CERT_FILE": "/ca.pem"}), "HMA_CERT_FILE", "together with HMA_KEY_VAULT_URI, HMA_KEY_VAULT_CERT_NAME"},
		{"file and vault auth only", fromFile().with(vars{"HMA_KEY_VAULT_AUTH": "managed"}), "HMA_CERT_FILE", "together with HMA_KEY_VAULT_AUTH;"},
		{"neither file nor vault", fromFile().with(vars{"HMA_CERT_FILE": "-"}), "HMA_KEY_VAULT_URI", "neither is HMA_CERT_FILE"},
		{"file with keys in the vault", fromFile().with(vars{"HMA_KEY_MODE": "vault"}), "HMA_KEY_MODE", "from a file"},
		{"password without file", fromVault().with(vars{"HMA_CERT_PASSWORD": "pw"}), "HMA_CERT_PASSWORD", "no effect without HMA_CERT_FILE"},
		{"password twice", fromFile().with(vars{"HMA_CERT_PASSWORD": "pw", "HMA_CERT_PASSWORD_FILE": "/secret"}), "HMA_CERT_PASSWORD_FILE", "one of the two"},
		{"vault without uri", fromVault().with(vars{"HMA_KEY_VAULT_URI": "-"}), "HMA_KEY_VAULT_URI", "required"},
		{"vault without cert name", fromVault().with(vars{"HMA_KEY_VAULT_CERT_NAME": "-"}), "HMA_KEY_VAULT_CERT_NAME", "required"},
		{"vault without app id", fromVault().with(vars{"HMA_KEY_VAULT_APP_ID": "-"}), "HMA_KEY_VAULT_APP_ID", "required"},
		{"vault without secret", fromVault().with(vars{"HMA_KEY_VAULT_CLIENT_SECRET": "-"}), "HMA_KEY_VAULT_CLIENT_SECRET", "required"},
		{"vault with secret file", fromVault().with(vars{"HMA_KEY_VAULT_CLIENT_SECRET": "-", "HMA_KEY_VAULT_CLIENT_SECRET_FILE": "/secret"}), "", ""},
		{"vault with secret twice", fromVault().with(vars{"HMA_KEY_VAULT_CLIENT_SECRET_FILE": "/secret"}), "HMA_KEY_VAULT_CLIENT_SECRET_FILE", "one of the two"},
		{"vault with empty secret file", fromVault().with(vars{"HMA_KEY_VAULT_CLIENT_SECRET": "-", "HMA_KEY_VAULT_CLIENT_SECRET_FILE": "/blank"}), "HMA_KEY_VAULT_CLIENT_SECRET_FILE", "empty"},
		{"vault with missing secret file", fromVault().with(vars{"HMA_KEY_VAULT_CLIENT_SECRET": "-", "HMA_KEY_VAULT_CLIENT_SECRET_FILE": "/nowhere"}), "HMA_KEY_VAULT_CLIENT_SECRET_FILE", "does not exist"},
		{"vault with secret file of two lines", fromVault().with(vars{"HMA_KEY_VAULT_CLIENT_SECRET": "-", "HMA_KEY_VAULT_CLIENT_SECRET_FILE": "/lines"}), "HMA_KEY_VAULT_CLIENT_SECRET_FILE", "line break"},
		{"vault with secret file in UTF-16", fromVault().with(vars{"HMA_KEY_VAULT_CLIENT_SECRET": "-", "HMA_KEY_VAULT_CLIENT_SECRET_FILE": "/utf16"}), "HMA_KEY_VAULT_CLIENT_SECRET_FILE", "UTF-16"},
		{"vault with secret file in Latin-1", fromVault().with(vars{"HMA_KEY_VAULT_CLIENT_SECRET": "-", "HMA_KEY_VAULT_CLIENT_SECRET_FILE": "/latin1"}), "HMA_KEY_VAULT_CLIENT_SECRET_FILE", "UTF-8"},
		{"managed with nothing", fromVault().with(vars{"HMA_KEY_VAULT_AUTH": "managed", "HMA_KEY_VAULT_CLIENT_SECRET": "-", "HMA_KEY_VAULT_APP_ID": "-"}), "", ""},
		{"managed with app id", fromVault().with(vars{"HMA_KEY_VAULT_AUTH": "managed", "HMA_KEY_VAULT_CLIENT_SECRET": "-"}), "", ""},
		{"managed with secret", fromVault().with(vars{"HMA_KEY_VAULT_AUTH": "managed"}), "HMA_KEY_VAULT_CLIENT_SECRET", "no effect with HMA_KEY_VAULT_AUTH=managed"},
		{"workload with app id", fromVault().with(vars{"HMA_KEY_VAULT_AUTH": "workload", "HMA_KEY_VAULT_CLIENT_SECRET": "-"}), "", ""},
		{"workload with secret file", fromVault().with(vars{"HMA_KEY_VAULT_AUTH": "workload", "HMA_KEY_VAULT_CLIENT_SECRET": "-", "HMA_KEY_VAULT_CLIENT_SECRET_FILE": "/secret"}), "HMA_KEY_VAULT_CLIENT_SECRET_FILE", "no effect"},
		{"default with app id", fromVault().with(vars{"HMA_KEY_VAULT_AUTH": "default", "HMA_KEY_VAULT_CLIENT_SECRET": "-"}), "HMA_KEY_VAULT_APP_ID", "no effect"},
		{"default with nothing", fromVault().with(vars{"HMA_KEY_VAULT_AUTH": "default", "HMA_KEY_VAULT_CLIENT_SECRET": "-", "HMA_KEY_VAULT_APP_ID": "-"}), "", ""},
		{"keys in the vault", fromVault().with(vars{"HMA_KEY_MODE": "vault"}), "", ""},

		{"network with users", fromVault().with(vars{"HMA_LISTEN": "0.0.0.0:8080", "HMA_UNSAFE_LISTEN_ANY": "true", "HMA_CLIENT_USERS_FILE": "/users"}), "", ""},
		{"network without users", fromVault().with(vars{"HMA_LISTEN": "0.0.0.0:8080", "HMA_UNSAFE_LISTEN_ANY": "true"}), "HMA_CLIENT_USERS_FILE", "required with HMA_UNSAFE_LISTEN_ANY"},
		{"network with users but no word", fromVault().with(vars{"HMA_LISTEN": "0.0.0.0:8080", "HMA_CLIENT_USERS_FILE": "/users"}), "HMA_LISTEN", "HMA_UNSAFE_LISTEN_ANY=true"},
		{"network with the word false", fromVault().with(vars{"HMA_LISTEN": "0.0.0.0:8080", "HMA_UNSAFE_LISTEN_ANY": "false", "HMA_CLIENT_USERS_FILE": "/users"}), "HMA_LISTEN", "leaves loopback"},
		{"any port twice", fromVault().with(vars{"HMA_LISTEN": "127.0.0.1:0", "HMA_ADMIN_LISTEN": "127.0.0.1:0"}), "", ""},
		{"tls", fromVault().with(vars{"HMA_TLS_CERT_FILE": "/tls.pem", "HMA_TLS_KEY_FILE": "/tls-key.pem"}), "", ""},
		{"tls certificate alone", fromVault().with(vars{"HMA_TLS_CERT_FILE": "/tls.pem"}), "HMA_TLS_KEY_FILE", "required with HMA_TLS_CERT_FILE"},
		{"two tls pairs", fromVault().with(vars{"HMA_TLS_CERT_FILE": "/tls.pem, /tls.pem", "HMA_TLS_KEY_FILE": "/tls-key.pem,/tls-key.pem"}), "", ""},
		{"tls list with an empty entry", fromVault().with(vars{"HMA_TLS_CERT_FILE": "/tls.pem,", "HMA_TLS_KEY_FILE": "/tls-key.pem"}), "HMA_TLS_CERT_FILE", "empty entry 2"},
		{"tls pair without a key", fromVault().with(vars{"HMA_TLS_CERT_FILE": "/tls.pem,/ca.pem", "HMA_TLS_KEY_FILE": "/tls-key.pem"}), "HMA_TLS_CERT_FILE", "number of entries"},
		{"second tls pair that does not fit", fromVault().with(vars{"HMA_TLS_CERT_FILE": "/tls.pem,/ca.pem", "HMA_TLS_KEY_FILE": "/tls-key.pem,/secret"}), "HMA_TLS_CERT_FILE", "has entry 2"},
		{"second tls key that does not exist", fromVault().with(vars{"HMA_TLS_CERT_FILE": "/tls.pem,/ca.pem", "HMA_TLS_KEY_FILE": "/tls-key.pem,/nowhere"}), "HMA_TLS_KEY_FILE", "has entry 2, which names a file that does not exist"},
		{"tls key alone", fromVault().with(vars{"HMA_TLS_KEY_FILE": "/tls-key.pem"}), "HMA_TLS_CERT_FILE", "required with HMA_TLS_KEY_FILE"},

		{"list with everything", fromVault().with(list).with(vars{"HMA_ALLOW_LIST_MODE": "audit", "HMA_ALLOW_LIST_SCOPE": "targets", "HMA_ALLOWED_OPERATIONS": "+AddDelegate", "HMA_DEFAULT_MAILBOX": "alice@contoso.com"}), "", ""},
		{"list from a file", fromVault().with(vars{"HMA_ALLOWED_MAILBOXES_FILE": "/mailboxes", "HMA_DEFAULT_MAILBOX": "bob@fabrikam.com"}), "", ""},
		{"list twice", fromVault().with(list).with(vars{"HMA_ALLOWED_MAILBOXES_FILE": "/mailboxes"}), "HMA_ALLOWED_MAILBOXES_FILE", "one of the two"},
		{"list empty", fromVault().with(vars{"HMA_ALLOWED_MAILBOXES": ""}), "HMA_ALLOWED_MAILBOXES", "set but empty"},
		{"list blank", fromVault().with(vars{"HMA_ALLOWED_MAILBOXES": " \n"}), "HMA_ALLOWED_MAILBOXES", "set but empty"},
		{"list file name empty", fromVault().with(vars{"HMA_ALLOWED_MAILBOXES_FILE": ""}), "HMA_ALLOWED_MAILBOXES_FILE", "set but empty"},
		{"list file empty", fromVault().with(vars{"HMA_ALLOWED_MAILBOXES_FILE": "/empty"}), "HMA_ALLOWED_MAILBOXES_FILE", "empty"},
		{"list file blank", fromVault().with(vars{"HMA_ALLOWED_MAILBOXES_FILE": "/blank"}), "HMA_ALLOWED_MAILBOXES_FILE", "empty"},
		{"list file with comments only", fromVault().with(vars{"HMA_ALLOWED_MAILBOXES_FILE": "/comments"}), "HMA_ALLOWED_MAILBOXES_FILE", "list"},
		{"list file missing", fromVault().with(vars{"HMA_ALLOWED_MAILBOXES_FILE": "/nowhere"}), "HMA_ALLOWED_MAILBOXES_FILE", "does not exist"},
		{"list file in UTF-16", fromVault().with(vars{"HMA_ALLOWED_MAILBOXES_FILE": "/utf16"}), "HMA_ALLOWED_MAILBOXES_FILE", "UTF-16"},
		{"list file in UTF-16 without mark", fromVault().with(vars{"HMA_ALLOWED_MAILBOXES_FILE": "/utf16be"}), "HMA_ALLOWED_MAILBOXES_FILE", "UTF-16"},
		{"default mailbox off the list", fromVault().with(list).with(vars{"HMA_DEFAULT_MAILBOX": "mallory@contoso.com"}), "HMA_DEFAULT_MAILBOX", "not on the allow-list"},
		{"default mailbox off the list in audit mode", fromVault().with(list).with(vars{"HMA_ALLOW_LIST_MODE": "audit", "HMA_DEFAULT_MAILBOX": "mallory@contoso.com"}), "HMA_DEFAULT_MAILBOX", "not on the allow-list"},
		{"mode without a list", fromVault().with(vars{"HMA_ALLOW_LIST_MODE": "enforce"}), "HMA_ALLOW_LIST_MODE", "needs an allow-list"},
		{"strict ids", fromVault().with(vars{"HMA_ALLOWED_MAILBOXES": "alice@contoso.com, guid:4a3bfe7a-0a60-4d27-a21a-6c1dfd14e3a4", "HMA_ALLOW_LIST_SCOPE": "targets", "HMA_ALLOW_LIST_IDS": "strict"}), "", ""},
		{"strict ids without the scope", fromVault().with(vars{"HMA_ALLOWED_MAILBOXES": "alice@contoso.com, guid:4a3bfe7a-0a60-4d27-a21a-6c1dfd14e3a4", "HMA_ALLOW_LIST_IDS": "strict"}), "HMA_ALLOW_LIST_IDS", "needs HMA_ALLOW_LIST_SCOPE=targets"},
		{"strict ids without GUIDs", fromVault().with(vars{"HMA_ALLOWED_MAILBOXES": "alice@contoso.com", "HMA_ALLOW_LIST_SCOPE": "targets", "HMA_ALLOW_LIST_IDS": "strict"}), "HMA_ALLOW_LIST_IDS", "begins with guid:"},
		{"ids without a list", fromVault().with(vars{"HMA_ALLOW_LIST_IDS": "known"}), "HMA_ALLOW_LIST_IDS", "needs an allow-list"},
		{"groups", fromVault().with(vars{"HMA_ALLOWED_GROUPS": "erp@contoso.com, team@contoso.com", "HMA_ALLOWED_GROUPS_AS": "reader@contoso.com"}), "", ""},
		{"groups with a default mailbox", fromVault().with(vars{"HMA_ALLOWED_GROUPS": "erp@contoso.com", "HMA_DEFAULT_MAILBOX": "alice@contoso.com", "HMA_ALLOW_LIST_MODE": "audit"}), "", ""},
		{"groups and a list", fromVault().with(vars{"HMA_ALLOWED_GROUPS": "erp@contoso.com", "HMA_ALLOWED_GROUPS_AS": "reader@contoso.com", "HMA_ALLOWED_MAILBOXES": "alice@contoso.com"}), "", ""},
		{"groups without a mailbox to act as", fromVault().with(vars{"HMA_ALLOWED_GROUPS": "erp@contoso.com"}), "HMA_ALLOWED_GROUPS", "needs a mailbox to act as"},
		{"a group that is not an address", fromVault().with(vars{"HMA_ALLOWED_GROUPS": "erp", "HMA_ALLOWED_GROUPS_AS": "reader@contoso.com"}), "HMA_ALLOWED_GROUPS", "is not a mail address"},
		{"a mailbox to act as without groups", fromVault().with(vars{"HMA_ALLOWED_GROUPS_AS": "reader@contoso.com"}), "HMA_ALLOWED_GROUPS_AS", "needs HMA_ALLOWED_GROUPS"},
		{"groups and every mailbox", fromVault().with(vars{"HMA_ALLOWED_GROUPS": "erp@contoso.com", "HMA_ALLOWED_GROUPS_AS": "reader@contoso.com", "HMA_ALLOWED_MAILBOXES": "*"}), "HMA_ALLOWED_GROUPS", "cannot narrow"},
		{"addresses without a list", fromVault().with(vars{"HMA_ALLOW_LIST_ADDRESSES": "primary"}), "HMA_ALLOW_LIST_ADDRESSES", "needs an allow-list"},
		{"scope without a list", fromVault().with(vars{"HMA_ALLOW_LIST_SCOPE": "targets"}), "HMA_ALLOW_LIST_SCOPE", "needs an allow-list"},
		{"operations without a list", fromVault().with(vars{"HMA_ALLOWED_OPERATIONS": "GetItem"}), "HMA_ALLOWED_OPERATIONS", "needs an allow-list"},
		{"unknown operation", fromVault().with(list).with(vars{"HMA_ALLOWED_OPERATIONS": "GetItemz"}), "HMA_ALLOWED_OPERATIONS", "is not a valid list"},
		{"empty mode", fromVault().with(list).with(vars{"HMA_ALLOW_LIST_MODE": ""}), "HMA_ALLOW_LIST_MODE", "set but empty"},
		{"empty required", fromVault().with(vars{"HMA_EWS_URL": ""}), "HMA_EWS_URL", "set but empty"},
		{"required unset", fromVault().with(vars{"HMA_TENANT_ID": "-"}), "HMA_TENANT_ID", "required and not set"},
		{"empty proxy is not a proxy", fromVault().with(vars{"HTTPS_PROXY": "", "NO_PROXY": "", "https_proxy": ""}), "", ""},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			if tc.variable == "" {
				mustLoad(t, tc.env)
				return
			}
			wantProblem(t, problemsOf(t, tc.env), tc.variable, tc.text)
		})
	}
}

// TestEveryEmptyVariable checks that an empty HMA_ variable, for example from a
// template, is an error. An empty variable must not mean the default or no
// protection.
func TestEveryEmptyVariable(t *testing.T) {
	for _, v := range variables() {
		if !strings.HasPrefix(v.name, "HMA_") {
			continue
		}
		p := problemsOf(t, fromVault().with(vars{v.name: ""}))
		if !slices.ContainsFunc(p.All, func(x Problem) bool { return x.Variable == v.name && strings.Contains(x.Text, "set but empty") }) {
			t.Errorf("%s: %v", v.name, p)
		}
	}
}

// TestAllProblemsAtOnce compares the whole text of the error for an environment
// with many mistakes.
func TestAllProblemsAtOnce(t *testing.T) {
	p := problemsOf(t, vars{
		"HMA_EWS_URL":                      "http://mail.contoso.com",
		"HMA_AUTHORITY_HOST":               "https://login.microsoftonline.com/common",
		"HMA_APP_ID":                       "",
		"HMA_KEY_VAULT_KEY_NAME":           "HMA-Cert",
		"HMA_KEY_VAULT_URI":                "https://contoso.vault.azure.net",
		"HMA_KEY_VAULT_CLIENT_SECRET":      "abc",
		"HMA_KEY_VAULT_CLIENT_SECRET_FILE": "/secret",
		"HMA_LISTEN":                       "0.0.0.0:8080",
		"HMA_HOST_NAMES":                   "proxy:8080,hma,,*.contoso.com",
		"HMA_ALLOW_LIST_MODE":              "audit",
		"HMA_CERT_POLL_INTERVAL":           "10ms",
		"HMA_LOG_LEVEL":                    "loud",
		"hma_allowed_mailboxes":            "alice@contoso.com",
		"HMA_SECRET:hunter2":               "",
	})
	compare(t, "testdata/problems.txt", []byte(p.Error()+"\n"))
}

// compare checks got against a file, or writes the file with -update.
func compare(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is out of date (go generate ./internal/config); got:\n%s", file, got)
	}
}

func TestLastEntryWins(t *testing.T) {
	environ := append(fromVault().environ(), "HMA_EWS_URL=https://other.contoso.com", "=C:=C:\\", "NOEQUALS")
	c, err := Load(environ, testFiles(t).read)
	if err != nil || c.EWS.Host != "other.contoso.com" {
		t.Errorf("Load = %v, %v", c, err)
	}
}

func TestRereadFiles(t *testing.T) {
	read := testFiles(t).read
	c := mustLoad(t, fromVault().with(vars{
		"HMA_KEY_VAULT_CLIENT_SECRET": "-", "HMA_KEY_VAULT_CLIENT_SECRET_FILE": "/secret", "HMA_ALLOWED_MAILBOXES_FILE": "/mailboxes",
	}))
	secret, err := ReadSecret(read, c.VaultSecretFile)
	if err != nil || secret != c.VaultSecret || secret.Reveal() != "file~secret" {
		t.Errorf("ReadSecret = %q, %v", secret.Reveal(), err)
	}
	list, err := ReadMailboxes(read, c.AllowedMailboxesFile)
	if err != nil || len(list) != 2 || len(c.AllowedMailboxes) != 2 {
		t.Errorf("ReadMailboxes = %v, %v", list, err)
	}
	if len(c.SecretVariables()) != 0 {
		t.Errorf("SecretVariables = %v, want none: the environment holds paths only", c.SecretVariables())
	}
}

// TestSecretsDoNotPrint formats a whole Config with fmt, slog and encoding/json, and
// checks that the result contains no secret.
func TestSecretsDoNotPrint(t *testing.T) {
	const canary = "c4n4ry"
	fromVault := mustLoad(t, fromVault().with(vars{
		"HMA_KEY_VAULT_CLIENT_SECRET": canary, "HTTPS_PROXY": "http://user:" + canary + "@proxy:3128",
	}))
	fromFile := mustLoad(t, fromFile().with(vars{"HMA_CERT_PASSWORD": canary}))
	for _, c := range []*Config{fromVault, fromFile} {
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("configuration", "all", c, "secret", c.VaultSecret, "password", c.CertPassword, "proxy", c.HTTPSProxy)
		text, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		all := fmt.Sprintf("%v %+v %#v %q %x %s %s", c, c, *c, c.VaultSecret, c.CertPassword, text, log.String())
		hex := fmt.Sprintf("%x", canary)
		if strings.Contains(all, canary) || strings.Contains(all, hex) {
			t.Errorf("a secret prints: %s", all)
		}
	}
	if got, want := fmt.Sprint(fromVault.SecretVariables(), fromFile.SecretVariables()), "[HMA_KEY_VAULT_CLIENT_SECRET] [HMA_CERT_PASSWORD]"; got != want {
		t.Errorf("SecretVariables = %s, want %s", got, want)
	}
}

func TestProxy(t *testing.T) {
	c := mustLoad(t, fromVault().with(vars{
		"HTTPS_PROXY": "upper:1", "https_proxy": "http://user:pw@hma_proxy:3128", "NO_PROXY": "vault.azure.net",
	}))
	cases := map[string]string{
		"https://mail.contoso.com/EWS/Exchange.asmx": "http://user:pw@hma_proxy:3128",
		"https://contoso.vault.azure.net/":           "",
		"https://127.0.0.1:9443/":                    "",
		"http://169.254.169.254/metadata":            "",
	}
	for target, want := range cases {
		u, err := url.Parse(target)
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.Proxy()(u)
		if err != nil || (got == nil) != (want == "") || got != nil && got.String() != want {
			t.Errorf("proxy for %s is %v, %v; want %q", target, got, err, want)
		}
	}
	if c.HTTPSProxy.String() != "http://hma_proxy:3128" {
		t.Errorf("String = %s", c.HTTPSProxy)
	}
	none := mustLoad(t, fromVault())
	if u, err := none.Proxy()(&url.URL{Scheme: "https", Host: "mail.contoso.com"}); u != nil || err != nil {
		t.Errorf("without HTTPS_PROXY: %v, %v", u, err)
	}
}

// TestForeignErrors checks that the text of an error from another package is
// not shown, because the text may quote a value.
func TestForeignErrors(t *testing.T) {
	_, err := strconv.Atoi("hunter2")
	if err == nil || !strings.Contains(err.Error(), "hunter2") {
		t.Fatalf("Atoi = %v, want an error that quotes its input", err)
	}
	if got := flawOf(err); got != "is not valid" {
		t.Errorf("flawOf = %q", got)
	}
	if name, text := parseFault(err, environment{}, nil); name != "environment" || text != "cannot be parsed" {
		t.Errorf("parseFault = %q, %q", name, text)
	}
}

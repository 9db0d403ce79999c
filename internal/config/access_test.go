package config

import (
	"io/fs"
	"strings"
	"testing"
)

// TestEveryMailboxOnPurpose checks that HMA_ALLOWED_MAILBOXES=* is the only
// value that allows every mailbox.
func TestEveryMailboxOnPurpose(t *testing.T) {
	c := mustLoad(t, fromVault().with(vars{"HMA_ALLOWED_MAILBOXES": " * "}))
	if c.Access() != AccessEvery || c.Limited() || c.NoListAlarm() != "" || c.Warnings() != nil || c.Access().String() != "every mailbox, on purpose" {
		t.Errorf("access %v, limited %v, alarm %q, warnings %q", c.Access(), c.Limited(), c.NoListAlarm(), c.Warnings())
	}
	f := testFiles(t)
	f["/star"], f["/star-too"] = []byte("*\n"), []byte("alice@contoso.com\n*, bob@contoso.com # all\n")
	for _, tc := range []struct {
		name           string
		env            vars
		variable, text string
	}{
		{"with an address", vars{"HMA_ALLOWED_MAILBOXES": "*,alice@contoso.com"}, "HMA_ALLOWED_MAILBOXES", "* alone"},
		{"twice", vars{"HMA_ALLOWED_MAILBOXES": "*,*"}, "HMA_ALLOWED_MAILBOXES", "* alone"},
		{"with a comment", vars{"HMA_ALLOWED_MAILBOXES": "* # all"}, "HMA_ALLOWED_MAILBOXES", "* alone"},
		{"in quotes", vars{"HMA_ALLOWED_MAILBOXES": `"*"`}, "HMA_ALLOWED_MAILBOXES", "quotes"},
		{"every address", vars{"HMA_ALLOWED_MAILBOXES": "*@*"}, "HMA_ALLOWED_MAILBOXES", "is not a valid list"},
		{"two stars", vars{"HMA_ALLOWED_MAILBOXES": "**"}, "HMA_ALLOWED_MAILBOXES", "is not a valid list"},
		{"all", vars{"HMA_ALLOWED_MAILBOXES": "all"}, "HMA_ALLOWED_MAILBOXES", "is not a valid list"},
		{"in a list file", vars{"HMA_ALLOWED_MAILBOXES_FILE": "/star"}, "HMA_ALLOWED_MAILBOXES_FILE", "* alone"},
		{"in a longer list file", vars{"HMA_ALLOWED_MAILBOXES_FILE": "/star-too"}, "HMA_ALLOWED_MAILBOXES_FILE", "* alone"},
		{"next to a list file", vars{"HMA_ALLOWED_MAILBOXES": "*", "HMA_ALLOWED_MAILBOXES_FILE": "/mailboxes"}, "HMA_ALLOWED_MAILBOXES_FILE", "one of the two"},
		{"with a mode", vars{"HMA_ALLOWED_MAILBOXES": "*", "HMA_ALLOW_LIST_MODE": "enforce"}, "HMA_ALLOW_LIST_MODE", "which HMA_ALLOWED_MAILBOXES=* is not"},
		{"with a scope", vars{"HMA_ALLOWED_MAILBOXES": "*", "HMA_ALLOW_LIST_SCOPE": "targets"}, "HMA_ALLOW_LIST_SCOPE", "which HMA_ALLOWED_MAILBOXES=* is not"},
		{"with operations", vars{"HMA_ALLOWED_MAILBOXES": "*", "HMA_ALLOWED_OPERATIONS": "GetItem"}, "HMA_ALLOWED_OPERATIONS", "which HMA_ALLOWED_MAILBOXES=* is not"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Load(fromVault().with(tc.env).environ(), f.read)
			if err == nil || !strings.HasPrefix(err.Error(), tc.variable+": ") || !strings.Contains(err.Error(), tc.text) || strings.Contains(err.Error(), "\n") {
				t.Errorf("Load: %v; want one problem of %s that says %q", err, tc.variable, tc.text)
			}
		})
	}
}

func TestAccess(t *testing.T) {
	for _, tc := range []struct {
		name  string
		env   vars
		want  Access
		alarm string
	}{
		{"nothing", vars{}, AccessUnlimited, "no allow-list is set: clients"},
		{"a list", vars{"HMA_ALLOWED_MAILBOXES": "alice@contoso.com"}, AccessListed, ""},
		{"a list in audit mode", vars{"HMA_ALLOWED_MAILBOXES": "alice@contoso.com", "HMA_ALLOW_LIST_MODE": "audit"}, AccessListed, ""},
		{"some users with patterns", vars{"HMA_CLIENT_USERS_FILE": "/users"}, AccessUnlimited, "no allow-list is set, and users"},
		{"all users with patterns", vars{"HMA_CLIENT_USERS_FILE": "/narrow-users"}, AccessListed, ""},
		{"on purpose, some users with patterns", vars{"HMA_ALLOWED_MAILBOXES": "*", "HMA_CLIENT_USERS_FILE": "/users"}, AccessEvery, ""},
		{"on purpose, all users with patterns", vars{"HMA_ALLOWED_MAILBOXES": "*", "HMA_CLIENT_USERS_FILE": "/narrow-users"}, AccessListed, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := mustLoad(t, fromVault().with(tc.env))
			if c.Access() != tc.want || !strings.HasPrefix(c.NoListAlarm(), tc.alarm) || (c.NoListAlarm() == "") != (tc.alarm == "") {
				t.Errorf("access %v, alarm %q", c.Access(), c.NoListAlarm())
			}
		})
	}
}

// likeEntra is a made-up secret in the form that Microsoft's credential scanner
// looks for: 3 characters, "7" or "8", "Q~", 34 characters.
const likeEntra = "abc8" + "Q~abcdefghijklmnopqrstuvwxyz0123.-_~"

func TestAlteredSecrets(t *testing.T) {
	for name, tc := range map[string]struct{ secret, text string }{
		"quotes":                 {`"` + likeEntra + `"`, "quotation mark"},
		"single quotes":          {"'" + likeEntra + "'", "quotation mark"},
		"a quote at the end":     {likeEntra + `"`, "quotation mark"},
		"typographic quotes":     {"“" + likeEntra + "”", "quotation mark"},
		"comment":                {likeEntra + " # until May", "comment"},
		"comment behind a tab":   {likeEntra + "\t# until May", ""}, // refused: a tab is a control character
		"variable":               {"${CLIENT_SECRET}", "not replaced"},
		"variable, short":        {"$CLIENT_SECRET", "not replaced"},
		"variable of Windows":    {"%CLIENT_SECRET%", "not replaced"},
		"variable of a template": {"{{ .Values.clientSecret }}", "not replaced"},
		"variable of releases":   {"#{ClientSecret}#", "not replaced"},
		"App Service":            {"@Microsoft.KeyVault(SecretUri=https://contoso.vault.azure.net/secrets/x)", "not replaced"},
		"command":                {"$(cat client-secret)", "not replaced"},
		"the example's":          {"replace-me", "placeholder"},
		"the README's":           {"the secret's value, not its id", "placeholder"},
		"change me":              {"CHANGEME", "placeholder"},
		"your secret":            {"your-client-secret", "placeholder"},
		"brackets":               {"<client secret>", "placeholder"},
		"stars":                  {"********", "placeholder"},
		"crosses":                {"xxxxxxxx", "placeholder"},
		"redacted":               {"[redacted]", "placeholder"},
		"its name":               {"client_secret", "placeholder"},
		"whole line":             {"HMA_KEY_VAULT_CLIENT_SECRET=" + likeEntra, "whole line"},
		"whole line, exported":   {"export HMA_KEY_VAULT_CLIENT_SECRET=" + likeEntra, "whole line"},
		"whole line of others":   {"CLIENT_SECRET=" + likeEntra, "whole line"},
		"YAML":                   {"client-secret: " + likeEntra, "whole line"},
		"id":                     {vaultGUID, "GUID"},
		"base64":                 {"YWJjOFF+YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXowMTIzLi1ffg==", "base64"},
		"base64 with line break": {"YWJjOFF+YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXowMTIzLi1ffgo=", "base64"},
		"blank inside":           {likeEntra + " x", "no client secret"},
		"intact":                 {likeEntra, ""},
		"intact, of 2019":        {"Ab1:cD2@eF3/gH4=iJ5?kL6[mN7]oP8*", ""},
		"intact, base64 of 2016": {"dGhpcyBpcyBub3QgYSByZWFsIHNlY3JldCBhdCBhbGw=", ""},
		"the emulator's":         {"emulator~client-secret", ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := testFiles(t)
			f["/altered"] = []byte(tc.secret + "\n")
			for variable, env := range map[string]vars{
				"HMA_KEY_VAULT_CLIENT_SECRET ":                     {"HMA_KEY_VAULT_CLIENT_SECRET": tc.secret},
				"the content of HMA_KEY_VAULT_CLIENT_SECRET_FILE ": {"HMA_KEY_VAULT_CLIENT_SECRET": "-", "HMA_KEY_VAULT_CLIENT_SECRET_FILE": "/altered"},
			} {
				c, err := Load(fromVault().with(vars{"HMA_ALLOWED_MAILBOXES": "alice@contoso.com"}).with(env).environ(), f.read)
				if strings.Contains(tc.secret, "\t") {
					if err == nil {
						t.Error("accepted")
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				got := strings.Join(c.Warnings(), "\n")
				if tc.text == "" && got != "" || tc.text != "" && (!strings.HasPrefix(got, variable) || !strings.Contains(got, tc.text)) || strings.Contains(got, likeEntra) {
					t.Errorf("warnings %q, want one of %s that says %q", got, variable, tc.text)
				}
			}
		})
	}
}

func TestExposedSecret(t *testing.T) {
	secret, path := []string{"HMA_KEY_VAULT_CLIENT_SECRET=x"}, []string{"HMA_KEY_VAULT_CLIENT_SECRET_FILE=/x", "HMA_CERT_PASSWORD="}
	for _, tc := range []struct {
		entries []string
		mode    fs.FileMode
		want    bool
	}{
		{secret, 0o644, true}, {secret, 0o604, true}, {secret, 0o640, false}, {secret, 0o600, false},
		{path, 0o644, false}, {nil, 0o644, false}, {[]string{"HMA_CERT_PASSWORD=x"}, 0o444, true},
	} {
		if got := ExposesSecret(tc.entries, tc.mode); got != tc.want {
			t.Errorf("ExposesSecret(%q, %v) = %v", tc.entries, tc.mode, got)
		}
	}
	c := mustLoad(t, fromVault().with(vars{"HMA_ALLOWED_MAILBOXES": "alice@contoso.com"}))
	c.SecretExposed = true
	if got := c.Warnings(); len(got) != 1 || !strings.Contains(got[0], "chmod 600") {
		t.Errorf("warnings %q", got)
	}
}

// TestLoadAdmin checks that a probe reads HMA_ADMIN_LISTEN exactly as serve
// does.
func TestLoadAdmin(t *testing.T) {
	for _, value := range []string{
		"127.0.0.1:9000", " 127.0.0.1:9000 ", "127.0.0.1:9000\r", "\t127.0.0.1:9000\r\n", "[::1]:9000", "localhost:9000", "0.0.0.0:9000", "off",
		"", " ", "Off", `"127.0.0.1:9000"`, ":9000", "127.0.0.1", "127.0.0.1:9000,[::1]:9000", "unix:/x", "127.0.0.1:9000 # ours",
	} {
		c, err := Load(fromVault().with(vars{"HMA_ADMIN_LISTEN": value}).environ(), testFiles(t).read)
		got, adminErr := LoadAdmin([]string{"HMA_ADMIN_LISTEN=127.0.0.1:1", "HMA_ADMIN_LISTEN=" + value, "HMA_SECRET:x", "HMA_EWS_URL="})
		if (err == nil) != (adminErr == nil) || c != nil && got != c.Admin {
			t.Errorf("%q: Load %v, LoadAdmin %v, %v", value, err, got, adminErr)
		}
		if adminErr != nil && !strings.HasPrefix(err.Error(), strings.TrimSuffix(adminErr.Error(), "\n")) {
			t.Errorf("%q: Load %v, LoadAdmin %v", value, err, adminErr)
		}
	}
	if got, err := LoadAdmin(nil); err != nil || got.String() != "127.0.0.1:8081" {
		t.Errorf("default: %v, %v", got, err)
	}
}

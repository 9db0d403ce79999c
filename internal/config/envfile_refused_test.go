package config

import (
	"strings"
	"testing"
)

// TestEnvFileRefusesLookAlikes checks that an env file with a line that looks
// like a setting, but sets nothing, is refused.
func TestEnvFileRefusesLookAlikes(t *testing.T) {
	const setting = "HMA_ALLOWED_MAILBOXES"
	cases := []struct{ name, line string }{
		{"colon", "HMA_ALLOWED_MAILBOXES:canary@contoso.com"},
		{"YAML", "HMA_ALLOWED_MAILBOXES: canary@contoso.com"},
		{"YAML list", "- HMA_ALLOWED_MAILBOXES=canary@contoso.com"},
		{"JSON", `"HMA_ALLOWED_MAILBOXES": "canary@contoso.com",`},
		{"JSON object", `{"HMA_ALLOWED_MAILBOXES":"canary@contoso.com"}`},
		{"name alone", "HMA_ALLOWED_MAILBOXES"},
		{"name alone, exported", "export HMA_ALLOWED_MAILBOXES"},
		{"semicolon", "HMA_ALLOWED_MAILBOXES;canary@contoso.com"},
		{"comma", "HMA_ALLOWED_MAILBOXES,canary@contoso.com"},
		{"blank", "HMA_ALLOWED_MAILBOXES canary@contoso.com"},
		{"tab", "HMA_ALLOWED_MAILBOXES\tcanary@contoso.com"},
		{"arrow", "HMA_ALLOWED_MAILBOXES -> canary@contoso.com"},
		{"Pascal", "HMA_ALLOWED_MAILBOXES := canary@contoso.com"},
		{"shell append", "HMA_ALLOWED_MAILBOXES+=canary@contoso.com"},
		{"shell default", "HMA_ALLOWED_MAILBOXES?=canary@contoso.com"},
		{"blank before =", "HMA_ALLOWED_MAILBOXES =canary@contoso.com"},
		{"blanks around =", "HMA_ALLOWED_MAILBOXES = canary@contoso.com"},
		{"quoted line", `"HMA_ALLOWED_MAILBOXES=canary@contoso.com"`},
		{"quoted name", `'HMA_ALLOWED_MAILBOXES'=canary@contoso.com`},
		{"typographic quotes", "“HMA_ALLOWED_MAILBOXES=canary@contoso.com”"},
		{"backquotes", "`HMA_ALLOWED_MAILBOXES=canary@contoso.com`"},
		{"hyphens", "HMA-ALLOWED-MAILBOXES=canary@contoso.com"},
		{"dots", "HMA.ALLOWED.MAILBOXES=canary@contoso.com"},
		{"dots, lower case", "hma.allowed.mailboxes=canary@contoso.com"},
		{"blanks", "HMA ALLOWED MAILBOXES=canary@contoso.com"},
		{"PowerShell", "$env:HMA_ALLOWED_MAILBOXES=canary@contoso.com"},
		{"PowerShell with quotes", `$Env:HMA_ALLOWED_MAILBOXES = "canary@contoso.com"`},
		{"PowerShell braces", `${env:HMA_ALLOWED_MAILBOXES}="canary@contoso.com"`},
		{"shell variable", "$HMA_ALLOWED_MAILBOXES=canary@contoso.com"},
		{"Windows variable", "%HMA_ALLOWED_MAILBOXES%=canary@contoso.com"},
		{"systemd", "Environment=HMA_ALLOWED_MAILBOXES=canary@contoso.com"},
		{"systemd with quotes", `Environment="HMA_ALLOWED_MAILBOXES=canary@contoso.com"`},
		{"Dockerfile", "ENV HMA_ALLOWED_MAILBOXES=canary@contoso.com"},
		{"docker run", "-e HMA_ALLOWED_MAILBOXES=canary@contoso.com"},
		{"docker run, long", "--env=HMA_ALLOWED_MAILBOXES=canary@contoso.com"},
		{"set", "set HMA_ALLOWED_MAILBOXES=canary@contoso.com"},
		{"set in quotes", `set "HMA_ALLOWED_MAILBOXES=canary@contoso.com"`},
		{"setx", "setx HMA_ALLOWED_MAILBOXES canary@contoso.com"},
		{"csh", "setenv HMA_ALLOWED_MAILBOXES canary@contoso.com"},
		{"fish", "set -x HMA_ALLOWED_MAILBOXES canary@contoso.com"},
		{"declare", "declare -x HMA_ALLOWED_MAILBOXES=canary@contoso.com"},
		{"local", "readonly HMA_ALLOWED_MAILBOXES=canary@contoso.com"},
		{"export in capitals", "EXPORT HMA_ALLOWED_MAILBOXES=canary@contoso.com"},
		{"export with a no-break space", "export\u00a0HMA_ALLOWED_MAILBOXES=canary@contoso.com"},
		{"command behind export", "export -n HMA_ALLOWED_MAILBOXES=canary@contoso.com"},
		{"semicolon comment", ";HMA_ALLOWED_MAILBOXES=canary@contoso.com"},
		{"slashes", "//HMA_ALLOWED_MAILBOXES=canary@contoso.com"},
		{"REM", "REM HMA_ALLOWED_MAILBOXES=canary@contoso.com"},
		{"full-width #", "＃HMA_ALLOWED_MAILBOXES=canary@contoso.com"},
		{"no prefix", "ALLOWED_MAILBOXES=canary@contoso.com"},
		{"no prefix, lower case", "allowed_mailboxes=canary@contoso.com"},
		{"no prefix, camel case", "AllowedMailboxes=canary@contoso.com"},
		{"underscore before it", "_ALLOWED_MAILBOXES=canary@contoso.com"},
		{"zero-width space before it", "\u200bHMA_ALLOWED_MAILBOXES=canary@contoso.com"},
		{"zero-width space inside", "HMA_ALLOWED_\u200bMAILBOXES=canary@contoso.com"},
		{"word joiner behind it", "HMA_ALLOWED_MAILBOXES\u2060=canary@contoso.com"},
		{"soft hyphen", "HMA_ALLOWED_\u00adMAILBOXES=canary@contoso.com"},
		{"right-to-left mark", "\u200fHMA_ALLOWED_MAILBOXES=canary@contoso.com"},
		{"byte order mark", "\ufeffHMA_ALLOWED_MAILBOXES=canary@contoso.com"},
		{"no-break space before it", "\u00a0HMA_ALLOWED_MAILBOXES=canary@contoso.com"},
		{"full-width letters", "ＨＭＡ_ALLOWED_MAILBOXES=canary@contoso.com"},
		{"full-width =", "HMA_ALLOWED_MAILBOXES＝canary@contoso.com"},
		{"Cyrillic letters", "НМА_ALLOWED_MAILBOXES=canary@contoso.com"},
		{"a carriage return in a comment", "# the list\rHMA_ALLOWED_MAILBOXES=canary@contoso.com"},
		{"a line separator in a comment", "# the list\u2028HMA_ALLOWED_MAILBOXES=canary@contoso.com"},
		{"a next-line character in a comment", "# the list\u0085HMA_ALLOWED_MAILBOXES=canary@contoso.com"},
		{"a vertical tab in a comment", "# the list\vHMA_ALLOWED_MAILBOXES=canary@contoso.com"},
		{"prefix of another program", "EWS_ALLOWED_MAILBOXES=canary@contoso.com"},
		{"other name without prefix", "ALLOW_LIST=canary@contoso.com"},
		{"other name without prefix or underscore", "allowlist=canary@contoso.com"},
		{"another general name", "MAILBOXES=canary@contoso.com"},
		{"second on a line", "TZ=UTC HMA_ALLOWED_MAILBOXES=canary@contoso.com"},
		{"second on a line, exported", "export TZ=UTC HMA_ALLOWED_MAILBOXES=canary@contoso.com"},
		{"second on a line, semicolon", "TZ=UTC;HMA_ALLOWED_MAILBOXES=canary@contoso.com"},
		{"second on a line, comma", "TZ=UTC, HMA_ALLOWED_MAILBOXES=canary@contoso.com"},
		{"second on a line, commands", "TZ=UTC && export HMA_ALLOWED_MAILBOXES=canary@contoso.com"},
		{"second on a line, misspelt", "TZ=UTC hma_allowed_mailboxs=canary@contoso.com"},
		{"second on a line, after a password", "HMA_CERT_PASSWORD=x HMA_ALLOWED_MAILBOXES=canary@contoso.com"},
		{"a carriage return in a value", "TZ=UTC\rHMA_ALLOWED_MAILBOXES=canary@contoso.com"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			entries, err := ParseEnvFile([]byte("HMA_EWS_URL=https://mail.contoso.com\n"+tc.line+"\n"), nil)
			if err == nil || entries != nil {
				t.Fatalf("accepted as %q", entries)
			}
			text := err.Error()
			if !strings.Contains(text, "line 2 ") || !strings.Contains(text, setting) || strings.Contains(text, "canary") {
				t.Errorf("%q, want one that names line 2 and %s and shows no value", text, setting)
			}
		})
	}
}

// TestEnvFileRefusesOtherLines checks that a line in no permitted form is refused
// even if it names no setting, because it may be the continuation of a value.
func TestEnvFileRefusesOtherLines(t *testing.T) {
	for _, line := range []string{
		"bob@contoso.com", "  bob@contoso.com,", "bob", "*@contoso.com", "upn:bob@contoso.com", "sid:S-1-5-21-1-2-3-500", "\\",
		"[Service]", "{", "}", "---", "environment:", "EOF", "0NAME=x", "NÄME=x", "=x", "\u00a0", "\u200b", "a.b-c=1", "@echo off", "-----BEGIN CERTIFICATE-----",
		"HMA_ALLOWED_MAILBOXES=alice@contoso.com,\nbob@contoso.com",
	} {
		entries, err := ParseEnvFile([]byte(line+"\n"), nil)
		if err == nil || entries != nil || strings.Contains(err.Error(), "bob") {
			t.Errorf("%q: accepted as %q, %v", line, entries, err)
		}
	}
}

func TestEnvFileAcceptsWhatIsOrdinary(t *testing.T) {
	environ := []string{"HMA_ALLOWED_MAILBOXES=alice@contoso.com", "EMPTY="}
	for _, line := range []string{
		"export HMA_ALLOWED_MAILBOXES=alice@contoso.com", "export\tHMA_ALLOWED_MAILBOXES=alice@contoso.com", "\tHMA_ALLOWED_MAILBOXES=alice@contoso.com",
		"HMA_ALLOWED_MAILBOXES", "export HMA_ALLOWED_MAILBOXES", "EMPTY", "TZ=Europe/Zurich", "HTTPS_PROXY=http://proxy:3128", "https_proxy=http://proxy:3128", "NO_PROXY=localhost",
		"AZURE_CLIENT_ID=x", "JAVA_OPTS=-Dapp_id=x -Dtenant_id=y", "OTEL_RESOURCE_ATTRIBUTES=service.name=hma,deployment=test", "NODE_OPTIONS=--a=b c=d",
		"GOMEMLIMIT=64MiB", "SSL_CERT_FILE=/ca.pem", "HMAC_SECRET=x", "_=x", "a=", "# ünïcödé \u200d", "#HMA_ALLOWED_MAILBOXES=x", "  # HMA_X", "", "\t",
	} {
		if _, err := ParseEnvFile([]byte(line+"\r\n"), environ); err != nil {
			t.Errorf("%q: %v", line, err)
		}
	}
}

// TestEnvFileRefusesEverySettingWithoutPrefix checks that an env file may not
// contain a setting without the prefix HMA_. An env file is written for this
// program, so even a general name was intended for this program. The process
// environment also holds variables of other programs.
func TestEnvFileRefusesEverySettingWithoutPrefix(t *testing.T) {
	for _, v := range variables() {
		bare, ok := strings.CutPrefix(v.name, "HMA_")
		if !ok {
			continue
		}
		for _, name := range []string{bare, strings.ToLower(bare)} {
			if _, err := ParseEnvFile([]byte(name+"=canary\n"), nil); err == nil || !strings.Contains(err.Error(), v.name) || strings.Contains(err.Error(), "canary") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	for _, name := range []string{"HMA_PORT", "HMA_SERVICE_PORT", "HMA_SERVICE_HOST"} { // Kubernetes sets these names in the environment, but not in a file
		if _, err := ParseEnvFile([]byte(name+"=8080\n"), nil); err == nil || !strings.Contains(err.Error(), "HMA_LISTEN") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

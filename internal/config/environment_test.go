package config

import (
	"strings"
	"testing"
)

// TestEnvironmentRefusesLookAlikes checks that variables with names similar to
// a setting are refused. Names of a process's environment can hold any
// character but "=" and NUL, and orchestrators do not check these names.
func TestEnvironmentRefusesLookAlikes(t *testing.T) {
	const setting = "HMA_ALLOWED_MAILBOXES"
	for _, entry := range []string{
		"HMA_ALLOWED_MAILBOXES:canary@contoso.com", "HMA_ALLOWED_MAILBOXES;canary@contoso.com", `"HMA_ALLOWED_MAILBOXES=canary@contoso.com"`,
		`"HMA_ALLOWED_MAILBOXES"=canary`, "HMA-ALLOWED-MAILBOXES=canary", "HMA.ALLOWED.MAILBOXES=canary", "hma.allowed.mailboxes=canary", "hma-allowed-mailboxes=canary",
		"HMA__ALLOWED__MAILBOXES=canary", "HmaAllowedMailboxes=canary", "HMAALLOWEDMAILBOXES=canary", "HMAALLOWED_MAILBOXES=canary", "hma_allowed_mailboxes=canary",
		"$env:HMA_ALLOWED_MAILBOXES=canary", "Environment=HMA_ALLOWED_MAILBOXES=canary", `ENVIRONMENT="HMA_ALLOWED_MAILBOXES=canary"`, "set HMA_ALLOWED_MAILBOXES=canary",
		"export HMA_ALLOWED_MAILBOXES=canary", ";HMA_ALLOWED_MAILBOXES=canary", "#HMA_ALLOWED_MAILBOXES=canary", "ALLOWED_MAILBOXES=canary", "allowed_mailboxes=canary", "ALLOWED_MAILBOX=canary",
		"HMAPROXY_ALLOWED_MAILBOXES=canary", "HMA_PROXY_ALLOWED_MAILBOXES=canary", "HMAProxy__AllowedMailboxes=canary", "APP_HMA_ALLOWED_MAILBOXES=canary",
		"HAM_ALLOWED_MAILBOXES=canary", "HM_ALLOWED_MAILBOXES=canary", "MHA_ALLOWED_MAILBOXES=canary", "HMAA_ALLOWED_MAILBOXES=canary",
		"\u200bHMA_ALLOWED_MAILBOXES=canary", "\ufeffHMA_ALLOWED_MAILBOXES=canary", "HMA_ALLOWED_MAIL\u00adBOXES=canary", "\u00a0HMA_ALLOWED_MAILBOXES=canary", " HMA_ALLOWED_MAILBOXES=canary",
		"HMA_ALLOWED_MAILBOXES =canary", "HMA_ALLOWED_MAILBOXES\r=canary", "ＨＭＡ_ALLOWED_MAILBOXES=canary", "НМА_ALLOWED_MAILBOXES=canary", "HMA_АLLOWED_MAILBOXES=canary", "ΗΜΑ_ALLOWED_MAILBOXES=canary",
		"HMA_ALLOWED_MAILBOXES+=canary", "HMA_ALLOWED_MAILBOXES[0]=canary", "%HMA_ALLOWED_MAILBOXES%=canary",
	} {
		_, err := Load(append(fromVault().environ(), entry), testFiles(t).read)
		if err == nil {
			t.Errorf("%q is accepted", entry)
		} else if text := err.Error(); !strings.Contains(text, setting) || strings.Contains(text, "canary") || strings.Contains(text, "\n") {
			t.Errorf("%q: %q, want one line that names %s and shows no value", entry, text, setting)
		}
	}
}

// TestEnvironmentOfOthers checks that variables of the platform, the shell and
// other programs are accepted. A name is refused only if HMA is a separate word
// of the name, or if the name is similar to a setting that only this program
// has.
func TestEnvironmentOfOthers(t *testing.T) {
	for _, entry := range []string{
		// HMA is only a part of a word
		"HMAC_SECRET=x", "HMAC_KEY=x", "WEBHOOK_HMAC=x", "GITHUB_HMAC_SECRET=x", "hmac_sha256=x", "ALGORITHMAPI_KEY=x", "BRAHMA_HOST=x", "ASTHMA_DB=x", "LAKSHMAN=x",
		// general names that equal the name of a setting without HMA_
		"LOG_LEVEL=debug", "LOG_FORMAT=json", "LOG_FILE=/x", "TENANT_ID=x", "APP_ID=x", "LISTEN=:80", "CA_FILE=/x", "CERT_FILE=/x", "TLS_CERT_FILE=/x", "TLS_KEY_FILE=/x",
		"HOST_NAMES=x", "SHUTDOWN_TIMEOUT=3s", "EWS_URL=http://localhost:8080/EWS/Exchange.asmx", "KEY_VAULT_URI=https://x", "ADMIN_LISTEN=off", "FORWARD_HEADERS=x",
		// variables of platforms
		"HMA_SERVICE_HOST=10.0.0.1", "HMA_PORT=tcp://10.0.0.1:80", "HMAPROXY_SERVICE_HOST=10.0.0.1", "HMAPROXY_SERVICE_PORT=8080", "HMAPROXY_SERVICE_PORT_EWS=8080",
		"HMAPROXY_PORT=tcp://10.0.0.1:8080", "HMAPROXY_PORT_8080_TCP=tcp://10.0.0.1:8080", "HMAPROXY_PORT_8080_TCP_ADDR=10.0.0.1", "MAIL_HMA_SERVICE_HOST=10.0.0.1", "MAIL_HMA_PORT_8080_TCP_PROTO=tcp",
		"NOMAD_PORT_hma=8080", "NOMAD_ADDR_hmaproxy_ews=10.0.0.1:8080", "BASH_FUNC_hma_logs%%=() {  journalctl -u hmaproxy\n}",
		"APPSETTING_HMA_APP_ID=" + appGUID, "CUSTOMCONNSTR_HMA_KEY_VAULT_CERT_NAME=HMA-Cert",
		// values that contain settings
		"SUDO_COMMAND=/usr/bin/env HMA_LOG_LEVEL=debug hmaproxy", "ENV_FILE=HMA_EWS_URL=https://mail.contoso.com\nHMA_APP_ID=x\n", "PS1=HMA> ",
		"PATH=/opt/hmaproxy", "PWD=/home/hma", "CREDENTIALS_DIRECTORY=/run/credentials/hmaproxy.service", "=C:=C:\\", "_=/usr/local/bin/hmaproxy", "HOSTNAME=hma-1", "TZ=UTC",
	} {
		if _, err := Load(append(fromVault().environ(), entry), testFiles(t).read); err != nil {
			t.Errorf("%q: %v", entry, err)
		}
	}
}

// TestCopiesOfSettings checks variables with the names that a platform gives to its
// copies of settings, such as APPSETTING_HMA_APP_ID. Such a variable is refused if
// its value differs from the setting. It is then not a copy, so somebody intended
// it as the setting.
func TestCopiesOfSettings(t *testing.T) {
	for _, entry := range []string{"APPSETTING_HMA_APP_ID=" + vaultGUID, "APPSETTING_HMA_ALLOWED_MAILBOXES=alice@contoso.com"} {
		if _, err := Load(append(fromVault().environ(), entry), testFiles(t).read); err == nil {
			t.Errorf("%s is accepted", entry)
		}
	}
}

// TestMissingPrefixIsNamed checks the error about a missing setting if a
// variable has the setting's name without the prefix. The error names that
// variable, although the variable itself is not an error.
func TestMissingPrefixIsNamed(t *testing.T) {
	p := problemsOf(t, fromVault().with(vars{"HMA_TENANT_ID": "-", "TENANT_ID": "contoso.onmicrosoft.com"}))
	wantProblem(t, p, "HMA_TENANT_ID", "TENANT_ID is set, without the prefix")
}

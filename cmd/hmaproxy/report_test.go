package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const aLog = `{"time":"2026-11-04T16:00:00Z","level":"INFO","msg":"request","id":"a","client":"crm","operation":"GetItem","mailbox":"alice@contoso.com","status":200,"upstream":200,"bytes_in":1,"bytes_out":2,"duration_ms":5}
{"time":"2026-11-04T16:00:01Z","level":"WARN","msg":"request","id":"b","client":"crm","operation":"GetItem","mailbox":"bob@contoso.com","audit":"mailbox-not-allowed","status":200,"upstream":200,"bytes_in":1,"bytes_out":2,"duration_ms":5}
`

// someSettings writes a file with valid settings and the lines in further, and
// returns its path.
func someSettings(t *testing.T, further ...string) string {
	t.Helper()
	return writeText(t, strings.Join(append([]string{
		"HMA_EWS_URL=https://mail.contoso.com", "HMA_TENANT_ID=contoso.com", "HMA_APP_ID=" + appGUID, "HMA_KEY_VAULT_URI=https://contoso.vault.azure.net",
		"HMA_KEY_VAULT_CERT_NAME=HMA-Cert", "HMA_KEY_VAULT_APP_ID=" + vaultGUID, "HMA_KEY_VAULT_CLIENT_SECRET=canary~secret",
	}, further...), "\n")+"\n")
}

func writeText(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestReportAndPolicyCommands checks the exit status of each command line, and a
// part of its output or error.
func TestReportAndPolicyCommands(t *testing.T) {
	log, list := writeText(t, aLog), writeText(t, "alice@contoso.com\nbob@contoso.com\n")
	env := someSettings(t, "HMA_ALLOWED_MAILBOXES=alice@contoso.com", "HMA_ALLOW_LIST_MODE=audit")
	missing := filepath.Join(t.TempDir(), "missing")
	for name, test := range map[string]struct {
		args []string
		code int
		says string
	}{
		"report":                        {[]string{"report", log}, 0, "requests   2: 1 served, 1 audited"},
		"report of standard input":      {[]string{"report", "-"}, 0, "requests   2: 1 served, 1 audited"},
		"report of two files":           {[]string{"report", log, log}, 0, "2 requests are in the files more than once"},
		"flags behind the file":         {[]string{"report", log, "-json"}, 0, `"requests": 2`},
		"report as CSV":                 {[]string{"report", "-csv", log}, 0, "\nmailbox,,,,alice@contoso.com,1,"},
		"report as a page":              {[]string{"report", "-html", "-suggest", "-graph", log}, 0, "<h2>Suggested allow-list</h2>"},
		"report with few rows":          {[]string{"report", "-top", "1", log}, 0, "and 1 more"},
		"report with all rows":          {[]string{"report", "-top", "0", log}, 0, "bob@contoso.com"},
		"report for Graph":              {[]string{"report", "-graph", log}, 0, "100 % of the EWS requests have a counterpart"},
		"suggestion":                    {[]string{"report", "-suggest", log}, 0, "\nbob@contoso.com"},
		"report without a file":         {[]string{"report"}, 2, "FILE is required"},
		"report of a missing file":      {[]string{"report", missing}, 1, "no such file"},
		"report in two formats":         {[]string{"report", "-json", "-csv", log}, 2, "exclude each other"},
		"suggestion as CSV":             {[]string{"report", "-suggest", "-csv", log}, 2, "exclude each other"},
		"suggestion and Graph as text":  {[]string{"report", "-suggest", "-graph", log}, 2, "leave out one of them"},
		"report with a negative number": {[]string{"report", "-top", "-1", log}, 2, "expected a number of rows"},
		"report with an unknown flag":   {[]string{"report", log, "-xml"}, 2, "-xml"},

		"test":                       {[]string{"policy", "test", "-env-file", env, log}, 1, "would be refused   1 (50 %)"},
		"test of another list":       {[]string{"policy", "test", "-env-file", env, "-list", list, log}, 0, "would be refused   0 (0 %)"},
		"test as JSON":               {[]string{"policy", "test", log, "-env-file", env, "-json"}, 1, `"why": "mailbox-not-allowed"`},
		"test of a missing list":     {[]string{"policy", "test", "-env-file", env, "-list", missing, log}, 78, "HMA_ALLOWED_MAILBOXES_FILE"},
		"test of a missing log":      {[]string{"policy", "test", "-env-file", env, missing}, 1, "no such file"},
		"test without a log":         {[]string{"policy", "test", "-env-file", env}, 2, "LOG is required"},
		"test of an operation":       {[]string{"policy", "test", "-env-file", env, "-operation", "GetItem", log}, 2, "belong to policy check"},
		"test without settings":      {[]string{"policy", "test", log}, 78, "HMA_EWS_URL"},
		"check":                      {[]string{"policy", "check", "-env-file", env, "alice@contoso.com"}, 0, "the entry alice@contoso.com of HMA_ALLOWED_MAILBOXES\n"},
		"check of a refused mailbox": {[]string{"policy", "check", "-env-file", env, "alice@contoso.com", "ceo@contoso.com"}, 1, "ceo@contoso.com  refused: mailbox-not-allowed (audit mode"},
		"check of another list":      {[]string{"policy", "check", "-env-file", env, "bob@contoso.com", "-list", list}, 0, "the entry bob@contoso.com of HMA_ALLOWED_MAILBOXES_FILE"},
		"check of an operation":      {[]string{"policy", "check", "-env-file", env, "alice@contoso.com", "-operation", "AddDelegate"}, 1, "refused by default"},
		"check as JSON":              {[]string{"policy", "check", "-env-file", env, "-json", "alice@contoso.com"}, 0, `"allowed": true`},
		"check of an unknown user":   {[]string{"policy", "check", "-env-file", env, "-client", "crm", "alice@contoso.com"}, 2, "HMA_CLIENT_USERS_FILE is not set"},
		"check without an address":   {[]string{"policy", "check", "-env-file", env}, 2, "ADDRESS is required"},
		"no verb":                    {[]string{"policy"}, 2, "test or check is required"},
		"an unknown verb":            {[]string{"policy", "explain"}, 2, "expected test or check"},
	} {
		t.Run(name, func(t *testing.T) {
			var out, errs bytes.Buffer
			err := run(t.Context(), test.args, nil, stdio{strings.NewReader(aLog), &out, &errs})
			printed := out.String()
			if err != nil {
				printed += err.Error()
			}
			if code := exitCode(err); code != test.code || !strings.Contains(printed, test.says) {
				t.Errorf("exit code %d, printed\n%s", code, printed)
			}
			if strings.Contains(printed, "canary") {
				t.Errorf("a secret is printed:\n%s", printed)
			}
			if test.code == 2 && out.Len() > 0 {
				t.Errorf("printed before the error: %s", out.String())
			}
		})
	}
}

// TestSuggestionPassesItsOwnTest checks that the allow-list that "report
// -suggest" makes from a log refuses no request of that log that has succeeded.
func TestSuggestionPassesItsOwnTest(t *testing.T) {
	log := writeText(t, aLog)
	list := writeText(t, output(t, "report", "-suggest", log))
	text := output(t, "policy", "test", "-env-file", someSettings(t), "-list", list, log)
	if !strings.Contains(text, "would be refused   0 (0 %)") {
		t.Error(text)
	}
}

// Package azure has no code: its tests run the scripts in this folder.
package azure

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"hmaproxy/internal/config"
)

// A tenant is the state of the double of az, kept over several runs of setup.sh.
type tenant struct {
	t     *testing.T
	state string
	path  string
	bash  string
}

func newTenant(t *testing.T) *tenant {
	t.Helper()
	bash, err := exec.LookPath("bash")
	if err != nil || runtime.GOOS == "windows" {
		t.Skip("NOT CHECKED: this machine lacks bash or symbolic links")
	}
	stub, err := filepath.Abs(filepath.Join("testdata", "az"))
	if err != nil {
		t.Fatal(err)
	}
	tools := t.TempDir()
	n := &tenant{t: t, state: t.TempDir(), bash: bash, path: tools + string(os.PathListSeparator) + os.Getenv("PATH")}
	if err := os.Symlink(stub, filepath.Join(tools, "az")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(tools, "sleep"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	n.write("names", "00000002-0000-0ff1-ce00-000000000000\nhttps://outlook.office365.com/\n")
	return n
}

func (n *tenant) write(name, content string) {
	n.t.Helper()
	if err := os.WriteFile(filepath.Join(n.state, name), []byte(content), 0o600); err != nil {
		n.t.Fatal(err)
	}
}

func (n *tenant) read(name string) string {
	b, err := os.ReadFile(filepath.Join(n.state, name))
	if err != nil {
		return ""
	}
	return string(b)
}

// changes returns the calls that changed the tenant since the last call of
// changes.
func (n *tenant) changes() []string {
	n.t.Helper()
	text := strings.TrimSpace(n.read("changes"))
	os.Remove(filepath.Join(n.state, "changes"))
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

func (n *tenant) run(args ...string) (stdout, stderr string, code int) {
	n.t.Helper()
	cmd := exec.Command(n.bash, append([]string{"setup.sh"}, args...)...)
	cmd.Env = append(os.Environ(), "PATH="+n.path, "AZ_STATE="+n.state)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		n.t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func (n *tenant) mustRun(args ...string) (stdout, stderr string) {
	n.t.Helper()
	stdout, stderr, code := n.run(args...)
	if code != 0 {
		n.t.Fatalf("exit code %d\n%s", code, stderr)
	}
	return stdout, stderr
}

// The ids that the double returns.
const (
	kvID       = "b87c2d35-0e94-4f6a-a1c8-5d7e3b9f0a26"
	hmaID      = "6a1de0b4-41c7-4c2f-8f5d-93f0b7a2d611"
	exchangeID = "00000002-0000-0ff1-ce00-000000000000"
)

var basic = []string{"-e", "https://mail.contoso.com/EWS/Exchange.asmx", "-v", "contoso", "-m", "alice@contoso.com"}

func with(more ...string) []string { return append(slices.Clone(basic), more...) }

// The function "has" fails the test unless one of the calls contains all words.
func has(t *testing.T, calls []string, words ...string) {
	t.Helper()
	for _, call := range calls {
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(call, w) }) {
			return
		}
	}
	t.Errorf("no call with %q among\n%s", words, strings.Join(calls, "\n"))
}

func TestEmptyTenant(t *testing.T) {
	n := newTenant(t)
	n.write("late", "") // new objects are not found at first
	stdout, stderr := n.mustRun(with("-g", "mail", "-l", "westeurope")...)
	changes := n.changes()
	has(t, changes, "keyvault create", "-g mail", "-l westeurope", "--enable-rbac-authorization true")
	has(t, changes, "keyvault certificate create", "-n HMA-Cert")
	has(t, changes, "role assignment create", `Key\ Vault\ Secrets\ User`)
	has(t, changes, "role assignment create", `Key\ Vault\ Certificate\ User`)
	has(t, changes, "ad app permission add", "--api 00000002-0000-0ff1-ce00-000000000000", "dc890d15-9560-4a4c-9b7f-a736ec74ec40=Role")
	has(t, changes, "credential reset", "--cert", "--append")

	c, err := config.Load(settings(t, stdout), os.ReadFile)
	if err != nil {
		t.Fatalf("the env file: %v\n%s", err, stdout)
	}
	if c.VaultSecret.Reveal() != "Kv8~made-by-the-stub" || c.App != "6a1de0b4-41c7-4c2f-8f5d-93f0b7a2d611" || c.VaultApp != "b87c2d35-0e94-4f6a-a1c8-5d7e3b9f0a26" || len(c.AllowedMailboxes) != 1 {
		t.Errorf("the env file:\n%s", stdout)
	}
	if strings.Contains(stderr, "Kv8~") {
		t.Error("the client secret is on standard error")
	}
	var names struct{ ServicePrincipalNames []string }
	if err := json.Unmarshal([]byte(n.read("names.json")), &names); err != nil {
		t.Fatal(err)
	}
	want := []string{"00000002-0000-0ff1-ce00-000000000000", "https://outlook.office365.com/", "https://mail.contoso.com"}
	if !slices.Equal(names.ServicePrincipalNames, want) {
		t.Errorf("names become %q, want %q", names.ServicePrincipalNames, want)
	}
	var grant struct{ PrincipalID, ResourceID, AppRoleID string }
	if err := json.Unmarshal([]byte(n.read("grant.json")), &grant); err != nil || grant.AppRoleID != "dc890d15-9560-4a4c-9b7f-a736ec74ec40" ||
		grant.ResourceID != "ec000000-0000-4000-8000-000000000000" || grant.PrincipalID != "aa1de0b4-41c7-4c2f-8f5d-93f0b7a2d611" {
		t.Errorf("consent: %+v, %v", grant, err)
	}
	if p := certificatePolicy(t, n); !p.KeyProperties.Exportable || p.KeyProperties.KeySize != 2048 || p.KeyProperties.KeyType != "RSA" {
		t.Errorf("policy of the certificate: %+v", p)
	}
}

type keyPolicy struct {
	KeyProperties struct {
		Exportable bool
		KeySize    int
		KeyType    string
	}
}

func certificatePolicy(t *testing.T, n *tenant) (p keyPolicy) {
	t.Helper()
	if err := json.Unmarshal([]byte(n.read("policy.json")), &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// settings parses an env file with the product's own parser and returns its entries
// NAME=value.
func settings(t *testing.T, text string) []string {
	t.Helper()
	all, err := config.ParseEnvFile([]byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestSecondRunChangesNothing(t *testing.T) {
	for model, mode := range map[string]string{"rbac": "memory", "policy": "vault"} {
		t.Run(model+" "+mode, func(t *testing.T) {
			n := newTenant(t)
			args := with("-g", "mail", "-l", "westeurope", "-p", model, "-k", mode)
			n.mustRun(args...)
			if len(n.changes()) == 0 {
				t.Fatal("the first run changed nothing")
			}
			stdout, _ := n.mustRun(append(args, "--kv-app-id", kvID)...)
			if second := n.changes(); len(second) != 0 {
				t.Errorf("the second run changed\n%s", strings.Join(second, "\n"))
			}
			if !strings.Contains(stdout, "#HMA_KEY_VAULT_CLIENT_SECRET=") {
				t.Errorf("the env file does not say that the secret exists\n%s", stdout)
			}
		})
	}
}

func TestDryRunChangesNothing(t *testing.T) {
	n := newTenant(t)
	stdout, stderr := n.mustRun(with("-n", "-g", "mail", "-l", "westeurope", "-o", filepath.Join(n.state, "hmaproxy.env"))...)
	if changes := n.changes(); len(changes) != 0 {
		t.Errorf("changed\n%s", strings.Join(changes, "\n"))
	}
	for _, want := range []string{"would run: az keyvault create", "would run: az keyvault certificate create", "would run: az ad app create", "az rest --method PATCH", "appRoleAssignments"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("%q is not in the output\n%s", want, stderr)
		}
	}
	if strings.Contains(stderr, "line ") {
		t.Errorf("bash reports an error\n%s", stderr)
	}
	if !strings.Contains(stdout, "HMA_KEY_VAULT_CLIENT_SECRET=***\n") {
		t.Errorf("a secret that would be made is said to be there\n%s", stdout)
	}
	if n.read("hmaproxy.env") != "" || !strings.Contains(stdout, "HMA_EWS_URL=") {
		t.Errorf("the env file was written, or not shown\n%s", stdout)
	}
}

func TestSetupVariants(t *testing.T) {
	t.Run("access policy", func(t *testing.T) {
		t.Parallel()
		n := newTenant(t)
		n.write("vault", "false\n")
		n.mustRun(basic...)
		has(t, n.changes(), "keyvault set-policy", "--object-id aa7c2d35-0e94-4f6a-a1c8-5d7e3b9f0a26", "--secret-permissions get", "--certificate-permissions get")
	})
	t.Run("signing in the vault", func(t *testing.T) {
		t.Parallel()
		n := newTenant(t)
		n.write("vault", "true\n")
		stdout, _ := n.mustRun(with("-k", "vault")...)
		has(t, n.changes(), `Key\ Vault\ Crypto\ User`)
		if certificatePolicy(t, n).KeyProperties.Exportable || !strings.Contains(stdout, "HMA_KEY_MODE=vault\n") {
			t.Errorf("exportable, or not said\n%s", stdout)
		}
	})
	t.Run("import", func(t *testing.T) {
		n := newTenant(t)
		n.write("vault", "true\n")
		n.write("own.pfx", "x")
		t.Setenv("CERT_PASSWORD", "canary-cert-password")
		_, stderr := n.mustRun(with("-n", "-i", filepath.Join(n.state, "own.pfx"))...)
		if strings.Contains(stderr, "canary") {
			t.Error("a dry run shows the password")
		}
		n.mustRun(with("-i", filepath.Join(n.state, "own.pfx"))...)
		has(t, n.changes(), "keyvault certificate import", "own.pfx", "--password @")
		if strings.Contains(n.read("calls"), "canary") || n.read("password") != "canary-cert-password" {
			t.Errorf("the password is on az's command line, or did not reach az: %q", n.read("password"))
		}
	})
	t.Run("name registered with a slash", func(t *testing.T) {
		t.Parallel()
		n := newTenant(t)
		n.write("vault", "true\n")
		n.write("names", exchangeID+"\nhttps://Mail.Contoso.com/\n")
		n.mustRun(basic...)
		if n.read("names.json") != "" {
			t.Error("registered twice")
		}
	})
	t.Run("the name alone", func(t *testing.T) {
		t.Parallel()
		n := newTenant(t)
		args := []string{"-x", "-t", "0F3C9A52-6b1d-4b7e-9d0e-2f6a1c5b8e47", "-e", "https://mail.contoso.com/EWS/Exchange.asmx"}
		stdout, _ := n.mustRun(args...)
		if changes := n.changes(); len(changes) != 1 || stdout != "" {
			t.Errorf("changed %q, printed %q", changes, stdout)
		}
		if !strings.Contains(n.read("names.json"), `"https://outlook.office365.com/","https://mail.contoso.com"]`) {
			t.Errorf("names become %s", n.read("names.json"))
		}
		n.mustRun(args...)
		if second := n.changes(); len(second) != 0 {
			t.Errorf("the second run changed %q", second)
		}
	})
	t.Run("an imported key stays in the vault", func(t *testing.T) {
		t.Parallel()
		n := newTenant(t)
		n.write("vault", "true\n")
		n.write("own.pfx", "x")
		n.mustRun(with("-k", "vault", "-i", filepath.Join(n.state, "own.pfx"))...)
		has(t, n.changes(), "keyvault certificate import", "--policy")
		if certificatePolicy(t, n).KeyProperties.Exportable {
			t.Error("the imported key is exportable")
		}
	})
	t.Run("certificate registered, thumbprint in base64", func(t *testing.T) {
		t.Parallel()
		n := newTenant(t)
		n.write("vault", "true\n")
		n.write("certificate", "CFD741FACE4B50555E8A6CF78D97E5A25F9B8523\n")
		n.write("registered", "z9dB+s5LUFVeimz3jZflol+bhSM=\n")
		n.write("app.HMA-App", "")
		_, stderr := n.mustRun(basic...)
		if !strings.Contains(stderr, "certificate on HMA-App: is registered") {
			t.Error(stderr)
		}
	})
	t.Run("new secret", func(t *testing.T) {
		t.Parallel()
		n := newTenant(t)
		n.write("vault", "true\n")
		n.mustRun(basic...)
		n.changes()
		file := filepath.Join(t.TempDir(), "hmaproxy.env")
		stdout, _ := n.mustRun(with("-s", "-o", file, "--kv-app-id", kvID)...)
		has(t, n.changes(), "credential reset", "--display-name hmaproxy")
		b, err := os.ReadFile(file)
		info, _ := os.Stat(file)
		if err != nil || !strings.Contains(string(b), "Kv8~made-by-the-stub") || info.Mode().Perm() != 0o600 || stdout != "" {
			t.Errorf("%v %v %q", err, info.Mode(), stdout)
		}
	})
	t.Run("another cloud", func(t *testing.T) {
		t.Parallel()
		n := newTenant(t)
		n.write("vault", "true\n")
		n.write("authority", "https://login.microsoftonline.us\n")
		if stdout, _ := n.mustRun(basic...); !strings.Contains(stdout, "HMA_AUTHORITY_HOST=https://login.microsoftonline.us\n") {
			t.Error(stdout)
		}
	})
}

func TestSetupRefusesMistakes(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"no URL":             {[]string{"-v", "contoso"}, 2, "-e must be"},
		"http":               {[]string{"-e", "http://mail.contoso.com", "-v", "contoso"}, 2, "-e must be"},
		"vault's URI":        {[]string{"-e", "https://mail.contoso.com", "-v", "https://contoso.vault.azure.net"}, 2, "-v must be"},
		"one app for both":   {with("-K", "App", "-A", "App"), 2, "differ"},
		"unknown option":     {with("-z"), 2, "usage"},
		"argument":           {with("now"), 2, "unexpected"},
		"no vault, no place": {basic, 1, "add -g and -l"},
		"another tenant":     {with("-t", "11111111-2222-4333-8444-555555555555"), 1, "az login --tenant 11111111"},
		"no such file":       {with("-i", "nothing.pfx"), 2, "cannot be read"},
		"id is a name":       {with("--hma-app-id", "HMA-App"), 2, "a GUID"},
		"id is missing":      {with("--kv-app-id"), 2, "a GUID"},
		"one id for both":    {with("--kv-app-id", kvID, "--hma-app-id="+kvID), 2, "differ"},
		"unknown long":       {with("--hma-app"), 2, "unknown option --hma-app"},
		"semicolon":          {append(slices.Clone(basic[:4]), "-m", "a@contoso.com;b@contoso.com"), 2, "is not a valid allow-list entry"},
		"not an address":     {append(slices.Clone(basic[:4]), "-m", "alice"), 2, "is not a valid allow-list entry"},
		"no such folder":     {with("-o", "no-such-folder/hmaproxy.env"), 1, "does not exist"},
		"no such id":         {with("-g", "mail", "-l", "westeurope", "-n", "--hma-app-id", kvID), 1, "no application with the id"},
	} {
		t.Run(name, func(t *testing.T) {
			n := newTenant(t)
			_, stderr, code := n.run(c.args...)
			if code != c.code || !strings.Contains(stderr, c.says) {
				t.Errorf("exit code %d\n%s", code, stderr)
			}
			if changes := n.changes(); len(changes) != 0 {
				t.Errorf("changed\n%s", strings.Join(changes, "\n"))
			}
		})
	}
}

func TestHelp(t *testing.T) {
	for _, flag := range []string{"-h", "--help"} {
		stdout, stderr, code := newTenant(t).run(flag)
		if code != 0 || !strings.HasPrefix(stdout, "usage: setup.sh") || stderr != "" {
			t.Errorf("%s: exit code %d, %q, %q", flag, code, stdout, stderr)
		}
	}
}

// TestForeignApplications covers existing applications with the names that setup.sh
// gives to its own. Every member of a tenant may register an application HMA-App
// with a credential. setup.sh accepts an existing application only if its id is
// given, or if the application has no other owner and no other credential.
func TestForeignApplications(t *testing.T) {
	for name, c := range map[string]struct {
		app     string
		files   map[string]string
		says    string
		allowed []string // further arguments with which setup.sh succeeds; nil: not tested
	}{
		"HMA-App with another owner":         {"HMA-App", map[string]string{"owners.app": "99999999-0000-4000-8000-000000000000\n"}, "--hma-app-id " + hmaID, []string{"--hma-app-id", hmaID}},
		"HMA-App with a second owner":        {"HMA-App", map[string]string{"owners.app": "5d0c1b9e-0000-4000-8000-00000000aaaa\n99999999-0000-4000-8000-000000000000\n"}, "--hma-app-id", nil},
		"HMA-App, its principal is owned":    {"HMA-App", map[string]string{"owners.sp": "99999999-0000-4000-8000-000000000000\n", "sp." + hmaID: ""}, "--hma-app-id", nil},
		"HMA-App with another certificate":   {"HMA-App", map[string]string{"registered": "AAAA41FACE4B50555E8A6CF78D97E5A25F9B8523\n"}, "--hma-app-id", []string{"--hma-app-id", hmaID}},
		"HMA-App, a secret on its principal": {"HMA-App", map[string]string{"credentials.sp": "k\n", "sp." + hmaID: ""}, "--hma-app-id", nil},
		"HMA-App with a federated identity":  {"HMA-App", map[string]string{"federated": "github\n"}, "--hma-app-id", nil},
		"KV-App with a client secret":        {"KV-App", map[string]string{"secret": ""}, "--kv-app-id " + kvID, []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newTenant(t)
			n.write("vault", "true\n")
			n.write("app."+c.app, "")
			for file, content := range c.files {
				n.write(file, content)
			}
			_, stderr, code := n.run(basic...)
			if code != 1 || !strings.Contains(stderr, c.says) {
				t.Errorf("exit code %d\n%s", code, stderr)
			}
			if changes := n.changes(); len(changes) != 0 {
				t.Errorf("changed\n%s", strings.Join(changes, "\n"))
			}
			if c.allowed != nil {
				if c.app == "KV-App" {
					c.allowed = append(c.allowed, "--kv-app-id="+kvID)
				}
				n.mustRun(with(c.allowed...)...)
			}
		})
	}
	t.Run("owned by the caller alone, without credentials", func(t *testing.T) {
		t.Parallel()
		n := newTenant(t)
		n.write("vault", "true\n")
		n.write("app.HMA-App", "")
		n.write("owners.app", "5d0c1b9e-0000-4000-8000-00000000aaaa\n")
		n.mustRun(basic...)
	})
}

// TestEnvFileThatExists checks that the env file of an earlier run is a source of
// ids, that missing settings are added, and that no value is changed.
func TestEnvFileThatExists(t *testing.T) {
	first := func(t *testing.T) (n *tenant, file, text string) {
		n, file = newTenant(t), filepath.Join(t.TempDir(), "hmaproxy.env")
		n.mustRun(with("-g", "mail", "-l", "westeurope", "-o", file)...)
		n.changes()
		return n, file, contents(t, file)
	}
	t.Run("run twice", func(t *testing.T) {
		t.Parallel()
		n, file, before := first(t)
		n.mustRun(with("-o", file)...)
		if contents(t, file) != before || len(n.changes()) != 0 || exists(file+".new") {
			t.Errorf("changed to\n%s", contents(t, file))
		}
	})
	t.Run("edited by hand", func(t *testing.T) {
		t.Parallel()
		n, file, before := first(t)
		before = strings.Replace(before, "HMA_APP_ID="+hmaID+"\n", "", 1) + "# mine\nHMA_LOG_LEVEL=debug"
		rewrite(t, file, before)
		n.mustRun(with("-o", file)...)
		if got, want := contents(t, file), before+"\nHMA_APP_ID="+hmaID+"\n"; got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	})
	t.Run("another allow-list", func(t *testing.T) {
		t.Parallel()
		n, file, before := first(t)
		_, stderr := n.mustRun("-e", basic[1], "-v", "contoso", "-m", "bob@contoso.com", "-o", file)
		if contents(t, file) != before || !strings.Contains(contents(t, file+".new"), "HMA_ALLOWED_MAILBOXES=bob@contoso.com\n") || !strings.Contains(stderr, file+".new") {
			t.Errorf("%s\n%s", contents(t, file), stderr)
		}
		if !strings.Contains(contents(t, file+".new"), "HMA_KEY_VAULT_CLIENT_SECRET=Kv8~made-by-the-stub\n") {
			t.Errorf("the secret is not in the new file\n%s", contents(t, file+".new"))
		}
		if _, stderr, code := n.run(with("-o", file)...); code != 1 || !strings.Contains(stderr, "earlier run") {
			t.Errorf("exit code %d\n%s", code, stderr)
		}
	})
	t.Run("a list in a file", func(t *testing.T) {
		t.Parallel()
		n, file, before := first(t)
		before = strings.Replace(before, "HMA_ALLOWED_MAILBOXES=alice@contoso.com", "HMA_ALLOWED_MAILBOXES_FILE=/etc/hmaproxy/mailboxes", 1)
		rewrite(t, file, before)
		n.mustRun(with("-o", file)...)
		if contents(t, file) != before {
			t.Errorf("changed to\n%s", contents(t, file))
		}
	})
}

// TestSecretSurvivesAFailure checks that setup.sh writes the new client secret even
// if a later step fails. The next run must continue.
func TestSecretSurvivesAFailure(t *testing.T) {
	for _, output := range []bool{true, false} {
		n := newTenant(t)
		n.write("vault", "true\n")
		n.write("fail", "ad app permission add|timeout\n")
		file := filepath.Join(t.TempDir(), "hmaproxy.env")
		args := slices.Clone(basic)
		if output {
			args = append(args, "-o", file)
		}
		stdout, _, code := n.run(args...)
		text := stdout
		if output {
			text = contents(t, file)
		}
		if code != 1 || !strings.Contains(text, "HMA_KEY_VAULT_CLIENT_SECRET=Kv8~made-by-the-stub\n") || !strings.Contains(text, "HMA_KEY_VAULT_APP_ID="+kvID) {
			t.Errorf("exit code %d\n%s", code, text)
		}
		if !output {
			continue
		}
		os.Remove(filepath.Join(n.state, "fail"))
		n.mustRun(args...)
		if _, err := config.Load(settings(t, contents(t, file)), os.ReadFile); err != nil {
			t.Errorf("%v\n%s", err, contents(t, file))
		}
	}
}

// TestConsentForbidden checks that a caller who may not grant admin consent gets the
// URL for an administrator, and that the other steps are done.
func TestConsentForbidden(t *testing.T) {
	n := newTenant(t)
	n.write("denied", "grant\nnames\n")
	file := filepath.Join(t.TempDir(), "hmaproxy.env")
	args := with("-g", "mail", "-l", "westeurope", "-o", file)
	_, stderr, code := n.run(args...)
	want := "https://login.microsoftonline.com/0f3c9a52-6b1d-4b7e-9d0e-2f6a1c5b8e47/adminconsent?client_id=" + hmaID
	if code != 1 || !strings.Contains(stderr, want) || !strings.Contains(stderr, "setup.sh -x -t") || strings.Contains(stderr, "not yet") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
	if _, err := config.Load(settings(t, contents(t, file)), os.ReadFile); err != nil {
		t.Error(err)
	}
	os.Remove(filepath.Join(n.state, "denied"))
	n.changes()
	n.mustRun(args...)
	if changes := n.changes(); len(changes) != 2 {
		t.Errorf("the next run changed %q", changes)
	}
}

// TestNamesThatWereNotRead checks that setup.sh does not write the service principal
// names of Exchange if it has read them incompletely. Writing replaces the whole
// list.
func TestNamesThatWereNotRead(t *testing.T) {
	n := newTenant(t)
	n.write("vault", "true\n")
	n.write("unsaid", "")
	_, stderr, code := n.run(basic...)
	if code != 1 || !strings.Contains(stderr, "nothing was written") || n.read("names.json") != "" {
		t.Errorf("exit code %d, wrote %q\n%s", code, n.read("names.json"), stderr)
	}
}

func TestDropRole(t *testing.T) {
	n := newTenant(t)
	_, stderr := n.mustRun(with("-g", "mail", "-l", "westeurope")...)
	if !strings.Contains(stderr, "setup.sh --drop-role -v contoso") {
		t.Errorf("the role is not named\n%s", stderr)
	}
	n.changes()
	n.mustRun("--drop-role", "-v", "contoso")
	has(t, n.changes(), "role assignment delete", "--ids /subscriptions/", "roleAssignments/22222221-")
	n.mustRun("--drop-role", "-v", "contoso")
	if second := n.changes(); len(second) != 0 {
		t.Errorf("the second run changed %q", second)
	}
}

// allowListEntries are valid and invalid entries of an allow-list.
func allowListEntries() []string {
	return []string{
		"alice@contoso.com", "*@contoso.com", "upn:alice@contoso.com", "UPN:alice@contoso.com", "sid:S-1-5-21-1-2-3-500", "o'neil@x.contoso.com", "a|b`c@contoso.com", "a$b@contoso.com",
		"alice", "@contoso.com", "a*@contoso.com", "*@*.contoso.com", "a..b@contoso.com", "a@-contoso.com", "sid:1-5", "sid:S-1-5-x", "upn:alice", "smtp:alice@contoso.com", "a b@contoso.com", "<a@contoso.com>", "a%b@contoso.com", "a@contoso.com.",
		"guid:01234567-89ab-cdef-0123-456789abcdef", "guid:00000000-0000-0000-0000-000000000000", "sid:S-1-5-21-4294967295", "sid:S-1-5-21-4294967296", "sid:S-1-5-021", "sid:S-1-281474976710655-1", "sid:S-1-281474976710656-1", "sid:S-1-5-99999999999999999999",
		strings.Repeat("a", 64) + "@contoso.com", strings.Repeat("a", 65) + "@contoso.com", "*@" + strings.Repeat("a.", 125) + "aa", "*@" + strings.Repeat("a.", 125) + "aaa", "é@contoso.com",
		"!ceo@contoso.com", "-ceo@contoso.com", "^ceo@contoso.com", "~ceo@contoso.com", "upn:!ceo@contoso.com", "c!eo@contoso.com", "mail=a@contoso.com", "upn:a=b@contoso.com",
		"$USER@contoso.com", "${USER}@contoso.com", "{{user}}@contoso.com", "{a@contoso.com", "$user@contoso.com", "_a@contoso.com", "'a@contoso.com", "a{{b@contoso.com",
	}
}

// accepted reports whether HMA_ALLOWED_MAILBOXES accepts an entry.
func accepted(entry string) bool {
	var mailboxes config.Mailboxes
	return mailboxes.UnmarshalText([]byte(entry)) == nil
}

// TestAllowListGrammar checks that -m accepts the same entries as
// HMA_ALLOWED_MAILBOXES.
func TestAllowListGrammar(t *testing.T) {
	for _, entry := range allowListEntries() {
		_, stderr, code := newTenant(t).run("-e", basic[1], "-v", "contoso", "-m", entry)
		if taken := code != 2; taken != accepted(entry) {
			t.Errorf("%q: setup.sh accepts it: %v, hmaproxy: %v\n%s", entry, taken, accepted(entry), stderr)
		}
	}
}

// TestTerraformAllowListGrammar checks that the validations of
// allowed_mailboxes accept the same entries as HMA_ALLOWED_MAILBOXES. Terraform
// evaluates the validations without a provider.
func TestTerraformAllowListGrammar(t *testing.T) {
	terraform, err := exec.LookPath("terraform")
	if err != nil {
		t.Skip("NOT CHECKED: there is no terraform here")
	}
	_, block, _ := strings.Cut(contents(t, "terraform/variables.tf"), `variable "allowed_mailboxes" {`)
	block, _, _ = strings.Cut(block, "\n}\n")
	var conditions []string
	for _, m := range regexp.MustCompile(`(?s) condition = (.*?)\n    error_message`).FindAllStringSubmatch(block, -1) {
		conditions = append(conditions, "("+strings.ReplaceAll(m[1], "var.allowed_mailboxes", "tolist([candidate])")+")")
	}
	if len(conditions) != 2 {
		t.Fatalf("%d conditions", len(conditions))
	}
	entries := allowListEntries()
	list, err := json.Marshal(entries)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	rewrite(t, filepath.Join(folder, "entries.json"), string(list))
	rewrite(t, filepath.Join(folder, "main.tf"), `locals {
  accepted = [for candidate in jsondecode(file("${path.module}/entries.json")) : `+strings.Join(conditions, " && ")+`]
}
`)
	console := exec.CommandContext(t.Context(), terraform, "-chdir="+folder, "console")
	console.Env = append(os.Environ(), "CHECKPOINT_DISABLE=1", "TF_CLI_CONFIG_FILE="+os.DevNull)
	console.Stdin = strings.NewReader("join(\",\", local.accepted)\n")
	out, err := console.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	results := strings.Split(strings.Trim(strings.TrimSpace(string(out)), `"`), ",")
	if len(results) != len(entries) {
		t.Fatalf("%d results for %d entries:\n%s", len(results), len(entries), out)
	}
	for i, entry := range entries {
		if taken := results[i] == "true"; taken != accepted(entry) {
			t.Errorf("%q: Terraform accepts it: %v, hmaproxy: %v", entry, taken, accepted(entry))
		}
	}
}

func contents(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func rewrite(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

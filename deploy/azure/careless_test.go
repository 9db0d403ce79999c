package azure

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hmaproxy/internal/config"
)

var place = []string{"-g", "mail", "-l", "westeurope"}

// TestCarelessArguments checks that arguments that look like a mistake are refused
// before az is called. The usual cause of an empty value is a shell variable that
// is not set. If setup.sh accepted an empty tenant, allow-list or file, it would
// continue with less protection.
func TestCarelessArguments(t *testing.T) {
	t.Parallel()
	n := newTenant(t)
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"an empty list":              {with("-m", ""), "-m needs a value"},
		"an empty tenant":            {with("-t", ""), "-t needs a value"},
		"an empty file":              {with("-o", ""), "-o needs a value"},
		"an empty name":              {with("-A", ""), "-A needs a value"},
		"the next option as a file":  {with("-o", "-n"), `-o needs a value, not "-n"`},
		"a hyphen as a file":         {with("-o", "-"), "-o needs a value"},
		"the next option as a vault": {[]string{"-e", basic[1], "-v", "-n"}, "-v needs a value"},
		"a list of two lines":        {with("-m", "alice@contoso.com\nHMA_ALLOWED_MAILBOXES_FILE=/x"), "on one line"},
		"a tenant's domain":          {with("-t", "contoso.onmicrosoft.com"), "a GUID"},
		"a folder as certificate":    {with("-i", t.TempDir()), "cannot be read"},
		"two kinds of run":           {with("-x", "--drop-role"), "exclude each other"},
	} {
		_, stderr, code := n.run(c.args...)
		if code != 2 || !strings.Contains(stderr, c.says) {
			t.Errorf("%s: exit code %d\n%s", name, code, stderr)
		}
	}
	if calls := n.read("calls"); calls != "" {
		t.Errorf("az was called\n%s", calls)
	}
}

// TestGitBash checks that setup.sh refuses to run in a shell that rewrites
// arguments such as /subscriptions/…
func TestGitBash(t *testing.T) {
	t.Setenv("OSTYPE", "msys")
	if _, stderr, code := newTenant(t).run(basic...); code != 1 || !strings.Contains(stderr, "Cloud Shell") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
}

// TestRefusedBeforeAnyChange checks that setup.sh ends with an error, and has
// changed nothing, if a check fails or cannot be made.
func TestRefusedBeforeAnyChange(t *testing.T) {
	const foreignApp = "99999999-0000-4000-8000-000000000000\n"
	vault := map[string]string{"vault": "true\n"}
	found := map[string]string{"vault": "true\n", "app.HMA-App": "", "sp." + hmaID: ""}
	plus := func(files map[string]string, name, content string) map[string]string {
		all := maps.Clone(files)
		all[name] = content
		return all
	}
	for name, c := range map[string]struct {
		files map[string]string
		args  []string
		says  string
	}{
		"an id that does not exist":          {nil, append(with("--hma-app-id", hmaID), place...), "no application with the id"},
		"HMA-App of another owner":           {map[string]string{"app.HMA-App": "", "owners.app": foreignApp}, append(with(), place...), "has the owner"},
		"owners that cannot be read":         {plus(found, "fail", "ad app owner list|timeout"), basic, "could not be read"},
		"owners of the principal":            {plus(found, "fail", "ad sp owner list|timeout"), basic, "could not be read"},
		"secrets that cannot be read":        {plus(found, "fail", "ad app credential list|timeout"), basic, "could not be read"},
		"certificates that cannot be read":   {plus(found, "fail", "ad sp credential list --id "+hmaID+" --cert|timeout"), basic, "could not be read"},
		"federation that cannot be read":     {plus(found, "fail", "ad app federated-credential list|timeout"), basic, "could not be read"},
		"a principal that cannot be read":    {plus(found, "fail", "ad sp show|timeout"), basic, "could not be read"},
		"applications that cannot be read":   {plus(vault, "fail", "ad app list|timeout"), basic, "could not be read"},
		"a certificate that cannot be read":  {plus(vault, "fail", "keyvault certificate show|timeout"), basic, "could not be read"},
		"a certificate that may not be read": {plus(vault, "fail", "keyvault certificate show|(Forbidden) ForbiddenByRbac"), basic, "az role assignment create --assignee-object-id 5d0c1b9e-0000-4000-8000-00000000aaaa"},
		"a vault that cannot be read":        {plus(vault, "fail", "keyvault show|token expired"), append(with(), place...), "could not be read"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newTenant(t)
			for file, content := range c.files {
				n.write(file, content)
			}
			_, stderr, code := n.run(c.args...)
			if code != 1 || !strings.Contains(stderr, c.says) {
				t.Errorf("exit code %d\n%s", code, stderr)
			}
			if changes := n.changes(); len(changes) != 0 {
				t.Errorf("changed\n%s", strings.Join(changes, "\n"))
			}
		})
	}
}

// TestForeignEnvFile checks that an env file does not choose the application if
// another user could have written the file. An env file for another tenant must
// be refused.
func TestForeignEnvFile(t *testing.T) {
	t.Parallel()
	n := newTenant(t)
	n.write("vault", "true\n")
	ids := "HMA_APP_ID=" + hmaID + "\nHMA_KEY_VAULT_APP_ID=" + kvID + "\n"
	for name, c := range map[string]struct {
		text    string
		prepare func(file string) error
		says    string
	}{
		"writable by others":  {ids, func(file string) error { return os.Chmod(file, 0o602) }, "chmod go-w"},
		"writable by a group": {ids, func(file string) error { return os.Chmod(file, 0o620) }, "chmod go-w"},
		"of another user":     {ids, func(file string) error { return os.Chown(file, 65534, 65534) }, "belongs to another user"},
		"a link": {ids, func(file string) error {
			return errors.Join(os.Rename(file, file+".real"), os.Symlink(file+".real", file))
		}, "symbolic link"},
		"a link to nothing": {"", func(file string) error { return errors.Join(os.Remove(file), os.Symlink(file+".nothing", file)) }, "symbolic link"},
		"another tenant":    {"HMA_TENANT_ID=11111111-2222-4333-8444-555555555555\n", nil, "az login --tenant 11111111"},
		"a name as id":      {"HMA_APP_ID=HMA-App\n", nil, "HMA_APP_ID in "},
		"one application":   {"HMA_APP_ID=" + kvID + "\nHMA_KEY_VAULT_APP_ID=" + strings.ToUpper(kvID) + "\n", nil, "are the same"},
	} {
		if name == "of another user" && os.Getuid() != 0 {
			t.Log("NOT CHECKED: a file of another user, which needs root")
			continue
		}
		file := filepath.Join(t.TempDir(), "hmaproxy.env")
		rewrite(t, file, c.text)
		if c.prepare != nil {
			if err := c.prepare(file); err != nil {
				t.Fatal(err)
			}
		}
		_, stderr, code := n.run(with("-o", file)...)
		if code != 1 || !strings.Contains(stderr, c.says) {
			t.Errorf("%s: exit code %d\n%s", name, code, stderr)
		}
	}
	if changes := n.changes(); len(changes) != 0 {
		t.Errorf("changed\n%s", strings.Join(changes, "\n"))
	}
}

// TestEnvFileOfTheExample runs setup.sh with a copy of the example as the existing
// env file, as an administrator may. The copy must stay unchanged.
func TestEnvFileOfTheExample(t *testing.T) {
	t.Parallel()
	example, err := os.ReadFile("../hmaproxy.env.example")
	if err != nil {
		t.Fatal(err)
	}
	n, file := newTenant(t), filepath.Join(t.TempDir(), "hmaproxy.env")
	rewrite(t, file, string(example))
	n.mustRun(append(with("-o", file), place...)...)
	if contents(t, file) != string(example) {
		t.Errorf("changed to\n%s", contents(t, file))
	}
	load(t, contents(t, file+".new"), nil)
}

// load reads the text of an env file as hmaproxy does. files holds the contents of
// the files that the env file names.
func load(t *testing.T, text string, files map[string]string) *config.Config {
	t.Helper()
	c, err := config.Load(settings(t, text), func(name string) ([]byte, error) {
		if content, ok := files[name]; ok {
			return []byte(content), nil
		}
		return nil, os.ErrNotExist
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return c
}

// TestSecretIsNotForEveryone checks that a client secret is not added to a file
// that every user may read, such as the file of deploy/systemd.
func TestSecretIsNotForEveryone(t *testing.T) {
	t.Parallel()
	n, file := newTenant(t), filepath.Join(t.TempDir(), "hmaproxy.env")
	const before = "# mine\nHMA_LOG_LEVEL=debug\nHMA_KEY_VAULT_CLIENT_SECRET_FILE=/secret\nHMA_ALLOWED_MAILBOXES_FILE=/list\n"
	if err := os.WriteFile(file, []byte(strings.Replace(before, "HMA_KEY_VAULT_CLIENT_SECRET_FILE=/secret\n", "", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	n.mustRun(append([]string{"-e", basic[1], "-v", "contoso", "-o", file}, place...)...)
	if strings.Contains(contents(t, file), "SECRET") {
		t.Errorf("the secret is in a file of mode 0644\n%s", contents(t, file))
	}
	info, err := os.Stat(file + ".new")
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	load(t, contents(t, file+".new"), map[string]string{"/list": "alice@contoso.com\n"})

	// The env file names a file for the secret already. FILE.new must contain the
	// secret in place of this setting, because hmaproxy refuses a secret that is set
	// twice.
	os.Remove(file + ".new")
	rewrite(t, file, before)
	n.mustRun("-e", basic[1], "-v", "contoso", "-o", file, "-s", "--kv-app-id", kvID, "--hma-app-id", hmaID, "-m", "bob@contoso.com")
	if contents(t, file) != before {
		t.Errorf("changed to\n%s", contents(t, file))
	}
	c := load(t, contents(t, file+".new"), map[string]string{"/list": "alice@contoso.com\n"})
	if c.VaultSecret.Reveal() != "Kv8~made-by-the-stub" || !strings.Contains(contents(t, file+".new"), "HMA_LOG_LEVEL=debug\n") {
		t.Errorf("%s", contents(t, file+".new"))
	}
}

// TestSecretThatCannotBeWritten removes the folder of -o when the secret is made.
// The secret must be printed on standard output, and not on standard error.
func TestSecretThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	n := newTenant(t)
	n.write("vault", "true\n")
	folder := filepath.Join(t.TempDir(), "out")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	n.write("hook", "rm -r '"+folder+"'\n")
	stdout, stderr, code := n.run(with("-o", filepath.Join(folder, "hmaproxy.env"))...)
	if code != 1 || !strings.Contains(stdout, "HMA_KEY_VAULT_CLIENT_SECRET=Kv8~made-by-the-stub\n") || strings.Contains(stderr, "Kv8~") {
		t.Errorf("exit code %d, %q\n%s", code, stdout, stderr)
	}
}

// TestNotesGo checks that setup.sh writes a comment in place of a missing setting,
// and removes the comment when it adds the setting.
func TestNotesGo(t *testing.T) {
	t.Parallel()
	n, file := newTenant(t), filepath.Join(t.TempDir(), "hmaproxy.env")
	args := append([]string{"-e", basic[1], "-v", "contoso", "-o", file}, place...)
	n.mustRun(args...)
	if text := contents(t, file); strings.Contains(text, "missing") || !strings.Contains(text, "# Without an allow-list") {
		t.Errorf("after the first run\n%s", text)
	}
	n.mustRun(append(args, "-m", "alice@contoso.com")...)
	if text := contents(t, file); strings.Contains(text, "Without an allow-list") || strings.Contains(text, "#HMA_ALLOWED") || !strings.Contains(text, "HMA_ALLOWED_MAILBOXES=alice@contoso.com\n") {
		t.Errorf("after the second run\n%s", text)
	}
}

// TestRemainingSteps checks what setup.sh does if the caller may not do one of its
// steps. It does the other steps, ends with an error, and says how the remaining
// step can be done.
func TestRemainingSteps(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		says  []string
	}{
		"roles on the vault":        {map[string]string{"fail": "role assignment create --assignee-object-id aa|(AuthorizationFailed) no"}, []string{"Key Vault Secrets User on the vault", `az role assignment create --assignee-object-id aa7c2d35-0e94-4f6a-a1c8-5d7e3b9f0a26`}},
		"consent that is not shown": {map[string]string{"fail": "rest --method GET|Forbidden", "denied": "grant\n"}, []string{"/adminconsent?client_id=" + hmaID}},
		"names that are not shown":  {map[string]string{"fail": "ad sp show --id " + exchangeID + " --query servicePrincipalNames|Forbidden"}, []string{"could not be read", "docs/setup.md"}},
		"names read as nothing":     {map[string]string{"unsaid": ""}, []string{"nothing was written", "docs/setup.md"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, file := newTenant(t), filepath.Join(t.TempDir(), "hmaproxy.env")
			n.write("vault", "true\n")
			for file, content := range c.files {
				n.write(file, content)
			}
			_, stderr, code := n.run(with("-o", file)...)
			if code != 1 || slices.ContainsFunc(c.says, func(s string) bool { return !strings.Contains(stderr, s) }) || strings.Contains(stderr, "not yet") {
				t.Errorf("exit code %d\n%s", code, stderr)
			}
			load(t, contents(t, file), nil)
		})
	}
}

// TestImportWhereACertificateIs checks that, if the vault has a certificate
// already, the output names the file that is not imported.
func TestImportWhereACertificateIs(t *testing.T) {
	t.Parallel()
	n := newTenant(t)
	n.write("vault", "true\n")
	n.write("certificate", "CFD741FACE4B50555E8A6CF78D97E5A25F9B8523\n")
	n.write("own.pfx", "x")
	own := filepath.Join(n.state, "own.pfx")
	if _, stderr := n.mustRun(with("-i", own)...); !strings.Contains(stderr, own+" is not imported") {
		t.Error(stderr)
	}
	t.Run("a wrong password is not tried again", func(t *testing.T) {
		n := newTenant(t)
		n.write("vault", "true\n")
		n.write("fail", "keyvault certificate import|(BadParameter) password is not correct")
		if _, stderr, code := n.run(with("-i", own)...); code != 1 || strings.Contains(stderr, "not yet") {
			t.Errorf("exit code %d\n%s", code, stderr)
		}
	})
}

package azure

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"hmaproxy/internal/config"
	"hmaproxy/proxy/policy"
)

func TestShellcheck(t *testing.T) {
	shellcheck, err := exec.LookPath("shellcheck")
	if err != nil {
		t.Skip("NOT CHECKED: there is no shellcheck on this machine")
	}
	if out, err := exec.Command(shellcheck, "setup.sh", "testdata/az").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestSettingsExist checks that every setting named in docs/setup.md, or in a
// document or script of this folder, exists.
func TestSettingsExist(t *testing.T) {
	known := string(config.Markdown())
	for _, file := range []string{"README.md", "setup.sh", "terraform/outputs.tf", "terraform/tests/memory.env", "terraform/tests/vault.env", "Get-HmaState.ps1", "Export-AllowList.ps1", "../../docs/setup.md"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		names := regexp.MustCompile(`HMA_[A-Z_]+`).FindAllString(string(text), -1)
		for _, name := range names {
			if !strings.Contains(known, "`"+name+"`") {
				t.Errorf("%s names %s, which is not a setting", file, name)
			}
		}
		if len(names) == 0 {
			t.Errorf("%s names no setting", file)
		}
	}
}

// TestExportedAddresses checks that the export script and the product accept the
// same addresses.
func TestExportedAddresses(t *testing.T) {
	script, err := os.ReadFile("Export-AllowList.ps1")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^\$address = '(.*)'$`).FindSubmatch(script)
	if m == nil {
		t.Fatal("the script's pattern was not found")
	}
	pattern := regexp.MustCompile(strings.ReplaceAll(string(m[1]), "''", "'"))
	for _, address := range []string{
		"alice@contoso.com", "a.b-c_d@x.y.contoso.com", "o'neil@contoso.com", "a+b@contoso.com", "a&b@contoso.com", "a#b@contoso.com",
		"*@contoso.com", "a%b@contoso.com", "@contoso.com", "alice@", "alice", ".a@contoso.com", "a.@contoso.com", "a..b@contoso.com",
		"a@-contoso.com", "a@contoso-.com", "a@contoso.com.", "a b@contoso.com", "a,b@contoso.com", "ä@contoso.com", "a@contöso.com", "a\"b@contoso.com", "a@b@contoso.com", "",
	} {
		_, err := policy.ParseAddress(address)
		if got := pattern.MatchString(address); got != (err == nil) {
			t.Errorf("%q: the script accepts it: %v, the product: %v", address, got, err)
		}
	}
}

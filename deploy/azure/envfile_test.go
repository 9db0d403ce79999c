package azure

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"hmaproxy/internal/emulator"
)

// TestSetupAndTerraformPrintTheSame compares the output of setup.sh with the
// files that Terraform's tests also use, so that both print the same settings.
func TestSetupAndTerraformPrintTheSame(t *testing.T) {
	place := []string{"-g", "mail", "-l", "westeurope"}
	for file, args := range map[string][]string{
		"memory.env": append(with(), place...),
		"vault.env":  append([]string{basic[0], basic[1], basic[2], basic[3], "-p", "policy", "-k", "vault"}, place...),
	} {
		want, err := os.ReadFile(filepath.Join("terraform", "tests", file))
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := newTenant(t).mustRun(args...); got != string(want) {
			t.Errorf("%s is\n%s\nsetup.sh prints\n%s", file, want, got)
		}
	}
}

// TestDoctorTakesTheEnvFile runs hmaproxy doctor with the unchanged env file. The
// test adds to the environment only the addresses of the emulated services and the
// file of their certificate authority.
func TestDoctorTakesTheEnvFile(t *testing.T) {
	n := newTenant(t)
	file := filepath.Join(t.TempDir(), "hmaproxy.env")
	n.mustRun(with("-g", "mail", "-l", "westeurope", "-o", file)...)

	services, err := emulator.New(emulator.Config{
		TenantID: "0f3c9a52-6b1d-4b7e-9d0e-2f6a1c5b8e47", HMAAppID: "6a1de0b4-41c7-4c2f-8f5d-93f0b7a2d611",
		VaultAppID: "b87c2d35-0e94-4f6a-a1c8-5d7e3b9f0a26", VaultSecret: "Kv8~made-by-the-stub", CertName: "HMA-Cert",
		ExchangeURL: "https://mail.contoso.com", Mailboxes: []string{"alice@contoso.com"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := services.Start(); err != nil {
		t.Fatal(err)
	}
	defer services.Close()
	authority := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(authority, services.CAPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	all := services.Env()
	cmd := exec.Command("go", "run", "hmaproxy/cmd/hmaproxy", "doctor", "-env-file", file, "-mailbox", "alice@contoso.com")
	cmd.Env = append(os.Environ(), "HMA_CA_FILE="+authority)
	for _, name := range []string{"HMA_AUTHORITY_HOST", "HMA_KEY_VAULT_URI", "HMA_EWS_CONNECT"} {
		if all[name] == "" {
			t.Fatalf("the emulator does not say %s", name)
		}
		cmd.Env = append(cmd.Env, name+"="+all[name])
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

package config

import (
	"errors"
	"strings"
	"testing"
)

func TestStoreValues(t *testing.T) {
	thumbprint := strings.Repeat("0a", 20)
	tests := []struct {
		name, variable, value, want, problem string
	}{
		{"store", "HMA_CERT_STORE", "LocalMachine/My", "LocalMachine/My", ""},
		{"store as PowerShell writes it", "HMA_CERT_STORE", `Cert:\CurrentUser\My`, "CurrentUser/My", ""},
		{"store in lower case", "HMA_CERT_STORE", "localmachine/WebHosting", "LocalMachine/WebHosting", ""},
		{"location alone", "HMA_CERT_STORE", "LocalMachine", "", "expected LocalMachine/My"},
		{"unknown location", "HMA_CERT_STORE", "Machine/My", "", "expected LocalMachine/My"},
		{"a path below the store", "HMA_CERT_STORE", "LocalMachine/My/0A", "", "expected LocalMachine/My"},
		{"thumbprint", "HMA_CERT_THUMBPRINT", thumbprint, strings.ToUpper(thumbprint), ""},
		{"thumbprint with blanks", "HMA_CERT_THUMBPRINT", strings.Repeat("0a ", 20), strings.ToUpper(thumbprint), ""},
		{"thumbprint with colons", "HMA_CERT_THUMBPRINT", strings.Repeat("0a:", 19) + "0a", strings.ToUpper(thumbprint), ""},
		{"SHA-256", "HMA_CERT_THUMBPRINT", strings.Repeat("0a", 32), "", "SHA-256"},
		{"copied from the certificate console", "HMA_CERT_THUMBPRINT", "\u200e" + thumbprint, "", "invisible character"},
		{"39 digits", "HMA_CERT_THUMBPRINT", thumbprint[1:], "", "40 hexadecimal digits"},
		{"subject", "HMA_CERT_SUBJECT", "CN=HMA-Cert, O=Contoso", "CN=HMA-Cert, O=Contoso", ""},
		{"common name alone", "HMA_CERT_SUBJECT", "HMA-Cert", "", "CN=HMA-Cert"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			env := fromStore()
			if tt.variable == "HMA_CERT_THUMBPRINT" {
				env = env.with(vars{"HMA_CERT_SUBJECT": "-"})
			}
			c, err := loadOn(platform{system: "windows"}, env.with(vars{tt.variable: tt.value}).environ(), testFiles(t).read)
			if tt.problem != "" {
				if err == nil || !strings.Contains(err.Error(), tt.variable) || !strings.Contains(err.Error(), tt.problem) {
					t.Errorf("error %v, want %q", err, tt.problem)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{"HMA_CERT_STORE": c.CertStore.String(), "HMA_CERT_THUMBPRINT": string(c.CertThumbprint), "HMA_CERT_SUBJECT": string(c.CertSubject)}[tt.variable]
			if got != tt.want || !c.FromStore() || c.FromVault() {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// fromStore returns an environment with a certificate in a Windows store.
func fromStore() vars {
	return fromVault().with(vars{
		"HMA_KEY_VAULT_URI": "-", "HMA_KEY_VAULT_CERT_NAME": "-", "HMA_KEY_VAULT_APP_ID": "-", "HMA_KEY_VAULT_CLIENT_SECRET": "-",
		"HMA_CERT_STORE": "LocalMachine/My", "HMA_CERT_SUBJECT": "CN=HMA-Cert",
	})
}

// federated returns an environment in which HMA_APP_AUTH is auth and no
// certificate is set.
func federated(auth string) vars {
	return fromStore().with(vars{"HMA_CERT_STORE": "-", "HMA_CERT_SUBJECT": "-", "HMA_APP_AUTH": auth, "AZURE_FEDERATED_TOKEN_FILE": "/token"})
}

// TestSourceMistakes checks that contradictory settings about the source of the
// certificate are refused.
func TestSourceMistakes(t *testing.T) {
	thumbprint := strings.Repeat("0a", 20)
	tests := []struct {
		name, system string
		env          vars
		variable     string
		text         string
	}{
		{"store on Linux", "linux", fromStore(), "HMA_CERT_STORE", "this is not Windows"},
		{"store without a certificate", "windows", fromStore().with(vars{"HMA_CERT_SUBJECT": "-"}), "HMA_CERT_SUBJECT", "(or HMA_CERT_THUMBPRINT)"},
		{"thumbprint without a store", "windows", fromStore().with(vars{"HMA_CERT_STORE": "-", "HMA_CERT_SUBJECT": "-", "HMA_CERT_THUMBPRINT": thumbprint}), "HMA_CERT_STORE", "is required with HMA_CERT_THUMBPRINT"},
		{"thumbprint and subject", "windows", fromStore().with(vars{"HMA_CERT_THUMBPRINT": thumbprint}), "HMA_CERT_SUBJECT", "one of the two"},
		{"store and vault", "windows", fromStore().with(vars{"HMA_KEY_VAULT_URI": "https://contoso.vault.azure.net"}), "HMA_CERT_STORE", "one source"},
		{"store and file", "windows", fromStore().with(vars{"HMA_CERT_FILE": "/ca.pem"}), "HMA_CERT_FILE", "one source"},
		{"store and signing in the vault", "windows", fromStore().with(vars{"HMA_KEY_MODE": "vault"}), "HMA_KEY_MODE", "leaves the key in Windows"},
		{"federated and vault", "linux", fromVault().with(vars{"HMA_APP_AUTH": "managed"}), "HMA_KEY_VAULT_URI", "replaces the certificate"},
		{"federated and file", "linux", federated("managed").with(vars{"HMA_CERT_FILE": "/ca.pem"}), "HMA_CERT_FILE", "replaces the certificate"},
		{"workload without a token", "linux", federated("workload").with(vars{"AZURE_FEDERATED_TOKEN_FILE": "-"}), "AZURE_FEDERATED_TOKEN_FILE", "azure.workload.identity/use"},
		{"workload with an identity", "linux", federated("workload").with(vars{"HMA_APP_IDENTITY_ID": "11111111-2222-3333-4444-555555555555"}), "HMA_APP_IDENTITY_ID", "no effect with HMA_APP_AUTH=workload"},
		{"certificate with an identity", "linux", fromVault().with(vars{"HMA_APP_IDENTITY_ID": "11111111-2222-3333-4444-555555555555"}), "HMA_APP_IDENTITY_ID", "no effect with HMA_APP_AUTH=certificate"},
		{"federated and signing in the vault", "linux", federated("managed").with(vars{"HMA_KEY_MODE": "vault"}), "HMA_KEY_MODE", "has no effect with HMA_APP_AUTH=managed"},
		{"vault and a file that does not exist", "linux", fromVault().with(vars{"HMA_CERT_FILE": "/missing.pem"}), "HMA_CERT_FILE", "is set together with HMA_KEY_VAULT_URI"},
		{"store and a file that does not exist", "windows", fromStore().with(vars{"HMA_CERT_FILE": "/missing.pem"}), "HMA_CERT_FILE", "is set together with HMA_CERT_STORE"},
		{"federated and a file that does not exist", "linux", federated("workload").with(vars{"HMA_CERT_FILE": "/missing.pem"}), "HMA_CERT_FILE", "replaces the certificate"},
		{"unknown way", "linux", federated("federated"), "HMA_APP_AUTH", "certificate, workload or managed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := loadOn(platform{system: tt.system}, tt.env.environ(), testFiles(t).read)
			var problems *Problems
			if !errors.As(err, &problems) {
				t.Fatalf("error %v", err)
			}
			for _, p := range problems.All {
				if p.Variable == tt.variable && strings.Contains(p.Text, tt.text) {
					if one := strings.Contains(p.Text, "is set together with"); one != strings.Contains(p.Repair, "or remove") {
						t.Errorf("repair %q for %q", p.Repair, p.Text)
					}
					return
				}
			}
			t.Errorf("error %v, want %s: %q", err, tt.variable, tt.text)
		})
	}
}

func TestFederatedConfig(t *testing.T) {
	for _, auth := range []AppAuth{AppWorkload, AppManaged} {
		c, err := loadOn(platform{system: "linux"}, federated(string(auth)).environ(), testFiles(t).read)
		if err != nil {
			t.Fatal(err)
		}
		if !c.Federated() || c.AppAuth != auth || c.FromVault() || c.FromStore() || c.CertFile != "" {
			t.Errorf("%+v", c)
		}
		if w := strings.Join(c.Warnings(), "\n"); !strings.Contains(w, "experimental") || !strings.Contains(w, "hmaproxy doctor") {
			t.Errorf("warnings %q", w)
		}
	}
	if c, err := loadOn(platform{system: "linux"}, fromVault().with(vars{"AZURE_FEDERATED_TOKEN_FILE": "/token"}).environ(), testFiles(t).read); err != nil || c.Federated() {
		t.Errorf("the platform's token file with a certificate: %v", err)
	}
}

// TestClientUsersUnderFIPS checks that client users are refused where FIPS
// 140-3 is enforced, with an error that names bcrypt.
func TestClientUsersUnderFIPS(t *testing.T) {
	env := fromVault().with(vars{"HMA_CLIENT_USERS_FILE": "/users"})
	read := files{"/users": []byte("crm:" + tenHash + " alice@contoso.com\n")}.read
	if _, err := loadOn(platform{"linux", true}, env.environ(), read); err == nil || !strings.Contains(err.Error(), "HMA_CLIENT_USERS_FILE: needs bcrypt") {
		t.Errorf("enforced: %v", err)
	}
	if _, err := loadOn(platform{"linux", false}, env.environ(), read); err != nil {
		t.Errorf("not enforced: %v", err)
	}
	if _, err := loadOn(platform{"linux", true}, fromVault().environ(), read); err != nil {
		t.Errorf("enforced, without users: %v", err)
	}
}

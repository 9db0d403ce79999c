package certificates

import (
	"os"
	"path/filepath"
	"testing"

	"hmaproxy/internal/config"
)

// TestFederatedAudience checks the audience for each cloud. The values come from
// Microsoft's page about federated credentials; see federatedAudience.
func TestFederatedAudience(t *testing.T) {
	for authority, want := range map[string]string{
		"login.microsoftonline.com":        "api://AzureADTokenExchange",
		"login.windows.net":                "api://AzureADTokenExchange",
		"login.microsoftonline.us":         "api://AzureADTokenExchangeUSGov",
		"login.partner.microsoftonline.cn": "api://AzureADTokenExchangeChina",
		"login.chinacloudapi.cn":           "api://AzureADTokenExchangeChina",
	} {
		if got := federatedAudience(authority); got != want {
			t.Errorf("%s: %s, want %s", authority, got, want)
		}
	}
}

// TestSecretIsReadAtEachCall checks the three forms of a secret. A file is read
// again, because the secret in it may be renewed.
func TestSecretIsReadAtEachCall(t *testing.T) {
	if secret("", "") != nil {
		t.Error("without a value and a file there is a secret")
	}
	read := secret("value", "")
	if got, err := read(); got != "value" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	file := filepath.Join(t.TempDir(), "secret")
	read = secret("value", config.Path(file))
	if got, err := read(); got != "" || err == nil {
		t.Errorf("without the file: %q, %v", got, err)
	}
	for _, want := range []string{"first", "second"} {
		if err := os.WriteFile(file, []byte(want+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := read(); got != want || err != nil {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	}
}

package doctor

import (
	"net/http"
	"testing"
)

// TestChallengedTenant checks that doctor finds the tenant in a Key Vault's
// challenge, whether it is in the parameter "authorization" or in
// "authorization_uri". The Azure SDK reads "authorization" first.
func TestChallengedTenant(t *testing.T) {
	for challenge, want := range map[string]string{
		`Bearer authorization="https://login.windows.net/one", resource="https://vault.azure.net"`:                              "one",
		`Bearer authorization_uri="https://login.windows.net/two", scope="https://vault.azure.net/.default"`:                    "two",
		`Bearer authorization="https://login.windows.net/one", authorization_uri="https://login.windows.net/two", resource="x"`: "one",
		`Bearer authorization="https://login.windows.net/"`:                                                                     "",
		`Bearer realm="vault"`: "",
	} {
		c := connection{response: response{status: http.StatusUnauthorized, header: http.Header{"Www-Authenticate": {challenge}}}}
		if got := challengedTenant(c); got != want {
			t.Errorf("%s: %q, want %q", challenge, got, want)
		}
	}
}

package config

import (
	"slices"
	"strings"
	"testing"
)

func TestUnknownNames(t *testing.T) {
	cases := []struct{ name, want string }{
		{"HMA_KEY_VAULT_KEY_NAME", "HMA_KEY_VAULT_CERT_NAME"},
		{"HMA_KEY_VAULT_URL", "HMA_KEY_VAULT_URI"},
		{"HMA_KEY_VAULT_SECRET", "HMA_KEY_VAULT_CLIENT_SECRET"},
		{"HMA_EWS_ENDPOINT", "HMA_EWS_URL"},
		{"HMA_AAD_RESOURCE_ID", "HMA_RESOURCE_ID"},
		{"HMA_CLIENT_ID", "HMA_APP_ID"},
		{"HMA_APPLICATION_ID", "HMA_APP_ID"},
		{"HMA_TENANTID", "HMA_TENANT_ID"},
		{"HMA_EWS_ULR", "HMA_EWS_URL"},
		{"HMA_LISTENER", "HMA_LISTEN"},
		{"HMA_ALLOWED_MAILBOX", "HMA_ALLOWED_MAILBOXES"},
		{"HMA_ALLOWED_MAILBOXES_FIEL", "HMA_ALLOWED_MAILBOXES_FILE"},
		{"HMA_ALLOWLIST_MODE", "HMA_ALLOW_LIST_MODE"},
		{"HMA_LOGLEVEL", "HMA_LOG_LEVEL"},
		{"HMA_HTTPS_PROXY", "HTTPS_PROXY"},
		{"hma_ews_url", "upper case; expected HMA_EWS_URL"},
		{"Hma_Allowed_Mailboxes", "upper case; expected HMA_ALLOWED_MAILBOXES"},
		{"hma_client_id", "HMA_APP_ID"},
		{"HMA_COMPLETELY_DIFFERENT", "hmaproxy help settings"},
		{"HMA_", "hmaproxy help settings"},
		{"hma_service_host", "hmaproxy help settings"}, // Kubernetes uses upper case only
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			wantProblem(t, problemsOf(t, fromVault().with(vars{tc.name: "x"})), tc.name, tc.want)
		})
	}
}

// TestServiceLinks checks that the variables that Kubernetes sets for services
// are accepted, although some begin with HMA_, and that similar names are
// refused. The accepted names, except PATH, have the forms in the Kubernetes
// documentation, for services called hma, hma-proxy, hma-port and hmaproxy.
func TestServiceLinks(t *testing.T) {
	ignored := []string{
		"HMA_SERVICE_HOST", "HMA_SERVICE_PORT", "HMA_SERVICE_PORT_HTTP", "HMA_PORT", "HMA_PORT_8080_TCP", "HMA_PORT_8080_TCP_PROTO",
		"HMA_PORT_8080_TCP_PORT", "HMA_PORT_8080_TCP_ADDR", "HMA_PROXY_SERVICE_HOST", "HMA_PROXY_SERVICE_PORT",
		"HMA_PROXY_SERVICE_PORT_METRICS", "HMA_PROXY_PORT", "HMA_PROXY_PORT_8080_TCP_ADDR", "HMA_PORT_PORT",
		"HMAPROXY_SERVICE_HOST", "PATH",
	}
	for _, name := range ignored {
		mustLoad(t, fromVault().with(vars{name: "tcp://10.0.0.1:8080"}))
	}
	refused := []string{"HMA_PORTS", "HMA_SERVICE", "HMA_SERVICE_HOSTS", "HMA_SERVICEPORT", "HMA_SUPPORT", "HMA_REPORT_FILE", "HMAPROXY_ANYTHING", "OTHER_HMA_URL"}
	for _, name := range refused {
		problemsOf(t, fromVault().with(vars{name: "x"}))
	}
	for _, v := range variables() {
		if serviceLink().MatchString(v.name) {
			t.Errorf("%s would be ignored", v.name)
		}
	}
}

// TestNamesThatHoldValues checks that errors do not show variable names that may
// contain a value: names with other characters than letters, digits and
// underscores, and very long names. Such a name results, for example, from a line
// with another separator than "=".
func TestNamesThatHoldValues(t *testing.T) {
	for _, entry := range []string{"HMA_SECRET:hunter2=", "HMA_SECRET hunter2", "HMA_\x1b[31mhunter2=x", "HMA_" + strings.Repeat("hunter2", 20) + "=x"} {
		_, err := Load(append(fromVault().environ(), entry), testFiles(t).read)
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", entry, err)
		}
	}
}

func TestOtherNamesAreForSettings(t *testing.T) {
	known := variables()
	for other, name := range otherNames {
		isKnown := func(name string) bool {
			return slices.ContainsFunc(known, func(v variable) bool { return v.name == name })
		}
		if isKnown(other) || !isKnown(name) || serviceLink().MatchString(other) {
			t.Errorf("%s leads to %s", other, name)
		}
	}
}

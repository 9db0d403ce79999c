package config

import (
	"strings"
	"testing"
)

func TestWarnings(t *testing.T) {
	list := vars{"HMA_ALLOWED_MAILBOXES": "alice@contoso.com"}
	noSecret := vars{"HMA_KEY_VAULT_CLIENT_SECRET": "-", "HMA_KEY_VAULT_APP_ID": "-"}
	network := vars{"HMA_LISTEN": "0.0.0.0:8080", "HMA_UNSAFE_LISTEN_ANY": "true", "HMA_CLIENT_USERS_FILE": "/users"}
	cases := []struct {
		name string
		env  vars
		want []string // a part of each warning, in order
	}{
		{"nothing to say", fromVault().with(list), nil},
		{"no list", fromVault(), []string{"no allow-list"}},
		{"domain without a dot", fromVault().with(vars{"HMA_ALLOWED_MAILBOXES": "alice@contoso"}), []string{"no dot"}},
		{"wildcard domain without a dot", fromVault().with(vars{"HMA_ALLOWED_MAILBOXES": "alice@contoso.com,*@com"}), []string{"no dot"}},
		{"domains with dots, and a SID", fromVault().with(vars{"HMA_ALLOWED_MAILBOXES": "*@contoso.com,upn:alice@corp.contoso.com,sid:S-1-5-21-1-2-3-500"}), nil},
		{"no list and users without patterns", fromVault().with(vars{"HMA_CLIENT_USERS_FILE": "/users"}), []string{"no mailbox patterns"}},
		{"no list and users with patterns", fromVault().with(vars{"HMA_CLIENT_USERS_FILE": "/narrow-users"}), nil},
		{"audit", fromVault().with(list).with(vars{"HMA_ALLOW_LIST_MODE": "audit"}), []string{"refuses nothing"}},
		{"exchange online", fromVault().with(list).with(vars{"HMA_EWS_URL": "https://outlook.office365.com"}), []string{"2027-04-01"}},
		{"exchange online in China", fromVault().with(list).with(vars{"HMA_EWS_URL": "https://partner.outlook.cn"}), []string{"Exchange Online"}},
		{"exchange online in US government clouds", fromVault().with(list).with(vars{"HMA_EWS_URL": "https://outlook-dod.office365.us"}), []string{"Exchange Online"}},
		{"not exchange online", fromVault().with(list).with(vars{"HMA_EWS_URL": "https://notoutlook.com"}), nil},
		{"exchange online's name inside another", fromVault().with(list).with(vars{"HMA_EWS_URL": "https://outlook.office365.com.contoso.com"}), nil},
		{"network", fromVault().with(list).with(network), []string{"clear text", "HMA_UNSAFE_LISTEN_ANY"}},
		{"network with TLS", fromVault().with(list).with(network).with(vars{"HMA_TLS_CERT_FILE": "/tls.pem", "HMA_TLS_KEY_FILE": "/tls-key.pem"}), []string{"HMA_UNSAFE_LISTEN_ANY"}},
		{"certificate without a host name, no Autodiscover", fromVault().with(list).with(vars{"HMA_TLS_CERT_FILE": "/tls.pem", "HMA_TLS_KEY_FILE": "/tls-key.pem", "HMA_HOST_NAMES": "nowhere.contoso.com"}), nil},
		{"certificate without a host name", fromVault().with(list).with(vars{"HMA_TLS_CERT_FILE": "/tls.pem", "HMA_TLS_KEY_FILE": "/tls-key.pem", "HMA_HOST_NAMES": "nowhere.contoso.com", "HMA_AUTODISCOVER": "auto"}), []string{"no certificate of HMA_TLS_CERT_FILE is for"}},
		{"admin on the network", fromVault().with(list).with(vars{"HMA_ADMIN_LISTEN": "[::]:8081"}), []string{"HMA_ADMIN_LISTEN"}},
		{"admin off", fromVault().with(list).with(vars{"HMA_ADMIN_LISTEN": "off"}), nil},
		{"secret id", fromVault().with(list).with(vars{"HMA_KEY_VAULT_CLIENT_SECRET": vaultGUID}), []string{"its value does not"}},
		{"TLS compatibility", fromVault().with(list).with(vars{"HMA_TLS_COMPATIBILITY": "rsa-key-exchange,cbc,classic-groups"}), []string{"rsa-key-exchange: who records", "cbc: ", "classic-groups: "}},
		{"TLS compatibility, cbc alone", fromVault().with(list).with(vars{"HMA_TLS_COMPATIBILITY": "cbc"}), []string{"cbc: "}},
		{"default credential", fromVault().with(list).with(noSecret).with(vars{"HMA_KEY_VAULT_AUTH": "default"}), []string{"development"}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			got := mustLoad(t, tc.env).Warnings()
			if len(got) != len(tc.want) {
				t.Fatalf("warnings %q, want %d", got, len(tc.want))
			}
			for i, part := range tc.want {
				if !strings.Contains(got[i], part) {
					t.Errorf("warning %q, want one that says %q", got[i], part)
				}
			}
		})
	}
}

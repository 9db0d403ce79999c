package doctor_test

import (
	"os"

	"hmaproxy/internal/doctor"
)

func ExampleText() {
	text := doctor.NewText(os.Stdout, doctor.TextOptions{})
	all := []doctor.Result{
		{Check: "vault", Title: "Key Vault: connection", Status: doctor.OK, Detail: "contoso.vault.azure.net, TLS 1.3"},
		{Check: "vault-secret", Title: "Key Vault: permission", Status: doctor.Failed, Detail: "get secret: HTTP 403 ForbiddenByFirewall",
			Cause:  "the vault's firewall does not let this machine's address in",
			Repair: []string{"az keyvault network-rule add -n contoso --ip-address ADDRESS", "or use a private endpoint"}},
		{Check: "token", Title: "Entra ID: access token", Status: doctor.Skipped, Detail: "“Key Vault: permission” failed"},
	}
	for _, r := range all {
		text.Report(r)
	}
	text.Summary(all)
	// Output:
	// ✓ Key Vault: connection
	// ✗ Key Vault: permission: get secret: HTTP 403 ForbiddenByFirewall
	//     cause:  the vault's firewall does not let this machine's address in
	//     repair: az keyvault network-rule add -n contoso --ip-address ADDRESS
	//             or use a private endpoint
	// – Entra ID: access token: not run: “Key Vault: permission” failed
	//
	// One check failed: Key Vault: permission. -v shows what each check observed.
}

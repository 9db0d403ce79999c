package config

import (
	"strings"
)

// checkSource makes sure that there is exactly one source of the certificate,
// or no source if a federated credential replaces the certificate.
func checkSource(r *rules) {
	if !r.problems.none("HMA_APP_AUTH") {
		return
	}
	if r.config.Federated() {
		checkFederated(r)
		return
	}
	r.refuse("with HMA_APP_AUTH=certificate", "HMA_APP_IDENTITY_ID")
	vault, store := vaultVariables(r.given), storeVariables(r.given)
	switch {
	case r.given.set["HMA_CERT_FILE"]:
		if others := append(vault, store...); len(others) > 0 {
			r.conflict("HMA_CERT_FILE", others, "one source of the certificate")
		}
	case len(store) > 0:
		if len(vault) > 0 {
			r.conflict(store[0], vault, "one source of the certificate")
		}
		checkStore(r)
	case len(vault) == 0:
		r.problems.fault("HMA_KEY_VAULT_URI", "is not set, and neither is HMA_CERT_FILE or HMA_CERT_STORE; expected one source of the certificate: HMA_KEY_VAULT_URI and HMA_KEY_VAULT_CERT_NAME, HMA_CERT_FILE, or HMA_CERT_STORE")
	default:
		r.need("HMA_KEY_VAULT_URI", "for a certificate from Key Vault")
		r.need("HMA_KEY_VAULT_CERT_NAME", "for a certificate from Key Vault")
	}
}

// checkFederated checks the settings of a federated credential.
func checkFederated(r *rules) {
	with := "with HMA_APP_AUTH=" + string(r.config.AppAuth)
	r.refuse(with+", which replaces the certificate", append(append(vaultVariables(r.given), storeVariables(r.given)...), "HMA_CERT_FILE", "HMA_CERT_POLL_INTERVAL", "HMA_KEY_MODE")...)
	if r.config.AppAuth == AppWorkload {
		r.refuse(with, "HMA_APP_IDENTITY_ID")
		r.need("AZURE_FEDERATED_TOKEN_FILE", with+" (the pod's label azure.workload.identity/use: \"true\" makes Azure's webhook set it)")
	}
}

// checkStore checks the settings of a certificate in a Windows store.
func checkStore(r *rules) {
	if r.platform.system != "windows" {
		name := storeVariables(r.given)[0]
		r.problems.add(Problem{
			Variable: name, Text: "names a Windows certificate store, and this is not Windows; expected HMA_CERT_FILE, or a certificate from Key Vault",
			Repair: "remove " + name + ", and set HMA_CERT_FILE, or HMA_KEY_VAULT_URI and the settings that it needs",
		})
		return
	}
	r.need("HMA_CERT_STORE", "with HMA_CERT_THUMBPRINT or HMA_CERT_SUBJECT")
	switch thumbprint, subject := r.given.set["HMA_CERT_THUMBPRINT"], r.given.set["HMA_CERT_SUBJECT"]; {
	case thumbprint && subject:
		r.conflict("HMA_CERT_SUBJECT", []string{"HMA_CERT_THUMBPRINT"}, "one of the two")
	case !thumbprint && !subject:
		r.need("HMA_CERT_SUBJECT", "(or HMA_CERT_THUMBPRINT) with HMA_CERT_STORE")
	}
	if r.config.KeyMode == KeyVault {
		keyModeConflict(r, "asks for signatures inside Key Vault, and HMA_CERT_STORE leaves the key in Windows; expected memory, or a certificate from Key Vault")
	}
}

// storeVariables returns the variables of a Windows store that are set.
func storeVariables(given environment) []string {
	var names []string
	for _, name := range []string{"HMA_CERT_STORE", "HMA_CERT_THUMBPRINT", "HMA_CERT_SUBJECT"} {
		if given.set[name] {
			names = append(names, name)
		}
	}
	return names
}

// vaultVariables returns the Key Vault variables that are set.
func vaultVariables(given environment) []string {
	var names []string
	for _, v := range variables() {
		if given.set[v.name] && strings.HasPrefix(v.name, "HMA_KEY_VAULT_") {
			names = append(names, v.name)
		}
	}
	return names
}

// checkVaultAuth checks that the credentials that VaultAuth needs are set, and
// no others.
func checkVaultAuth(r *rules) {
	if len(vaultVariables(r.given)) == 0 || r.given.set["HMA_CERT_FILE"] || r.config.Federated() || len(storeVariables(r.given)) > 0 || !r.problems.none("HMA_KEY_VAULT_AUTH") {
		return
	}
	auth := r.config.VaultAuth
	if auth == AuthSecret {
		r.need("HMA_KEY_VAULT_APP_ID", "with HMA_KEY_VAULT_AUTH=secret")
		if !r.given.set["HMA_KEY_VAULT_CLIENT_SECRET_FILE"] {
			r.need("HMA_KEY_VAULT_CLIENT_SECRET", "(or its _FILE twin) with HMA_KEY_VAULT_AUTH=secret")
		}
		return
	}
	with := "with HMA_KEY_VAULT_AUTH=" + string(auth)
	r.refuse(with, "HMA_KEY_VAULT_CLIENT_SECRET", "HMA_KEY_VAULT_CLIENT_SECRET_FILE")
	if auth == AuthDefault {
		r.refuse(with, "HMA_KEY_VAULT_APP_ID")
	}
}

func checkCertFile(r *rules) {
	if !r.given.set["HMA_CERT_FILE"] {
		r.refuse("without HMA_CERT_FILE", "HMA_CERT_PASSWORD", "HMA_CERT_PASSWORD_FILE")
	} else if r.config.KeyMode == KeyVault {
		keyModeConflict(r, "asks for signatures inside Key Vault, and HMA_CERT_FILE takes the key from a file; expected memory, or a certificate from Key Vault")
	}
}

// keyModeConflict reports that HMA_KEY_MODE is vault, although the certificate does
// not come from Key Vault. text is the text of the problem.
func keyModeConflict(r *rules, text string) {
	r.problems.add(Problem{Variable: "HMA_KEY_MODE", Text: text, Repair: "remove HMA_KEY_MODE, or take the certificate from Key Vault"})
}

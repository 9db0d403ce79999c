package certsource

import "net/http"

// vaultRemedy returns the remedy for a refusal of Key Vault.
func vaultRemedy(e *Error) string {
	switch e.Code {
	case "SecretNotFound", "KeyNotFound", "CertificateNotFound":
		return "the vault has no certificate of this name, or it was deleted: check the name"
	case "SecretDisabled", "KeyDisabled":
		return "enable this version of the certificate in Key Vault"
	case "SecretExpired", "SecretNotYetValid":
		return "the version's activation or expiry date in Key Vault forbids its use"
	case "ForbiddenByRbac":
		return "give the application the role " + role(e.Op) + " on the vault; it may take minutes to take effect"
	case "ForbiddenByPolicy", "AccessDenied":
		return "give the application " + permission(e.Op) + " in the vault's access policy"
	case "ForbiddenByFirewall", "ForbiddenByConnection":
		return "the vault's network rules refuse this machine: allow its address, or use the private endpoint"
	}
	return statusRemedy(e)
}

func statusRemedy(e *Error) string {
	switch {
	case e.Status == http.StatusUnauthorized:
		return "Key Vault does not accept the log-in: check that the application is in the vault's tenant"
	case e.Status == http.StatusForbidden:
		return "give the application " + permission(e.Op) + " on the vault and check the vault's network rules"
	case e.Status == http.StatusNotFound:
		return "check the Key Vault URI and the certificate's name"
	case e.Status == http.StatusTooManyRequests:
		return "Key Vault limits the rate of requests: ask less often"
	case e.Status >= 500:
		return "Key Vault has a failure at the moment: it is tried again"
	case e.Status >= 300 && e.Status < 400:
		return networkRemedy(CodeNotKeyVault)
	}
	return "Key Vault refuses the request: check the Key Vault URI and the certificate's name"
}

func permission(op string) string {
	switch op {
	case "list versions":
		return "the permission secrets/list"
	case "sign":
		return "the permission keys/sign"
	}
	return "the permission secrets/get"
}

func role(op string) string {
	if op == "sign" {
		return "Key Vault Crypto User"
	}
	return "Key Vault Secrets User"
}

// entraRemedy returns the remedy for a refused log-in. Entra ID documents its
// codes at
// https://learn.microsoft.com/entra/identity-platform/reference-error-codes.
func entraRemedy(e *Error, auth Auth, s *session) string {
	switch e.Code {
	case "AADSTS7000215":
		if s.pasted {
			return "the client secret is wrong: this is the secret's ID, its Value is needed"
		}
		return "the client secret is wrong: it must be the secret's Value, not its ID, of this application"
	case "AADSTS7000222":
		return "the client secret has expired: add a new one to the Key Vault application"
	case "AADSTS700016", "AADSTS7000229":
		return "the Key Vault application is not known in the vault's tenant: check its id, and the tenant"
	case "AADSTS90002", "AADSTS900023", "AADSTS900021":
		return "the tenant does not exist in this cloud: check the tenant id and the authority host"
	case "AADSTS7000112":
		return "the Key Vault application is disabled: enable it"
	case "AADSTS53003":
		return "a Conditional Access policy blocks the Key Vault application"
	case "AADSTS70021", "AADSTS700211", "AADSTS700212", "AADSTS700213":
		return "no federated credential of the application matches this service account: check issuer, subject and audience"
	}
	switch {
	case e.Status >= 500 || e.Status == http.StatusTooManyRequests:
		return "Entra ID has a failure at the moment: it is tried again"
	case auth == AuthSecret:
		return "check the Key Vault application's id, its client secret, the tenant and the authority host"
	}
	return loginRemedy(auth)
}

func loginRemedy(auth Auth) string {
	switch auth {
	case AuthWorkload:
		return "check that the pod has the label azure.workload.identity/use and its service account the application's client id"
	case AuthManaged:
		return "check that this machine has a managed identity, the configured one if any, and reaches 169.254.169.254 without a proxy"
	case AuthDefault:
		return "run az login"
	}
	return "check tenant, client id and authority host"
}

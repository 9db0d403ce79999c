package certsource

// storeRemedy says what to do about a certificate in a Windows store.
func storeRemedy(code, location string) string {
	switch code {
	case CodeNoStore:
		return "the store does not exist: certificates of programs are in LocalMachine/My"
	case CodeNotInStore:
		if location == StoreCurrentUser {
			return "no certificate of this store fits: CurrentUser is the store of the account that this program runs as; list it with certutil -user -store My, and the machine's with certutil -store My"
		}
		return "no certificate of this store fits: list it with certutil -store My, and look into CurrentUser with certutil -user -store My"
	case CodeNoPrivateKey:
		return "the store has the certificate without its private key: import the PFX, or complete the request on the machine that made it"
	case CodeKeyAccess:
		return `this program's account may not read the private key: in certlm.msc, All Tasks > Manage Private Keys, give it Read (a service's account is NT SERVICE\ and its name)`
	case CodeKeyPrompts:
		return "the private key asks a person for consent or a PIN: import it without strong private key protection"
	case CodeLegacyKey:
		return `the private key is in a provider without RSASSA-PSS: issue the certificate with the provider "Microsoft Software Key Storage Provider" or "Microsoft Platform Crypto Provider", or repair it with certutil -repairstore -csp "Microsoft Software Key Storage Provider"`
	case CodeSaltLength:
		return `this TPM signs with a salt length that Entra ID does not accept: issue the certificate with the provider "Microsoft Software Key Storage Provider"`
	case CodeStoreFailed:
		return "look up the status at https://learn.microsoft.com/windows/win32/com/com-error-codes-4"
	}
	return remedy(code)
}

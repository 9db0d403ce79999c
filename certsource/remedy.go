package certsource

// remedy returns the remedy for a certificate that cannot be used or a service
// that cannot be reached. It returns "" for unknown codes.
func remedy(code string) string {
	switch code {
	case CodeEmpty:
		return "it holds nothing: write it again"
	case CodeTooLarge:
		return "this is not a certificate: name the PFX or PEM file"
	case CodeUnreadable:
		return "check the path and the permissions of the file"
	case CodeNotAFile:
		return "name a regular file with certificate and private key"
	case CodeBlocked:
		return "the file system does not respond: check the mount, such as an NFS or SMB share"
	case CodeNegativeSerial:
		return "issue a certificate with a positive serial number (RFC 5280), or run with GODEBUG=x509negativeserial=1"
	case CodeUTF16:
		return "the text is in UTF-16: save it as UTF-8 or ASCII"
	case CodePKCS7:
		return "export the certificate together with its private key, as PFX (PKCS#12)"
	case CodeUnknownFormat:
		return "a PFX (PKCS#12) or a PEM file with certificate and private key is needed"
	case CodeDamaged:
		return "it is cut off, altered or lost its line breaks: export it again, and import it as a certificate rather than pasting it as a secret"
	case CodeUnsupportedPFX:
		return "export it again, with AES-256 and SHA-256: openssl pkcs12 -export"
	case CodeNotFIPS:
		return "FIPS 140-3 is enforced (GODEBUG=fips140=only): use a PEM file, or in Key Vault a certificate with the content type application/x-pem-file"
	case CodeWrongPassword:
		return "the configured password is not the PFX's"
	case CodeEncryptedPEM:
		return "decrypt the key with openssl pkey, or use a PFX, whose password can be configured"
	case CodeNoPrivateKey:
		return "it holds the certificate only: export it together with its private key"
	case CodeNoCertificate:
		return "it holds the private key only: add the certificate"
	case CodeSeveralKeys:
		return "leave one private key in it"
	case CodeAmbiguous:
		return "leave one certificate and its issuers in it"
	case CodeNotRSA:
		return "Entra ID takes certificates with RSA keys only: issue one with RSA 2048 or more"
	case CodeWeakKey:
		return "issue a certificate with an RSA key of 2048 bits or more"
	case CodeKeyMismatch:
		return "the private key and the certificate do not belong together: export them again"
	case CodeNotYetValid:
		return "wait until then, or set this machine's clock"
	case CodeExpired:
		return "issue a new certificate and register it in Entra ID"
	}
	return networkRemedy(code)
}

func networkRemedy(code string) string {
	switch code {
	case CodeUnknownHost:
		return "check the host's name, and DNS on this machine"
	case CodeUntrusted:
		return "its TLS certificate is not trusted here: add the root of the private PKI or of the inspecting proxy"
	case CodeUnreachable:
		return "check firewall and proxy between this machine and the host"
	case CodeTimeout:
		return "no response in time: check firewall and proxy between this machine and the host"
	case CodeNotKeyVault:
		return "the response is not one of the Key Vault of this URL: check the Key Vault URI, and the proxies between this machine and it"
	case CodeUnsupportedSign:
		return "Key Vault is asked for PS256 and RS256 only"
	}
	return ""
}

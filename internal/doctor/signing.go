package doctor

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"net/http"

	"hmaproxy/certsource"
)

// checkSigning has the vault sign something, and verifies it.
func (x *examination) checkSigning(context.Context) Result {
	cert := x.certs[0]
	key, usable := cert.PrivateKey.(crypto.Signer)
	public, rsaKey := cert.Leaf.PublicKey.(*rsa.PublicKey)
	if !usable || !rsaKey {
		return failed("the certificate has no usable key", "its key is of the wrong type: Entra ID takes RSA keys only", x.issueCommand())
	}
	digest := sha256.Sum256([]byte("hmaproxy doctor"))
	options := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}
	signature, err := key.Sign(rand.Reader, digest[:], options)
	if err == nil {
		if err = rsa.VerifyPSS(public, crypto.SHA256, digest[:], signature, options); err == nil {
			return ok("the vault signs with the certificate's key")
		}
		return failed("the vault's signature does not fit the certificate", "the key and the certificate in the vault are of different versions", x.issueCommand())
	}
	return x.explainSigning(err)
}

func (x *examination) explainSigning(err error) Result {
	var e *certsource.Error
	if !errors.As(err, &e) {
		return failed("the vault did not sign", "its answer cannot be understood", "try again")
	}
	name, vault := string(x.config.VaultCertName), x.vaultName()
	detail := "sign: " + statusText(e.Status, e.Code)
	if r, closed := x.closedVault(e.Code, detail); closed && e.Status == http.StatusForbidden {
		return r
	}
	switch e.Code {
	case "ForbiddenByRbac":
		return failed(detail, x.identity()+" lacks the permission sign on keys: Key Vault Crypto User is not assigned",
			"az role assignment create --assignee "+x.principal()+" --role \"Key Vault Crypto User\" --scope $(az keyvault show -n "+x.vaultName()+" --query id -o tsv)",
			"a new assignment takes up to ten minutes to count")
	case "ForbiddenByPolicy", "AccessDenied", "Forbidden":
		return failed(detail, x.identity()+" lacks the permission sign on keys in the vault's access policy",
			"az keyvault set-policy -n "+x.vaultName()+" --spn "+x.principal()+" --key-permissions sign get")
	case "KeyNotFound":
		return failed(detail, "the vault has no key "+quote(name)+" behind the certificate: it is a secret that was written by hand, which HMA_KEY_MODE=vault cannot sign with",
			x.importCommand(), "or set HMA_KEY_MODE=memory")
	case "KeyOperationForbidden":
		return failed(detail, "the key's permitted operations do not include sign", "az keyvault key set-attributes --vault-name "+vault+" -n "+name+" --ops sign verify")
	case certsource.CodeTimeout, certsource.CodeUnreachable:
		return failed(detail, "the vault handed out the certificate and does not answer the request to sign: it is busy, or a device on the way drops what is posted", "try again in some minutes; look for a proxy or firewall that inspects TLS")
	case "KeyDisabled":
		return failed(detail, "the certificate's key is disabled", "az keyvault key set-attributes --vault-name "+vault+" -n "+name+" --enabled true")
	}
	if e.Status >= 500 || e.Status == http.StatusTooManyRequests {
		return failed(detail, "Key Vault has a passing problem, or limits the rate of requests", "try again in some minutes")
	}
	return failed(detail, "the vault does not sign", orTry(e.Remedy))
}

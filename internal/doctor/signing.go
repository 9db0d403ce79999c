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

// gatherSignature makes the vault sign a digest, and verifies the signature.
func gatherSignature(_ context.Context, _ *session, f *facts) {
	cert := f.source.certs[0]
	key, usable := cert.PrivateKey.(crypto.Signer)
	public, isRSA := cert.Leaf.PublicKey.(*rsa.PublicKey)
	if !usable || !isRSA {
		f.signature.keyUnusable = true
		return
	}
	digest := sha256.Sum256([]byte("hmaproxy doctor"))
	options := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}
	signature, err := key.Sign(rand.Reader, digest[:], options)
	f.signature.err = err
	f.signature.mismatch = err == nil && rsa.VerifyPSS(public, crypto.SHA256, digest[:], signature, options) != nil
}

func evaluateSignature(f *facts) Result {
	var e *certsource.Error
	switch s := f.signature; {
	case s.keyUnusable:
		return f.fail("the certificate has no usable key", "its key is of the wrong type: Entra ID takes RSA keys only", "{issue}")
	case s.mismatch:
		return f.fail("the vault's signature does not fit the certificate", "the key and the certificate in the vault are of different versions", "{issue}")
	case s.err == nil:
		return ok("the vault signs with the certificate's key")
	case !errors.As(s.err, &e):
		return f.fail("the vault did not sign", "its response cannot be understood", "try again")
	}
	n := f.names.with("{remedy}", remedyOr(e.Remedy))
	detail := "sign: " + statusText(e.Status, e.Code)
	if ex, closed := explain(closedVault, vaultRefusal{e.Code, f.network.vault}); closed && e.Status == http.StatusForbidden {
		return n.failed(detail, ex)
	}
	if ex, known := explainCode(signingFailures, e.Code); known {
		return n.failed(detail, ex)
	}
	if e.Status >= 500 || e.Status == http.StatusTooManyRequests {
		return f.fail(detail, "Key Vault has a passing problem, or limits the rate of requests", "try again in some minutes")
	}
	return n.failed(detail, explanation{cause: "the vault does not sign", repair: []string{"{remedy}"}})
}

// signingFailures explain why the vault does not sign.
var signingFailures = []codeRule[string]{
	{
		codes:  []string{"ForbiddenByRbac"},
		cause:  "{identity} lacks the permission sign on keys: Key Vault Crypto User is not assigned",
		repair: []string{`az role assignment create --assignee {kv-app} --role "Key Vault Crypto User" --scope {vault-scope}`, newAssignment},
	},
	{
		codes:  []string{"ForbiddenByPolicy", "AccessDenied", "Forbidden"},
		cause:  "{identity} lacks the permission sign on keys in the vault's access policy",
		repair: []string{"az keyvault set-policy -n {vault} --spn {kv-app} --key-permissions sign get"},
	},
	{
		codes:  []string{"KeyNotFound"},
		cause:  "the vault has no key “{cert}” behind the certificate: it is a secret that was written by hand, which HMA_KEY_MODE=vault cannot sign with",
		repair: []string{"{import}", "or set HMA_KEY_MODE=memory"},
	},
	{
		codes:  []string{"KeyOperationForbidden"},
		cause:  "the key's permitted operations do not include sign",
		repair: []string{"az keyvault key set-attributes --vault-name {vault} -n {cert} --ops sign verify"},
	},
	{
		codes:  []string{certsource.CodeTimeout, certsource.CodeUnreachable},
		cause:  "the vault handed out the certificate and does not respond to the request to sign: it is busy, or a device on the way drops what is posted",
		repair: []string{"try again in some minutes; look for a proxy or firewall that inspects TLS"},
	},
	{
		codes:  []string{"KeyDisabled"},
		cause:  "the certificate's key is disabled",
		repair: []string{"az keyvault key set-attributes --vault-name {vault} -n {cert} --enabled true"},
	},
}

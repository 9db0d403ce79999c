// Package certsource supplies the certificate, with its private key, that
// proves an application's identity to Entra ID.
//
// [NewKeyVault] is the usual source. It reads a certificate and its previous
// version from Azure Key Vault. With KeyInVault the private key stays in the
// vault, which makes every signature. [NewFile] reads a PFX (PKCS#12) or PEM
// file. [NewStore] reads a Windows certificate store, whose private keys stay
// in Windows. [NewExperimentalFederated] supplies tokens that replace the
// certificate. [Parse] reads a file or secret that is already in memory;
// [Thumbprints] names a certificate as the Azure portal does.
//
// # What Certificates returns
//
// Every source of certificates has the method
//
//	Certificates(ctx context.Context) ([]*tls.Certificate, error)
//
// which callers poll. It returns the certificates that are usable now, newest
// first. A usable certificate is within its validity period, and its private
// key is an RSA key of at least 2048 bits that belongs to the certificate. The
// list has at most two certificates: the newest and the previous certificate.
// Both are needed because the newest may not be registered in Entra ID yet.
//
// The list and the error are independent of each other:
//
//   - A list and a nil error mean success.
//   - A list and an error mean that this poll failed, or that the newest
//     version is unusable (broken, disabled, not yet valid, expired). Use the
//     list and report the error.
//   - An error and an empty list mean that no certificate can be used.
//
// For a certificate that did not change, the same *tls.Certificate is returned,
// so callers may compare pointers. Callers must not modify the certificate. Its
// Leaf is set. Its PrivateKey is a [crypto.Signer]: an *rsa.PrivateKey, unless
// the key stays in Key Vault or in Windows.
//
// Every error is an [*Error], which is one line that includes the remedy.
// Neither errors nor logs ever hold a password, a secret or a key.
package certsource

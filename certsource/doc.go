// Package certsource supplies the certificate, with its private key, that
// proves an application's identity to Entra ID.
//
// [NewKeyVault] is the usual source: it reads a certificate from Azure Key
// Vault, together with its previous version, and with KeyInVault leaves the
// private key there and has every signature made by the vault. [NewFile] reads
// a PFX (PKCS#12) or PEM file. [NewStore] reads a Windows certificate store, whose
// private keys stay in Windows. [NewExperimentalFederated] supplies tokens that take
// the place of a certificate. [Parse] reads one such file or secret that is
// already in memory; [Thumbprints] names a certificate as the Azure portal does.
//
// # What Certificates returns
//
// The sources of certificates have the same method,
//
//	Certificates(ctx context.Context) ([]*tls.Certificate, error)
//
// which is meant to be polled. It returns what is usable now, newest first: RSA
// of at least 2048 bits, key and certificate matching, within the certificate's
// dates. There are at most two, the newest and the one before it, because a
// certificate that has just been uploaded may not be registered in Entra ID yet.
//
// The list and the error are independent of each other:
//
//   - list, nil error: all is well.
//   - list and error: keep using the list; this poll failed, or the newest
//     version is unusable (broken, disabled, not yet valid, expired). Report
//     the error.
//   - no list, error: there is nothing to use.
//
// A certificate that did not change is the identical *tls.Certificate, so that
// callers may compare pointers. Callers must not modify it. Its Leaf is set, its
// PrivateKey is a [crypto.Signer]: an *rsa.PrivateKey, unless the key stays in Key
// Vault or in Windows.
//
// Every error is an [*Error]: one line that says what to do next. Neither errors
// nor logs ever hold a password, a secret or a key.
package certsource

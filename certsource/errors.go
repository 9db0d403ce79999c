package certsource

import (
	"strconv"
	"strings"
	"time"

	"hmaproxy/internal/printable"
)

// The values of [Error.Code] that this package defines. Other values are Key
// Vault's codes (SecretNotFound, ForbiddenByRbac, …) and Entra ID's errors, in
// the form AADSTS7000215 or, without a number, invalid_client.
const (
	CodeEmpty           = "Empty"           // the file, secret or client secret is empty
	CodeTooLarge        = "TooLarge"        // the file or secret is larger than any certificate
	CodeUnreadable      = "Unreadable"      // the file, its password or the client secret could not be read
	CodeNotAFile        = "NotAFile"        // the path is a directory, pipe, socket or device
	CodeBlocked         = "Blocked"         // the read of the file, the Windows store or the client secret did not return in time
	CodeUTF16           = "UTF16"           // text in UTF-16, as Windows PowerShell's ">" writes it
	CodePKCS7           = "PKCS7"           // a chain of certificates (.p7b), which holds no private key
	CodeUnknownFormat   = "UnknownFormat"   // neither PFX nor PEM
	CodeDamaged         = "Damaged"         // PFX or PEM, but damaged
	CodeUnsupportedPFX  = "UnsupportedPFX"  // a PFX with algorithms or a structure that cannot be read
	CodeNotFIPS         = "NotFIPS"         // a PFX with algorithms that GODEBUG=fips140=only forbids
	CodeWrongPassword   = "WrongPassword"   // the given password is not the password of the PFX
	CodeEncryptedPEM    = "EncryptedPEM"    // the PEM's private key has a password
	CodeNoPrivateKey    = "NoPrivateKey"    // a certificate without private key
	CodeNoCertificate   = "NoCertificate"   // a private key without certificate
	CodeSeveralKeys     = "SeveralKeys"     // more than one private key
	CodeAmbiguous       = "Ambiguous"       // several certificates could be the leaf, because they issued no other certificate
	CodeNotRSA          = "NotRSA"          // the private key is not an RSA key, and Entra ID accepts only RSA keys
	CodeWeakKey         = "WeakKey"         // the RSA key has less than 2048 bits
	CodeKeyMismatch     = "KeyMismatch"     // the private key does not belong to any of the certificates
	CodeNegativeSerial  = "NegativeSerial"  // a certificate with a negative serial number, which Go refuses by default
	CodeNoStore         = "NoStore"         // the Windows certificate store does not exist
	CodeNotInStore      = "NotInStore"      // no certificate of the store matches
	CodeKeyAccess       = "KeyAccess"       // the account may not read the private key
	CodeKeyPrompts      = "KeyPrompts"      // use of the private key requires a person's consent
	CodeLegacyKey       = "LegacyKey"       // the private key's provider cannot sign with RSASSA-PSS
	CodeSaltLength      = "SaltLength"      // the private key's provider signs with a salt that is not as long as the hash
	CodeStoreFailed     = "StoreFailed"     // a call of Windows failed for another reason; Err contains its status
	CodeNotAToken       = "NotAToken"       // a federated credential that is not a signed JSON web token
	CodeTokenExpired    = "TokenExpired"    // a federated credential that was not renewed
	CodeTokenAudience   = "TokenAudience"   // a federated credential for another audience
	CodeNotYetValid     = "NotYetValid"     // the certificate is not yet valid; see NotBefore
	CodeExpired         = "Expired"         // the certificate has expired
	CodeUnknownHost     = "UnknownHost"     // the host's name does not resolve
	CodeUntrusted       = "Untrusted"       // the host's TLS certificate is not trusted
	CodeUnreachable     = "Unreachable"     // no connection could be opened, or the connection failed
	CodeTimeout         = "Timeout"         // no response in time
	CodeCanceled        = "Canceled"        // the caller's context ended
	CodeNotKeyVault     = "NotKeyVault"     // the response does not come from this Key Vault
	CodeNoCredential    = "NoCredential"    // the configured way to log in does not exist on this machine, or failed without an HTTP error
	CodeUnsupportedSign = "UnsupportedSign" // a signature by an algorithm other than PS256 and RS256 was requested
)

// Error is the type of the errors that this package returns. Constructors also
// return errors of other types, which are about their Config.
type Error struct {
	Op        string    // the operation: "parse", "read file", "read password of", "read client secret", "log in", "get secret", "list versions", "read store", "open store", "open private key", "read service account token", "log in as managed identity", "sign"
	Name      string    // name of the file, secret, key or store; for "log in" the id of the application or, without an id, the Auth; empty for Parse and "read client secret"
	Version   string    // version of the secret or key, if known
	Host      string    // the host that could not be reached or sent an unexpected response
	Status    int       // HTTP status, 0 without a response
	Code      string    // a Code constant, Key Vault's own code, AADSTS and a number, or an OAuth error; empty if the response has no code
	NotBefore time.Time // when the certificate becomes valid; set only with CodeNotYetValid
	Remedy    string    // advice for a person; one sentence
	Err       error     // a further cause that is safe to print, or nil
}

// Error returns one line: operation, cause and remedy.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("certsource: " + e.Op)
	for _, s := range []string{e.Name, e.Version} {
		if s != "" {
			b.WriteString(" " + s)
		}
	}
	cause := e.Code
	if e.Status != 0 {
		cause = strings.TrimSpace(strconv.Itoa(e.Status) + " " + cause)
	}
	if e.Code == CodeNotYetValid {
		cause += " before " + e.NotBefore.UTC().Format(time.RFC3339)
	}
	for _, s := range []string{e.Host, cause} {
		if s != "" {
			b.WriteString(": " + s)
		}
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	if e.Remedy != "" {
		b.WriteString(" (" + e.Remedy + ")")
	}
	return line(b.String())
}

// line returns s as one line that is safe to print on a terminal. s may come
// from outside, for example from a server's certificate.
func line(s string) string {
	return printable.Text(strings.Join(strings.Fields(s), " "))
}

// Unwrap returns Err, for instance [context.Canceled] or an [fs.PathError].
func (e *Error) Unwrap() error { return e.Err }

// parseError returns an error of Parse with the given code.
func parseError(code string) *Error {
	return &Error{Op: "parse", Code: code, Remedy: remedy(code)}
}

// about returns a copy of e with the given operation and the given name and
// version.
func (e *Error) about(op, name, version string) *Error {
	c := *e
	c.Op, c.Name, c.Version = op, name, version
	return &c
}

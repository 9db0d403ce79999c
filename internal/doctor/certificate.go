package doctor

import (
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"net/http"
	"slices"
	"time"

	"hmaproxy/certsource"
	"hmaproxy/internal/health"
)

// evaluateCertificate evaluates the certificates that the source returned.
func evaluateCertificate(f *facts) Result {
	certs := f.source.certs
	if e := f.source.err; e != nil && (aboutContent(e) || len(certs) == 0) {
		r := explainCertificate(f, e)
		if len(certs) > 0 {
			r.carryOn = true
			r.Notes = append(r.Notes, "an older version is used until then: "+describeLeaf(certs[0].Leaf))
		}
		return r
	}
	if len(certs) == 0 {
		return f.fail("there is none", "the source handed out no certificate")
	}
	leaf := certs[0].Leaf
	r := ok(describeLeaf(leaf))
	if left := time.Until(leaf.NotAfter); left < health.CertificateWarning {
		r.Notes = append(r.Notes, fmt.Sprintf("it expires in %s: issue the next version and register its public half before", age(left)))
	}
	if len(certs) > 1 {
		r.Notes = append(r.Notes, "the version before it is usable too: "+describeLeaf(certs[1].Leaf))
	}
	return r
}

// describeLeaf describes a certificate with both of its thumbprints, because
// some portals show only one thumbprint.
func describeLeaf(leaf *x509.Certificate) string {
	short, long := certsource.Thumbprints(leaf)
	bits := 0
	if key, ok := leaf.PublicKey.(*rsa.PublicKey); ok {
		bits = key.N.BitLen()
	}
	return fmt.Sprintf("%s, RSA %d, valid until %s, thumbprint %s (SHA-1), %s (SHA-256)",
		commonName(leaf, false), bits, leaf.NotAfter.UTC().Format("2006-01-02"), short, long)
}

// An unusableCertificate is the input of the rules about certificates.
type unusableCertificate struct {
	facts *facts
	err   *certsource.Error
}

// explainCertificate explains why the source returned no certificate, or why
// the newest certificate cannot be used.
func explainCertificate(f *facts, e *certsource.Error) Result {
	n := f.names.with(
		"{not-before}", e.NotBefore.UTC().Format(time.RFC3339),
		"{now}", time.Now().UTC().Format(time.RFC3339),
		"{remedy}", remedyOr(e.Remedy),
		"{why}", "",
	)
	if e.Err != nil {
		n = n.with("{why}", " ("+e.Err.Error()+")")
	}
	return n.failed("the certificate cannot be used: "+e.Code, must(explain(certificateRules, unusableCertificate{f, e})))
}

// is(codes...) reports whether the code of the problem is one of codes.
func (u unusableCertificate) is(codes ...string) bool { return slices.Contains(codes, u.err.Code) }

func (u unusableCertificate) fromVault() bool { return u.facts.config.FromVault() }

// publicStatus returns the status of the vault's response to the request for
// the public half of the certificate, or 0 if there was no response.
func (u unusableCertificate) publicStatus() int { return u.facts.source.public.status }

// certificateRules explain why a certificate cannot be used.
var certificateRules = []rule[unusableCertificate]{
	{
		when:   func(u unusableCertificate) bool { return u.is(certsource.CodeExpired) },
		cause:  "the certificate has expired (or this machine's clock is ahead)",
		repair: []string{"{issue}", "{register}"},
	},
	{
		when:   func(u unusableCertificate) bool { return u.is(certsource.CodeNotYetValid) },
		detail: "{detail} before {not-before}",
		cause:  "the certificate is not valid yet, or this machine's clock is behind: it says {now}",
		repair: setClock[:2],
	},
	{
		when:   func(u unusableCertificate) bool { return u.is(certsource.CodeNotInStore) },
		detail: "{detail}{why}",
		cause:  "no certificate of {store} has this thumbprint or subject: it was imported into another store, or the value is mistyped",
		repair: []string{"{remedy}"},
	},
	{
		when:   func(u unusableCertificate) bool { return u.is(certsource.CodeNoStore) },
		cause:  "the store {store} does not exist on this machine",
		repair: []string{"set HMA_CERT_STORE=LocalMachine/My"},
	},
	{
		when:   func(u unusableCertificate) bool { return u.is(certsource.CodeKeyAccess) },
		detail: "{detail}{why}",
		cause:  "this account may not read the private key of the certificate in {store}",
		repair: []string{"{remedy}", "icacls on the key's file below C:\\ProgramData\\Microsoft\\Crypto\\Keys shows who may"},
	},
	{
		when:   func(u unusableCertificate) bool { return u.is(certsource.CodeLegacyKey) },
		detail: "{detail}{why}",
		cause:  "the private key is held by a legacy provider (CSP), which cannot sign as Entra ID requires (RSASSA-PSS)",
		repair: []string{"{remedy}", "certutil -store My     # shows the provider"},
	},
	{
		when:   func(u unusableCertificate) bool { return u.is(certsource.CodeKeyPrompts) },
		cause:  "the private key asks a person for consent at every use (strong private key protection)",
		repair: []string{"{remedy}"},
	},
	{
		when:   func(u unusableCertificate) bool { return u.is(certsource.CodeStoreFailed) },
		detail: "{detail}{why}",
		cause:  "Windows failed to open the certificate store or the private key",
		repair: []string{"{remedy}"},
	},
	{
		when: func(u unusableCertificate) bool {
			return u.is(certsource.CodeNoPrivateKey) && u.facts.config.FromStore()
		},
		cause:  "the store {store} has the certificate without its private key",
		repair: []string{"{remedy}"},
	},
	{
		when:   func(u unusableCertificate) bool { return u.is(certsource.CodeNotAFile) },
		detail: "{detail}{why}",
		cause:  "HMA_CERT_FILE names something else than a file: the folder of a mounted secret, perhaps",
		repair: []string{"ls -l {cert-file}", "name the file in it: one that holds certificate and private key"},
	},
	{
		when: func(u unusableCertificate) bool {
			return u.is(certsource.CodeBlocked) && u.facts.config.FromStore()
		},
		cause:  "Windows does not respond when the certificate store {store} is read",
		repair: []string{"{remedy}"},
	},
	{
		when:   func(u unusableCertificate) bool { return u.is(certsource.CodeBlocked) },
		cause:  "the file system of HMA_CERT_FILE or of a secret's file does not respond",
		repair: []string{"{remedy}"},
	},
	{
		when:   func(u unusableCertificate) bool { return u.is(certsource.CodeUTF16) },
		cause:  "the certificate is text in UTF-16, as Windows PowerShell's > writes it",
		repair: []string{"{remedy}"},
	},
	{
		when:   func(u unusableCertificate) bool { return u.is(certsource.CodeNotFIPS) },
		detail: "{detail}{why}",
		cause:  "FIPS 140-3 is enforced (GODEBUG=fips140=only), and the PFX uses algorithms that it does not permit",
		repair: []string{"{remedy}"},
	},
	{
		when:   func(u unusableCertificate) bool { return u.is(certsource.CodePKCS7) },
		cause:  "the file is a certificate chain (PKCS #7, .p7b), which never holds a private key",
		repair: []string{"{remedy}"},
	},
	{
		when:   func(u unusableCertificate) bool { return u.is(certsource.CodeNegativeSerial) },
		cause:  "the certificate has a negative serial number, which Go refuses",
		repair: []string{"{remedy}"},
	},
	{
		when: func(u unusableCertificate) bool {
			return u.is(certsource.CodeNoCertificate) && !u.fromVault()
		},
		cause:  "the file holds the private key alone, without its certificate: cert-manager writes tls.key and tls.crt apart",
		repair: []string{"{remedy}", "ask cert-manager for additionalOutputFormats: CombinedPEM, and name tls-combined.pem"},
	},
	{
		when: func(u unusableCertificate) bool {
			return u.is(certsource.CodeDamaged) && !u.fromVault()
		},
		detail: "{detail}{why}",
		cause:  "the file is cut off or altered",
		repair: []string{"{remedy}"},
	},
	{
		when:   func(u unusableCertificate) bool { return u.is(certsource.CodeNoPrivateKey) && !u.fromVault() },
		cause:  "its private key is missing: it was uploaded without",
		repair: []string{"export it with its private key, as PFX or PEM"},
	},
	{
		when: func(u unusableCertificate) bool {
			return u.is(certsource.CodeNoPrivateKey) && u.publicStatus() == http.StatusOK && !u.facts.source.public.exportable
		},
		cause:  "its private key is not exportable by the certificate's policy, so the vault hands out the public half only",
		repair: signInVault,
	},
	{
		when: func(u unusableCertificate) bool {
			return u.is(certsource.CodeNoPrivateKey) && (u.publicStatus() == http.StatusOK || u.publicStatus() == http.StatusNotFound)
		},
		cause:  "its private key is missing: it was uploaded without",
		repair: []string{"{import}     # a PFX or PEM that holds the key too", "or {issue}"},
	},
	{
		when:   func(u unusableCertificate) bool { return u.is(certsource.CodeNoPrivateKey) },
		cause:  "its private key is not exportable by the certificate's policy, so the vault hands out the public half only; or it was uploaded without",
		repair: signInVault,
	},
	{
		when:   func(u unusableCertificate) bool { return u.is(certsource.CodeNotRSA) },
		cause:  "its key is of the wrong type (not RSA): Entra ID takes RSA keys only",
		repair: []string{"{issue}"},
	},
	{
		when:   func(u unusableCertificate) bool { return u.is(certsource.CodeWeakKey) },
		cause:  "its RSA key is too short: 2048 bits are the minimum",
		repair: []string{"{issue}"},
	},
	{
		when: func(u unusableCertificate) bool {
			return u.is(certsource.CodeWrongPassword, certsource.CodeEncryptedPEM) && u.fromVault()
		},
		cause:  "the private key was put into the vault with a password of its own: a secret was written by hand, where a certificate should be imported",
		repair: []string{"{import} --password PASSWORD", "or {issue}"},
	},
	{
		when:   func(u unusableCertificate) bool { return u.is(certsource.CodeEncryptedPEM) },
		cause:  "the PEM's private key has a password; HMA_CERT_PASSWORD opens PFX files only",
		repair: []string{"openssl pkcs12 -export -in {cert-file} -out hma.pfx     # asks for both passwords; then set HMA_CERT_FILE to it and HMA_CERT_PASSWORD"},
	},
	{
		when: func(u unusableCertificate) bool {
			return u.is(certsource.CodeWrongPassword) && u.facts.config.CertPassword.Reveal() == ""
		},
		cause:  "the file has a password, and HMA_CERT_PASSWORD is not set",
		repair: []string{"set HMA_CERT_PASSWORD, or HMA_CERT_PASSWORD_FILE to a file that holds it", tryPassword},
	},
	{
		when:   func(u unusableCertificate) bool { return u.is(certsource.CodeWrongPassword) },
		cause:  "HMA_CERT_PASSWORD is not the file's password",
		repair: []string{tryPassword},
	},
	{
		when:   func(u unusableCertificate) bool { return u.is(certsource.CodeUnreadable) },
		detail: "{detail}{why}",
		cause:  "the file of HMA_CERT_FILE is missing or not readable for this user",
		repair: []string{"ls -l {cert-file}"},
	},
	{
		when:   unusableCertificate.fromVault,
		cause:  notOneCertificate,
		repair: []string{"{remedy}", "{import}", "or {issue}"},
	},
	{
		cause:  notOneCertificate,
		repair: []string{"{remedy}"},
	},
}

const (
	notOneCertificate = "what is stored is not one certificate with its private key"
	tryPassword       = "openssl pkcs12 -info -noout -in {cert-file}     # asks for the password and tries it"
)

var signInVault = []string{
	"set HMA_KEY_MODE=vault, which signs inside the vault (permission sign on keys: Key Vault Crypto User)",
	"or issue a new version with an exportable key: {issue}",
}

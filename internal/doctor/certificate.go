package doctor

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"hmaproxy/certsource"
	"hmaproxy/internal/sidecar"
)

const expiresSoon = 30 * 24 * time.Hour

// checkFile reads the certificate from disk as the product does.
func (x *examination) checkFile(ctx context.Context) Result {
	look, err := sidecar.Certificates(x.config, nil, slog.New(slog.DiscardHandler))
	if err == nil {
		x.certs, err = look(ctx)
	}
	x.vaultErr = err
	return x.checkCertificate(ctx)
}

// checkCertificate judges what the source has handed out.
func (x *examination) checkCertificate(context.Context) Result {
	if e := x.problem(); e != nil && (aboutContent(e) || len(x.certs) == 0) {
		r := x.explainCertificate(e)
		if len(x.certs) > 0 {
			r.carryOn = true
			r.Notes = append(r.Notes, "an older version is used meanwhile: "+describeLeaf(x.certs[0].Leaf))
		}
		return r
	}
	if len(x.certs) == 0 {
		return failed("there is none", "the source handed out no certificate")
	}
	leaf := x.certs[0].Leaf
	r := ok(describeLeaf(leaf))
	if left := time.Until(leaf.NotAfter); left < expiresSoon {
		r.Notes = append(r.Notes, fmt.Sprintf("it expires in %s: issue the next version and register its public half before", age(left)))
	}
	if len(x.certs) > 1 {
		r.Notes = append(r.Notes, "the version before it is usable too: "+describeLeaf(x.certs[1].Leaf))
	}
	return r
}

// describeLeaf has the thumbprint in both forms that portals show.
func describeLeaf(leaf *x509.Certificate) string {
	short, long := certsource.Thumbprints(leaf)
	bits := 0
	if key, ok := leaf.PublicKey.(*rsa.PublicKey); ok {
		bits = key.N.BitLen()
	}
	return fmt.Sprintf("%s, RSA %d, valid until %s, thumbprint %s (SHA-1), %s (SHA-256)",
		commonName(leaf, false), bits, leaf.NotAfter.UTC().Format("2006-01-02"), short, long)
}

// explainCertificate is about one that was had and is of no use.
func (x *examination) explainCertificate(e *certsource.Error) Result {
	issue := x.issueCommand()
	detail := "the certificate cannot be used: " + e.Code
	switch e.Code {
	case certsource.CodeExpired:
		return failed(detail, "the certificate has expired (or this machine's clock is ahead)", issue, x.registerCommand())
	case certsource.CodeNotYetValid:
		return failed(detail+" before "+e.NotBefore.UTC().Format(time.RFC3339), "the certificate is not valid yet, or this machine's clock is behind: it says "+time.Now().UTC().Format(time.RFC3339), setClock[:2]...)
	case certsource.CodeNoPrivateKey:
		return x.noPrivateKey(detail)
	case certsource.CodeNotRSA:
		return failed(detail, "its key is of the wrong type (not RSA): Entra ID takes RSA keys only", issue)
	case certsource.CodeWeakKey:
		return failed(detail, "its RSA key is too short: 2048 bits are the minimum", issue)
	case certsource.CodeWrongPassword, certsource.CodeEncryptedPEM:
		return x.lockedKey(detail, e.Code)
	case certsource.CodeUnreadable:
		return failed(detail+reason(e), "the file of HMA_CERT_FILE is missing or not readable for this user", "ls -l "+string(x.config.CertFile))
	}
	repair := []string{orTry(e.Remedy)}
	if x.config.FromVault() {
		repair = append(repair, x.importCommand(), "or "+issue)
	}
	return failed(detail, "what is stored is not one certificate with its private key", repair...)
}

// lockedKey is about a private key that is there and has a password.
func (x *examination) lockedKey(detail, code string) Result {
	file := string(x.config.CertFile)
	switch {
	case x.config.FromVault():
		return failed(detail, "the private key was put into the vault with a password of its own: a secret was written by hand, where a certificate should be imported",
			x.importCommand()+" --password PASSWORD", "or "+x.issueCommand())
	case code == certsource.CodeEncryptedPEM:
		return failed(detail, "the PEM's private key has a password; HMA_CERT_PASSWORD opens PFX files only",
			"openssl pkcs12 -export -in "+file+" -out hma.pfx     # asks for both passwords; then set HMA_CERT_FILE to it and HMA_CERT_PASSWORD")
	case x.config.CertPassword.Reveal() == "":
		return failed(detail, "the file has a password, and HMA_CERT_PASSWORD is not set", "set HMA_CERT_PASSWORD, or HMA_CERT_PASSWORD_FILE to a file that holds it", "openssl pkcs12 -info -noout -in "+file+"     # asks for the password and tries it")
	}
	return failed(detail, "HMA_CERT_PASSWORD is not the file's password", "openssl pkcs12 -info -noout -in "+file+"     # asks for the password and tries it")
}

// noPrivateKey tells a key that the vault keeps from one that it never had.
func (x *examination) noPrivateKey(detail string) Result {
	const kept = "its private key is not exportable by the certificate's policy, so the vault hands out the public half only"
	const lost = "its private key is missing: it was uploaded without"
	sign := []string{"set HMA_KEY_MODE=vault, which signs inside the vault (permission sign on keys: Key Vault Crypto User)", "or issue a new version with an exportable key: " + x.issueCommand()}
	switch {
	case !x.config.FromVault():
		return failed(detail, lost, "export it with its private key, as PFX or PEM")
	case x.public != nil && x.public.status == http.StatusOK && !x.public.exportable:
		return failed(detail, kept, sign...)
	case x.public != nil && x.public.status == http.StatusOK, x.public != nil && x.public.status == http.StatusNotFound:
		return failed(detail, lost, x.importCommand()+"     # a PFX or PEM that holds the key too", "or "+x.issueCommand())
	}
	return failed(detail, kept+"; or it was uploaded without", sign...)
}

// importCommand puts a file's certificate and key into the vault.
func (x *examination) importCommand() string {
	return "az keyvault certificate import --vault-name " + x.vaultName() + " -n " + string(x.config.VaultCertName) + " -f hma.pfx"
}

// reason is the system's, of a file.
func reason(e *certsource.Error) string {
	if e.Err == nil {
		return ""
	}
	return " (" + e.Err.Error() + ")"
}

func (x *examination) issueCommand() string {
	if !x.config.FromVault() {
		return "openssl req -x509 -newkey rsa:2048 -noenc -days 365 -subj /CN=HMA-Cert -keyout hma.key -out hma.crt && cat hma.key hma.crt >" + string(x.config.CertFile)
	}
	return "az keyvault certificate create --vault-name " + x.vaultName() + " -n " + string(x.config.VaultCertName) + " -p \"$(az keyvault certificate get-default-policy)\""
}

// registerCommand uploads the public half to HMA-App.
func (x *examination) registerCommand() string {
	file := "hma-cert.pem"
	fetch := "openssl x509 -in " + string(x.config.CertFile) + " -out " + file
	if x.config.FromVault() {
		fetch = "az keyvault certificate download --vault-name " + x.vaultName() + " -n " + string(x.config.VaultCertName) + " -e PEM -f " + file
	}
	return fetch + " && az ad app credential reset --id " + string(x.config.App) + " --cert @" + file + " --append"
}

// Package certificates selects the certificate source that the configuration asks
// for.
package certificates

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/http"
	"os"

	"hmaproxy/certsource"
	"hmaproxy/internal/config"
)

// New returns the certificate source that the configuration asks for.
// client reaches Entra ID and Key Vault.
func New(c *config.Config, client *http.Client, log *slog.Logger) (func(context.Context) ([]*tls.Certificate, error), error) {
	if !c.FromVault() {
		file, err := certsource.NewFile(certsource.FileConfig{
			Path:     string(c.CertFile),
			Password: secret(c.CertPassword, c.CertPasswordFile),
			Log:      log,
		})
		if err != nil {
			return nil, err
		}
		return file.Certificates, nil
	}
	vault, err := certsource.NewKeyVault(certsource.KeyVaultConfig{
		Vault:      c.VaultURI.URL,
		Name:       string(c.VaultCertName),
		Auth:       certsource.Auth(c.VaultAuth),
		TenantID:   string(c.VaultTenant),
		ClientID:   string(c.VaultApp),
		Secret:     secret(c.VaultSecret, c.VaultSecretFile),
		Authority:  c.Authority.URL,
		HTTPClient: client,
		KeyInVault: c.KeyMode == config.KeyVault,
		Log:        log,
	})
	if err != nil {
		return nil, err
	}
	return vault.Certificates, nil
}

// secret returns a look-up of a secret that may be renewed in its file while
// the process runs, nil when there is none.
func secret(value config.Secret, file config.Path) func() (string, error) {
	switch {
	case file != "":
		return func() (string, error) {
			s, err := config.ReadSecret(os.ReadFile, file)
			return s.Reveal(), err
		}
	case value != "":
		return func() (string, error) { return value.Reveal(), nil }
	}
	return nil
}

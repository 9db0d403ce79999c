// Package certificates selects the certificate source that the configuration asks
// for.
package certificates

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/http"

	"hmaproxy/certsource"
	"hmaproxy/internal/config"
	"hmaproxy/token"
)

// New returns the certificate source that the configuration asks for.
// client reaches Entra ID and Key Vault.
func New(c *config.Config, client *http.Client, log *slog.Logger) (func(context.Context) ([]*tls.Certificate, error), error) {
	switch {
	case c.FromStore():
		store, err := certsource.NewStore(certsource.StoreConfig{
			Location:   c.CertStore.Location,
			Name:       c.CertStore.Name,
			Thumbprint: string(c.CertThumbprint),
			Subject:    string(c.CertSubject),
			Log:        log,
		})
		if err != nil {
			return nil, err
		}
		return store.Certificates, nil
	case !c.FromVault():
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

// Prove sets the field of t that proves the application's identity: Certificates,
// or the experimental ExperimentalAssertion for a federated credential. client
// reaches Entra ID and Key Vault.
func Prove(t *token.Config, c *config.Config, client *http.Client, log *slog.Logger) (err error) {
	if !c.Federated() {
		t.Certificates, err = New(c, client, log)
		return err
	}
	t.ExperimentalAssertion, err = NewFederated(c, client)
	return err
}

// NewFederated returns the source of the client assertions that replace the
// certificate. It is experimental.
func NewFederated(c *config.Config, client *http.Client) (func(context.Context) (string, error), error) {
	federated, err := certsource.NewExperimentalFederated(certsource.ExperimentalFederatedConfig{
		Auth:       certsource.Auth(c.AppAuth),
		TokenFile:  string(c.FederatedTokenFile),
		ClientID:   string(c.AppIdentity),
		Audience:   federatedAudience(c.Authority.Hostname()),
		HTTPClient: client,
	})
	if err != nil {
		return nil, err
	}
	return federated.Assertion, nil
}

// federatedAudience returns the audience of federated credentials in a cloud. The
// authority is the host name of the cloud's login endpoint:
// https://learn.microsoft.com/entra/workload-id/workload-identity-federation-create-trust
func federatedAudience(authority string) string {
	switch authority {
	case "login.microsoftonline.us":
		return "api://AzureADTokenExchangeUSGov"
	case "login.partner.microsoftonline.cn", "login.chinacloudapi.cn":
		return "api://AzureADTokenExchangeChina"
	}
	return certsource.FederatedAudience
}

// secret returns a function that returns a secret: the content of file, or value if
// file is "". It returns nil if both are "". The function reads file at each call,
// because the secret may be renewed in its file while the process runs.
func secret(value config.Secret, file config.Path) func() (string, error) {
	switch {
	case file != "":
		return func() (string, error) {
			s, err := config.ReadSecret(config.ReadFile, file)
			return s.Reveal(), err
		}
	case value != "":
		return func() (string, error) { return value.Reveal(), nil }
	}
	return nil
}

package emulator

import (
	"hmaproxy/internal/emulator/entra"
	"hmaproxy/internal/emulator/exchange"
	"hmaproxy/internal/emulator/keyvault"
	"hmaproxy/internal/emulator/pki"
	"hmaproxy/internal/emulator/service"
)

// Names for the types of the sub-packages, so that programs import only this
// package.
type (
	Service = service.Service
	Fault   = service.Fault
	Hop     = service.Hop

	Entra               = entra.Entra
	FederatedCredential = entra.FederatedCredential
	FederatedIssuer     = entra.FederatedIssuer

	KeyVault   = keyvault.KeyVault
	Permission = keyvault.Permission

	Exchange = exchange.Exchange
	Mailbox  = exchange.Mailbox

	Certificate = pki.Certificate
	CertOptions = pki.Options
	Format      = pki.Format
)

// Names for the constants of the sub-packages: the permissions in the vault, the
// formats of its secrets, and the audience of federated tokens.
const (
	GetSecrets      = keyvault.GetSecrets
	ListSecrets     = keyvault.ListSecrets
	GetCertificates = keyvault.GetCertificates
	SignKeys        = keyvault.SignKeys

	PFX          = pki.PFX
	PEM          = pki.PEM
	PFXUnlabeled = pki.PFXUnlabeled
	PEMUnlabeled = pki.PEMUnlabeled

	FederatedAudience = entra.FederatedAudience
)

// NewCertificate makes a certificate, and a key if o has none.
func NewCertificate(o CertOptions) (*Certificate, error) { return pki.New(o) }

// NewFederatedIssuer makes an issuer with a key of its own.
func NewFederatedIssuer(url string) (*FederatedIssuer, error) { return entra.NewFederatedIssuer(url) }

// BodySHA256 returns the SHA-256, in hexadecimal, of the part of an envelope from
// "<Body" to the end of "</Body>", for comparison with Hop.BodySHA256. prefix is
// the namespace prefix of Body; "" if Body has none.
func BodySHA256(envelope []byte, prefix string) string { return exchange.BodySHA256(envelope, prefix) }

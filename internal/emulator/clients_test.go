package emulator_test

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net/http"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"
	msalerrors "github.com/AzureAD/microsoft-authentication-library-for-go/apps/errors"
	"software.sslmate.com/src/go-pkcs12"

	"hmaproxy/internal/emulator"
)

// The tests of this file use Microsoft's own client libraries.

func msalClient(t *testing.T, e *emulator.Emulator, client *http.Client, credential confidential.Credential) confidential.Client {
	t.Helper()
	c, err := confidential.New(e.Entra().URL()+"/"+e.Config().TenantID, e.Config().HMAAppID, credential,
		confidential.WithHTTPClient(client), confidential.WithInstanceDiscovery(false))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestMSALGetsAToken(t *testing.T) {
	e, client := start(t, emulator.Config{})
	credential, err := confidential.NewCredFromCert([]*x509.Certificate{e.Certificate().Leaf}, e.Certificate().Key)
	if err != nil {
		t.Fatal(err)
	}
	got, err := msalClient(t, e, client, credential).AcquireTokenByCredential(t.Context(), []string{e.Resource() + "/.default"})
	if err != nil {
		t.Fatal(err)
	}
	x := &ews{t: t, e: e, client: client, token: got.AccessToken, header: http.Header{}}
	x.call(getInbox)
}

func TestMSALSeesARefusal(t *testing.T) {
	e, client := start(t, emulator.Config{})
	unregistered := newCert(t, emulator.CertOptions{})
	credential, err := confidential.NewCredFromCert([]*x509.Certificate{unregistered.Leaf}, unregistered.Key)
	if err != nil {
		t.Fatal(err)
	}
	_, err = msalClient(t, e, client, credential).AcquireTokenByCredential(t.Context(), []string{e.Resource() + "/.default"})
	var call msalerrors.CallErr
	if !errors.As(err, &call) || call.Resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("error: %v", err)
	}
	if hop := e.Entra().LastHop(); hop.AADSTS != 700027 {
		t.Errorf("hop: %+v", hop)
	}
}

// azure returns credential and options for Key Vault's clients.
func azure(t *testing.T, e *emulator.Emulator, client *http.Client) (azcore.TokenCredential, azcore.ClientOptions) {
	t.Helper()
	options := azcore.ClientOptions{
		Cloud:     cloud.Configuration{ActiveDirectoryAuthorityHost: e.Entra().URL()},
		Transport: client,
		Retry:     policy.RetryOptions{MaxRetries: -1},
	}
	c := e.Config()
	credential, err := azidentity.NewClientSecretCredential(c.TenantID, c.VaultAppID, c.VaultSecret,
		&azidentity.ClientSecretCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: true})
	if err != nil {
		t.Fatal(err)
	}
	return credential, options
}

func TestAzsecretsFetchesTheCertificate(t *testing.T) {
	e, client := start(t, emulator.Config{})
	credential, options := azure(t, e, client)
	// The URL of the emulated vault is https://contoso.vault.azure.net. Its host is
	// in the domain vault.azure.net, so azsecrets verifies the resource in the
	// challenge as in production.
	secrets, err := azsecrets.NewClient(e.KeyVault().URL(), credential, &azsecrets.ClientOptions{ClientOptions: options})
	if err != nil {
		t.Fatal(err)
	}
	got, err := secrets.GetSecret(t.Context(), "HMA-Cert", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	der, err := base64.StdEncoding.DecodeString(*got.Value)
	if err != nil {
		t.Fatal(err)
	}
	_, leaf, err := pkcs12.Decode(der, "")
	if err != nil || !leaf.Equal(e.Certificate().Leaf) {
		t.Errorf("another certificate was returned: %v", err)
	}
	if version := e.KeyVault().Versions("HMA-Cert")[0]; got.ID.Version() != version || *got.ContentType != "application/x-pkcs12" {
		t.Errorf("version %s, content type %s", got.ID.Version(), *got.ContentType)
	}
}

func TestAzsecretsReportsADisabledVersion(t *testing.T) {
	e, client := start(t, emulator.Config{})
	e.KeyVault().Disable(e.KeyVault().Versions("HMA-Cert")[0])
	credential, options := azure(t, e, client)
	secrets, err := azsecrets.NewClient(e.KeyVault().URL(), credential, &azsecrets.ClientOptions{ClientOptions: options})
	if err != nil {
		t.Fatal(err)
	}
	_, err = secrets.GetSecret(t.Context(), "HMA-Cert", "", nil)
	var response *azcore.ResponseError
	if !errors.As(err, &response) || response.StatusCode != http.StatusForbidden || response.ErrorCode != "Forbidden" {
		t.Errorf("error: %v", err)
	}
}

func TestAzsecretsListsVersions(t *testing.T) {
	e, client := start(t, emulator.Config{})
	e.KeyVault().Upload("HMA-Cert", newCert(t, emulator.CertOptions{}))
	credential, options := azure(t, e, client)
	secrets, err := azsecrets.NewClient(e.KeyVault().URL(), credential, &azsecrets.ClientOptions{ClientOptions: options})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for pager := secrets.NewListSecretPropertiesVersionsPager("HMA-Cert", nil); pager.More(); {
		page, err := pager.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		n += len(page.Value)
	}
	if n != 2 {
		t.Errorf("%d versions", n)
	}
}

func TestAzkeysSignsAnAssertion(t *testing.T) {
	cert := newCert(t, emulator.CertOptions{NonExportable: true})
	e, client := start(t, emulator.Config{Cert: cert})
	credential, options := azure(t, e, client)
	keys, err := azkeys.NewClient(e.KeyVault().URL(), credential, &azkeys.ClientOptions{ClientOptions: options})
	if err != nil {
		t.Fatal(err)
	}
	version := e.KeyVault().Versions("HMA-Cert")[0]
	sum := sha256.Sum256([]byte("header.claims"))
	for alg, verify := range map[azkeys.SignatureAlgorithm]func(*rsa.PublicKey, []byte) error{
		azkeys.SignatureAlgorithmPS256: func(k *rsa.PublicKey, sig []byte) error {
			return rsa.VerifyPSS(k, crypto.SHA256, sum[:], sig, &rsa.PSSOptions{SaltLength: 32})
		},
		azkeys.SignatureAlgorithmRS256: func(k *rsa.PublicKey, sig []byte) error {
			return rsa.VerifyPKCS1v15(k, crypto.SHA256, sum[:], sig)
		},
	} {
		got, err := keys.Sign(context.Background(), "HMA-Cert", version, azkeys.SignParameters{Algorithm: &alg, Value: sum[:]}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := verify(cert.Leaf.PublicKey.(*rsa.PublicKey), got.Result); err != nil {
			t.Errorf("%s: %v", alg, err)
		}
	}
}

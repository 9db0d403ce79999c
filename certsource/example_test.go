package certsource_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"os"
	"path/filepath"

	"hmaproxy/certsource"
)

func Example() {
	src, err := certsource.NewFile(certsource.FileConfig{
		Path:     filepath.Join("testdata", "good", "keytool-chain.p12"),
		Password: func() (string, error) { return "correct horse", nil },
	})
	if err != nil {
		log.Fatal(err)
	}
	list, err := src.Certificates(context.Background())
	if err != nil {
		log.Print(err) // the list may be usable in spite of the error
	}
	for _, cert := range list {
		fmt.Println(cert.Leaf.Subject)
	}
	// Output: CN=HMA-Cert,O=Contoso
}

func ExampleParse() {
	data, err := os.ReadFile(filepath.Join("testdata", "bad", "sha384mac.pfx"))
	if err != nil {
		log.Fatal(err)
	}
	_, err = certsource.Parse(data, "correct horse")
	fmt.Println(err)
	// Output: certsource: parse: UnsupportedPFX: pkcs12: MAC digest algorithm not supported: 2.16.840.1.101.3.4.2.2 (export it again, with AES-256 and SHA-256: openssl pkcs12 -export)
}

func ExampleNewKeyVault() {
	src, err := certsource.NewKeyVault(certsource.KeyVaultConfig{
		Vault:      &url.URL{Scheme: "https", Host: "contoso.vault.azure.net"},
		Name:       "HMA-Cert",
		Auth:       certsource.AuthManaged,
		HTTPClient: &http.Client{},
	})
	if err != nil {
		log.Fatal(err)
	}
	_ = src.Certificates // call this method regularly
}

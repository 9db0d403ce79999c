package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"maps"
	"math/big"
	"os"
	"slices"
	"strings"
	"testing"
)

// The type "files" replaces the file system. A nil content means a file that
// the process may not read.
type files map[string][]byte

func (f files) read(name string) ([]byte, error) {
	data, ok := f[name]
	switch {
	case !ok:
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	case data == nil:
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return data, nil
}

// vars is an environment: the values of its variables by name.
type vars map[string]string

const (
	appGUID   = "6c0a4b8e-15f1-4c57-9a53-0d3f7e2b9a11"
	vaultGUID = "9b1d7a52-3c44-4f0b-8f5e-7a2c1d0e6f22"
)

// fromVault is the smallest environment with a certificate from Key Vault.
func fromVault() vars {
	return vars{
		"HMA_EWS_URL":                 "https://mail.contoso.com/EWS/Exchange.asmx",
		"HMA_TENANT_ID":               "contoso.onmicrosoft.com",
		"HMA_APP_ID":                  appGUID,
		"HMA_KEY_VAULT_URI":           "https://contoso.vault.azure.net",
		"HMA_KEY_VAULT_CERT_NAME":     "HMA-Cert",
		"HMA_KEY_VAULT_APP_ID":        vaultGUID,
		"HMA_KEY_VAULT_CLIENT_SECRET": "s8Q~not-a-real-secret",
	}
}

// The method "with" returns a copy of v with the changes. The value "-" removes
// a variable.
func (v vars) with(changes vars) vars {
	v = maps.Clone(v)
	for name, value := range changes {
		if value == "-" {
			delete(v, name)
		} else {
			v[name] = value
		}
	}
	return v
}

func (v vars) environ() []string {
	var entries []string
	for name, value := range v {
		entries = append(entries, name+"="+value)
	}
	return entries
}

// tenHash is a hash of cost 10 from the jBCrypt test vectors.
const tenHash = "$2a$10$k1wbIrmNyFAPwPVPSVa/zecw2BCEnBwVS2GbrmgzxFUOqW9dk4TCW"

// keyPair makes a certificate and its key, both in PEM.
func keyPair(t testing.TB) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

func testFiles(t testing.TB) files {
	t.Helper()
	ca, err := os.ReadFile("testdata/ca.pem")
	if err != nil {
		t.Fatal(err)
	}
	certificate, key := keyPair(t)
	return files{
		"/tls.pem":      certificate,
		"/tls-key.pem":  key,
		"/users":        []byte("crm:" + tenHash + " alice@contoso.com\narchive:" + tenHash + "\n"),
		"/narrow-users": []byte("crm:" + tenHash + " alice@contoso.com *@fabrikam.com\narchive:" + tenHash + " sid:S-1-5-21-1-2-3-500\n"),
		"/ca.pem":       ca,
		"/two.pem":      append(slices.Clone(ca), ca...),
		"/key.pem":      []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
		"/bad.pem":      []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
		"/text":         []byte("no certificate here\n"),
		"/secret":       []byte("\xef\xbb\xbf  file~secret \r\n"),
		"/lines":        []byte("one\ntwo\n"),
		"/mailboxes":    []byte("\xef\xbb\xbf# staff\r\nalice@contoso.com\r\n*@fabrikam.com # partner\r\n"),
		"/comments":     []byte("# none yet\n"),
		"/blank":        []byte(" \r\n"),
		"/empty":        {},
		"/utf16":        []byte("\xff\xfea\x00l\x00i\x00c\x00e\x00"),
		"/utf16be":      []byte("\x00a\x00l\x00i\x00c\x00e"),
		"/latin1":       []byte("p\xe4ssword"),
		"/denied":       nil,
	}
}

// mustLoad loads an environment that must be valid.
func mustLoad(t *testing.T, v vars) *Config {
	t.Helper()
	c, err := Load(v.environ(), testFiles(t).read)
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	return c
}

// problemsOf loads an environment that must be invalid.
func problemsOf(t *testing.T, v vars) *Problems {
	t.Helper()
	c, err := Load(v.environ(), testFiles(t).read)
	var p *Problems
	if !errors.As(err, &p) || c != nil {
		t.Fatalf("Load = %v, %v; want nil and *Problems", c, err)
	}
	return p
}

// wantProblem checks that there is exactly one problem, that it is about the
// variable and that it contains the text.
func wantProblem(t *testing.T, p *Problems, variable, text string) {
	t.Helper()
	if len(p.All) != 1 || p.All[0].Variable != variable || !strings.Contains(p.All[0].Text, text) {
		t.Errorf("problems:\n%v\nwant one of %s that says %q", p, variable, text)
	}
}

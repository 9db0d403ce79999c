package certsource

import (
	"bytes"
	"crypto/fips140"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/csv"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"software.sslmate.com/src/go-pkcs12"
)

// fixtures returns the rows of the index of a folder. testdata/make.sh has
// written the index and the files with OpenSSL. fixtures fails the test unless
// the index has a row for every file.
func fixtures(t *testing.T, folder string) [][]string {
	t.Helper()
	index, err := os.ReadFile(filepath.Join("testdata", folder, "index.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	r := csv.NewReader(bytes.NewReader(index))
	r.Comma = '\t'
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(filepath.Join("testdata", folder))
	if err != nil || len(files) < 20 || len(files) != len(rows)+1 {
		t.Fatalf("%d files, %d in the index: %v", len(files), len(rows), err)
	}
	return rows
}

func fixture(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", path))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// refusedByFIPS reports whether err is a refusal because FIPS 140-3 is
// enforced. It fails the test if this contradicts the algorithms in the file
// name.
func refusedByFIPS(t *testing.T, name string, err error) bool {
	t.Helper()
	var e *Error
	refused := errors.As(err, &e) && e.Code == CodeNotFIPS
	if !fips140.Enforced() {
		if refused {
			t.Errorf("%s: %v", name, err)
		}
		return refused
	}
	legacy := strings.Contains(name, "3des") || name == "keyvault-secret.b64" // these files use 3DES or RC2
	if legacy && !refused || refused && (e.Err == nil || !strings.Contains(e.Remedy, "PEM")) {
		t.Errorf("%s: %v", name, err)
	}
	return refused
}

// TestParseUnderFIPS checks that files with permitted algorithms can be read
// where FIPS 140-3 is enforced.
func TestParseUnderFIPS(t *testing.T) {
	for _, name := range []string{"key-first.pem", "pkcs1.pem", "bom-crlf.pem", "pem-in-base64.b64", "keytool-chain.p12"} {
		if _, err := Parse(fixture(t, "good/"+name), "correct horse"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParseGood(t *testing.T) {
	for _, row := range fixtures(t, "good") {
		name, password, chain, sha1, sha256 := row[0], row[1], row[2], row[3], row[4]
		t.Run(name, func(t *testing.T) {
			cert, err := Parse(fixture(t, "good/"+name), password)
			if refusedByFIPS(t, name, err) {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got1, got256 := Thumbprints(cert.Leaf); got1 != sha1 || got256 != sha256 {
				t.Errorf("leaf %s %s, OpenSSL says %s %s", got1, got256, sha1, sha256)
			}
			if strconv.Itoa(len(cert.Certificate)) != chain {
				t.Errorf("%d certificates, want %s", len(cert.Certificate), chain)
			}
			if !cert.PrivateKey.(*rsa.PrivateKey).PublicKey.Equal(cert.Leaf.PublicKey) {
				t.Error("key and leaf do not match")
			}
			checkChain(t, cert.Certificate)
		})
	}
}

func checkChain(t *testing.T, chain [][]byte) {
	t.Helper()
	var last *x509.Certificate
	for _, der := range chain {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		if last != nil {
			if err := last.CheckSignatureFrom(c); err != nil {
				t.Errorf("%s after %s: %v", c.Subject, last.Subject, err)
			}
		}
		last = c
	}
}

func TestParseBad(t *testing.T) {
	for _, row := range fixtures(t, "bad") {
		name, password, code := row[0], row[1], row[2]
		t.Run(name, func(t *testing.T) {
			cert, err := Parse(fixture(t, "bad/"+name), password)
			if code != CodeNotFIPS && refusedByFIPS(t, name, err) {
				return
			}
			var e *Error
			if !errors.As(err, &e) || e.Code != code || cert != nil {
				t.Fatalf("%v, %v, want %s", cert, err, code)
			}
			if e.Remedy == "" || strings.ContainsAny(err.Error(), "\r\n") {
				t.Errorf("not a helpful line: %q", err)
			}
			if password != "" && strings.Contains(err.Error(), password) {
				t.Errorf("the password shows: %q", err)
			}
		})
	}
}

// TestParsePFXWithLeafLast checks that Parse reads a PFX in which the leaf is
// the last certificate. OpenSSL and keytool always write the leaf first, but
// other programs may not.
func TestParsePFXWithLeafLast(t *testing.T) {
	b, e := read(fixture(t, "good/leaf-last.pem"), "")
	if e != nil {
		t.Fatal(e)
	}
	leaf := b.certs[len(b.certs)-1]
	var pfx []byte
	var err error
	fips140.WithoutEnforcement(func() { pfx, err = pkcs12.Modern.Encode(b.keys[0], b.certs[0], b.certs[1:], "p") })
	if err != nil {
		t.Fatal(err)
	}
	cert, err := Parse(pfx, "p")
	if err != nil || !cert.Leaf.Equal(leaf) || len(cert.Certificate) != 3 {
		t.Fatal(cert, err)
	}
	checkChain(t, cert.Certificate)
}

func TestParseTooLarge(t *testing.T) {
	var e *Error
	if _, err := Parse(make([]byte, maxSize+1), ""); !errors.As(err, &e) || e.Code != CodeTooLarge {
		t.Fatal(err)
	}
}

// TestPublicPart checks that the leaf is found, also in data without a private
// key. For a non-exportable certificate, the Key Vault secret contains the
// chain but no key. With KeyInVault, the chain is read from that secret.
func TestPublicPart(t *testing.T) {
	want, err := Parse(fixture(t, "good/leaf-last.pem"), "")
	if err != nil {
		t.Fatal(err)
	}
	pfx := fixture(t, "bad/non-exportable.pfx")
	for name, data := range map[string][]byte{
		"PFX":          pfx,
		"PFX, secret":  []byte(base64.StdEncoding.EncodeToString(pfx)),
		"PEM":          fixture(t, "bad/certificate-only.pem"),
		"DER":          fixture(t, "bad/certificate-only.cer"),
		"exportable":   fixture(t, "good/keyvault-secret.b64"),
		"leaf is last": fixture(t, "good/leaf-last.pem"),
	} {
		t.Run(name, func(t *testing.T) {
			b, e := read(data, "")
			if fips140.Enforced() && e != nil && e.Code == CodeNotFIPS {
				return
			}
			if e != nil {
				t.Fatal(e)
			}
			leaf, e := b.leaf()
			if e != nil {
				t.Fatal(e)
			}
			if !leaf.Equal(want.Leaf) {
				t.Errorf("leaf %s", leaf.Subject)
			}
		})
	}
}

func TestPublicPartAmbiguous(t *testing.T) {
	b, e := read(fixture(t, "good/unrelated-and-shuffled.pem"), "")
	if e != nil {
		t.Fatal(e)
	}
	if leaf, e := b.leaf(); e == nil || e.Code != CodeAmbiguous {
		t.Fatal(leaf, e)
	}
}

// FuzzParse checks that a result is either complete or nil, and that every
// error is an *Error.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"good/leaf-last.pem", "good/nothing-encrypted-no-mac.pfx", "good/keyvault-secret.b64", "bad/non-exportable.pfx", "bad/utf16le.pem"} {
		f.Add(fixture(f, name))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		cert, err := Parse(data, "")
		var e *Error
		if err != nil && (cert != nil || !errors.As(err, &e) || e.Code == "" || e.Remedy == "") {
			t.Fatalf("%v, %#v", cert, err)
		}
		if err == nil && !cert.PrivateKey.(*rsa.PrivateKey).PublicKey.Equal(cert.Leaf.PublicKey) {
			t.Fatal("key and leaf do not match")
		}
	})
}

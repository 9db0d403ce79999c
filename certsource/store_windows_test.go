package certsource

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"math/big"
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/windows"
)

// Flags from wincrypt.h that decide whether the private key of a PFX goes to a
// CNG provider or to a CryptoAPI provider.
const (
	pkcs12AlwaysCNG  = 0x00000200 // PKCS12_ALWAYS_CNG_KSP
	pkcs12PreferCAPI = 0          // no flag: the provider that the PFX names, which is CryptoAPI
)

// imported puts a fixture with a non-exportable key into CurrentUser/My and
// returns its thumbprint.
func imported(t *testing.T, flags uint32) string {
	t.Helper()
	data := fixture(t, "good/windows-3des-sha1.pfx")
	password, err := windows.UTF16PtrFromString("correct horse")
	if err != nil {
		t.Fatal(err)
	}
	blob := windows.CryptDataBlob{Size: uint32(len(data)), Data: &data[0]}
	pfx, err := windows.PFXImportCertStore(&blob, password, flags|windows.CRYPT_USER_KEYSET)
	if err != nil {
		t.Fatal("PFXImportCertStore:", err)
	}
	defer windows.CertCloseStore(pfx, 0)
	store := openMy(t)
	defer windows.CertCloseStore(store, 0) // closing makes Wine save the added certificates
	for context := (*windows.CertContext)(nil); ; {
		if context, _ = windows.CertEnumCertificatesInStore(pfx, context); context == nil {
			t.Fatal("the fixture has no leaf")
		}
		leaf, err := x509.ParseCertificate(unsafe.Slice(context.EncodedCert, context.Length))
		if err != nil || leaf.Subject.CommonName != "HMA-Cert" {
			continue
		}
		if err := windows.CertAddCertificateContextToStore(store, context, windows.CERT_STORE_ADD_ALWAYS, nil); err != nil {
			t.Fatal("CertAddCertificateContextToStore:", err)
		}
		t.Cleanup(func() { removeFromMy(t, leaf.Raw) })
		thumbprint, _ := Thumbprints(leaf)
		return thumbprint
	}
}

func openMy(t *testing.T) windows.Handle {
	t.Helper()
	name, err := windows.UTF16PtrFromString("My")
	if err != nil {
		t.Fatal(err)
	}
	store, err := windows.CertOpenStore(windows.CERT_STORE_PROV_SYSTEM_W, 0, 0, windows.CERT_SYSTEM_STORE_CURRENT_USER, uintptr(unsafe.Pointer(name)))
	if err != nil {
		t.Fatal("CertOpenStore:", err)
	}
	return store
}

func removeFromMy(t *testing.T, der []byte) {
	store := openMy(t)
	defer windows.CertCloseStore(store, 0)
	for context := (*windows.CertContext)(nil); ; {
		if context, _ = windows.CertEnumCertificatesInStore(store, context); context == nil {
			return
		}
		if bytes.Equal(unsafe.Slice(context.EncodedCert, context.Length), der) {
			windows.CertDeleteCertificateFromStore(context) // this frees context
			return
		}
	}
}

// signs checks that the private key of s makes PS256 and RS256 signatures. Sign
// itself verifies them.
func signs(t *testing.T, s *Store) {
	t.Helper()
	list, err := s.Certificates(t.Context())
	if err != nil || len(list) == 0 {
		t.Fatal(len(list), err)
	}
	digest := sha256.Sum256([]byte("x"))
	signer := list[0].PrivateKey.(crypto.Signer)
	for _, opts := range []crypto.SignerOpts{&rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}, crypto.SHA256} {
		if _, err := signer.Sign(rand.Reader, digest[:], opts); err != nil {
			t.Errorf("%T: %v", opts, err)
		}
	}
}

func TestWindowsStoreCNG(t *testing.T) {
	thumbprint := imported(t, pkcs12AlwaysCNG)
	s, err := NewStore(StoreConfig{Location: StoreCurrentUser, Thumbprint: thumbprint})
	if err != nil {
		t.Fatal(err)
	}
	signs(t, s)
}

// TestWindowsStoreCryptoAPI checks that a key of a CryptoAPI provider signs, or
// that the error names the provider as the cause.
func TestWindowsStoreCryptoAPI(t *testing.T) {
	thumbprint := imported(t, pkcs12PreferCAPI)
	s, err := NewStore(StoreConfig{Location: StoreCurrentUser, Thumbprint: thumbprint})
	if err != nil {
		t.Fatal(err)
	}
	list, err := s.Certificates(t.Context())
	if err == nil {
		digest := sha256.Sum256([]byte("x"))
		_, err = list[0].PrivateKey.(crypto.Signer).Sign(rand.Reader, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256})
	}
	t.Log(err)
	var e *Error
	if err != nil && (!errors.As(err, &e) || e.Code != CodeLegacyKey) {
		t.Errorf("error %v", err)
	}
}

func TestWindowsStoreFailures(t *testing.T) {
	for name, tt := range map[string]struct {
		cfg  StoreConfig
		code string
	}{
		"no such certificate": {StoreConfig{Location: StoreCurrentUser, Subject: "CN=no such certificate"}, CodeNotInStore},
		"no such store":       {StoreConfig{Location: StoreCurrentUser, Name: "NoSuchStore", Subject: "CN=x"}, CodeNoStore},
	} {
		s, err := NewStore(tt.cfg)
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Certificates(t.Context())
		var e *Error
		if !errors.As(err, &e) || e.Code != tt.code {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestWindowsStoreSelfSigned checks that a Store finds and signs with a
// certificate that the CI workflow has made with New-SelfSignedCertificate. The
// key of the certificate is not exportable. HMAPROXY_TEST_STORE_SUBJECT names
// its subject.
func TestWindowsStoreSelfSigned(t *testing.T) {
	subject := os.Getenv("HMAPROXY_TEST_STORE_SUBJECT")
	if subject == "" {
		t.Skip("HMAPROXY_TEST_STORE_SUBJECT is not set")
	}
	s, err := NewStore(StoreConfig{Subject: subject})
	if err != nil {
		t.Fatal(err)
	}
	signs(t, s)
}

// TestWindowsKeySigns checks that an ephemeral key of the software provider
// signs through NCryptSignHash, with the padding that Entra ID expects.
func TestWindowsKeySigns(t *testing.T) {
	ok := func(what string, status uintptr) {
		t.Helper()
		if status != 0 {
			t.Fatalf("%s: 0x%08X", what, uint32(status))
		}
	}
	text := func(s string) uintptr {
		p, err := windows.UTF16PtrFromString(s)
		if err != nil {
			t.Fatal(err)
		}
		return uintptr(unsafe.Pointer(p))
	}
	var provider, key windows.Handle
	status, _, _ := ncrypt.NewProc("NCryptOpenStorageProvider").Call(uintptr(unsafe.Pointer(&provider)), text("Microsoft Software Key Storage Provider"), 0)
	ok("NCryptOpenStorageProvider", status)
	defer procNCryptFreeObject.Call(uintptr(provider))
	status, _, _ = ncrypt.NewProc("NCryptCreatePersistedKey").Call(uintptr(provider), uintptr(unsafe.Pointer(&key)), text("RSA"), 0, 0, 0)
	ok("NCryptCreatePersistedKey", status)
	defer procNCryptFreeObject.Call(uintptr(key))
	bits := uint32(2048)
	status, _, _ = ncrypt.NewProc("NCryptSetProperty").Call(uintptr(key), text("Length"), uintptr(unsafe.Pointer(&bits)), 4, 0)
	ok("NCryptSetProperty", status)
	status, _, _ = ncrypt.NewProc("NCryptFinalizeKey").Call(uintptr(key), 0)
	ok("NCryptFinalizeKey", status)
	blob := make([]byte, 1024)
	var n uint32
	status, _, _ = ncrypt.NewProc("NCryptExportKey").Call(uintptr(key), 0, text("RSAPUBLICBLOB"), 0, uintptr(unsafe.Pointer(&blob[0])), uintptr(len(blob)), uintptr(unsafe.Pointer(&n)), 0)
	ok("NCryptExportKey", status)
	// BCRYPT_RSAKEY_BLOB has six words. The third and the fourth are the lengths
	// of the exponent and the modulus, which follow in big-endian order.
	exponent := binary.LittleEndian.Uint32(blob[8:])
	modulus := binary.LittleEndian.Uint32(blob[12:])
	public := &rsa.PublicKey{
		E: int(new(big.Int).SetBytes(blob[24 : 24+exponent]).Int64()),
		N: new(big.Int).SetBytes(blob[24+exponent : 24+exponent+modulus]),
	}
	signer := &storeSigner{store: &Store{}, key: &windowsKey{handle: key}, public: public}
	digest := sha256.Sum256([]byte("x"))
	for _, opts := range []crypto.SignerOpts{crypto.SHA256, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}} {
		if _, err := signer.Sign(rand.Reader, digest[:], opts); err != nil {
			t.Errorf("%T: %v", opts, err)
		}
	}
}

package config

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"testing"
	"time"
)

// TestRootsWithInvalidSerialNumbers checks that HMA_CA_FILE may hold roots whose
// serial number RFC 5280 does not allow, as some private authorities have.
func TestRootsWithInvalidSerialNumbers(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "root"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	for name, serial := range map[string]byte{"negative": 0x81, "zero": 0} {
		// These bytes are the DER of version 3, followed by the DER of serial
		// number 1.
		root := bytes.Replace(der, []byte{0xa0, 3, 2, 1, 2, 2, 1, 1}, []byte{0xa0, 3, 2, 1, 2, 2, 1, serial}, 1)
		text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root})
		certificates, err := readCertificates(func(string) ([]byte, error) { return text, nil }, "ca.pem")
		if err != nil || len(certificates) != 1 || certificates[0].SerialNumber.Sign() > 0 {
			t.Errorf("%s serial number: %v", name, err)
		}
	}
}

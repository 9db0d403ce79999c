package certsource

import (
	"bytes"
	"crypto/ed25519"
	"crypto/fips140"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"software.sslmate.com/src/go-pkcs12"
)

// maxIterations limits the iterations of a key derivation, because their number
// comes from the PFX. OpenSSL uses 2048 iterations, keytool 10 000; 5 million
// take some seconds.
const maxIterations = 5_000_000

// maxDepth is the depth to which the function "excessive" looks into nested
// values. No PFX is nested so deeply.
const maxDepth = 30

// excessive reports whether an unencrypted part of der contains parameters of a
// key derivation with too many iterations: a salt (OCTET STRING) followed by an
// INTEGER that is too large. No other part of a PFX has this order.
func excessive(der []byte, depth int) bool {
	afterSalt := false
	for len(der) > 0 && depth < maxDepth {
		var v asn1.RawValue
		rest, err := asn1.Unmarshal(der, &v)
		if err != nil {
			return false
		}
		der = rest
		if afterSalt && v.Class == asn1.ClassUniversal && v.Tag == asn1.TagInteger {
			n := new(big.Int).SetBytes(v.Bytes)
			if n.Cmp(big.NewInt(maxIterations)) > 0 {
				return true
			}
		}
		afterSalt = v.Class == asn1.ClassUniversal && v.Tag == asn1.TagOctetString
		if (afterSalt || v.IsCompound) && excessive(v.Bytes, depth+1) {
			return true
		}
	}
	return false
}

// readPFX reads a PKCS#12 file with at most one private key.
func readPFX(der []byte, password string) (bundle, *Error) {
	if excessive(der, 0) {
		e := parseError(CodeUnsupportedPFX)
		e.Err = fmt.Errorf("more than %d iterations", maxIterations)
		return bundle{}, e
	}
	if fips140.Enforced() && bytes.Contains(der, legacyPBE) {
		e := parseError(CodeNotFIPS)
		e.Err = errors.New("it is encrypted with 3DES, RC2 or RC4")
		return bundle{}, e
	}
	b, err := decodeChain(der, password)
	if err == nil {
		return b, nil
	}
	e := pfxError(err)
	switch {
	case e.Code == CodeNoPrivateKey:
		if certs := keylessCerts(der); certs != nil {
			return bundle{certs: certs}, nil
		}
	case e.Code == CodeWrongPassword && password == "":
		e.Remedy = "the PFX has a password, but none is configured"
	}
	return bundle{}, e
}

// legacyPBE is the DER prefix with which the object identifier of every
// encryption scheme in RFC 7292 appendix C begins. All these schemes use 3DES,
// RC2 or RC4.
var legacyPBE = []byte{0x06, 0x0a, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x01}

// fipsText occurs in every panic and error of the standard library about an
// algorithm that GODEBUG=fips140=only forbids.
const fipsText = "not allowed in FIPS 140-only mode"

// decodeChain calls the library and turns a panic into an error.
func decodeChain(der []byte, password string) (b bundle, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errors.New("panic")
			if text := fmt.Sprint(p); strings.Contains(text, fipsText) {
				err = errors.New(text) // this text is a constant of the standard library
			}
		}
	}()
	key, first, more, err := pkcs12.DecodeChain(der, password)
	if err != nil {
		return bundle{}, err
	}
	return bundle{keys: []any{key}, certs: append([]*x509.Certificate{first}, more...)}, nil
}

// pfxError maps the library's errors, most of which have no type, to codes.
func pfxError(err error) *Error {
	var unsupported pkcs12.NotImplementedError
	if errors.As(err, &unsupported) {
		e := parseError(CodeUnsupportedPFX)
		e.Err = unsupported
		return e
	}
	if errors.Is(err, pkcs12.ErrIncorrectPassword) {
		return parseError(CodeWrongPassword)
	}
	if _, text, ok := strings.Cut(err.Error(), "use of "); ok && strings.HasSuffix(text, fipsText) {
		e := parseError(CodeNotFIPS)
		e.Err = errors.New(text)
		return e
	}
	for _, known := range []struct{ text, code string }{
		{"negative serial number", CodeNegativeSerial},
		{"private key missing", CodeNoPrivateKey},
		{"certificate missing", CodeNoCertificate},
		{"expected exactly one key bag", CodeSeveralKeys},
		{"no MAC in data", CodeUnsupportedPFX},
		{"unknown elliptic curve", CodeNotRSA},
		{"unsupported elliptic curve", CodeNotRSA},
	} {
		if strings.Contains(err.Error(), known.text) {
			return parseError(known.code)
		}
	}
	return parseError(CodeDamaged)
}

// The structures of RFC 7292 that keylessCerts reads and writes.
type (
	pfx struct {
		Version  int
		AuthSafe contentInfo
		MacData  asn1.RawValue `asn1:"optional"`
	}
	contentInfo struct {
		ContentType asn1.ObjectIdentifier
		Content     []byte `asn1:"explicit,tag:0"`
	}
	keyBag struct {
		ID    asn1.ObjectIdentifier
		Value asn1.RawValue // [0] EXPLICIT
	}
)

// keylessCerts returns the certificates of a PFX that contains no private key
// and whose password is empty. Key Vault returns such a file for a certificate
// whose key is not exportable. The library does not read files without a key.
// Therefore keylessCerts reads a copy to which it has added a publicly known
// key. The copy has no MAC, because the caller has already checked the MAC of
// the original. keylessCerts returns nil if the copy cannot be made or read.
func keylessCerts(der []byte) []*x509.Certificate {
	patched, err := withKey(der)
	if err != nil {
		return nil
	}
	b, err := decodeChain(patched, "")
	if err != nil {
		return nil
	}
	return b.certs
}

func withKey(der []byte) ([]byte, error) {
	var file pfx
	if _, err := asn1.Unmarshal(der, &file); err != nil {
		return nil, err
	}
	var safes []asn1.RawValue
	if _, err := asn1.Unmarshal(file.AuthSafe.Content, &safes); err != nil {
		return nil, err
	}
	known, err := x509.MarshalPKCS8PrivateKey(ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)))
	if err != nil {
		return nil, err
	}
	bags, err := asn1.Marshal([]keyBag{{
		ID:    asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 1},
		Value: asn1.RawValue{Class: asn1.ClassContextSpecific, IsCompound: true, Bytes: known},
	}})
	if err != nil {
		return nil, err
	}
	data := file.AuthSafe.ContentType
	safe, err := asn1.Marshal(contentInfo{data, bags})
	if err != nil {
		return nil, err
	}
	file.AuthSafe.Content, err = asn1.Marshal(append(safes, asn1.RawValue{FullBytes: safe}))
	if err != nil {
		return nil, err
	}
	return asn1.Marshal(struct {
		Version  int
		AuthSafe contentInfo
	}{file.Version, file.AuthSafe})
}

package pki

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"unicode/utf16"
)

// The writer follows RFC 7292 with the algorithms that OpenSSL 3 and current
// Windows choose: PBES2 with AES-256-CBC and PBKDF2-HMAC-SHA256, and a MAC of
// HMAC-SHA256 keyed by the derivation of RFC 7292, appendix B.

const pfxIterations = 2000

var (
	oidData          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidEncryptedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 6}
	oidShroudedKey   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 2}
	oidCertBag       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 3}
	oidX509          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 22, 1}
	oidLocalKeyID    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 21}
	oidPBES2         = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBKDF2        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
	oidHMACSHA256    = asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 9}
	oidAES256CBC     = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42}
	oidSHA256        = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
)

type (
	pfxPDU struct {
		Version  int
		AuthSafe contentInfo
		MacData  macData
	}
	contentInfo struct {
		Type    asn1.ObjectIdentifier
		Content asn1.RawValue // with the tag [0] EXPLICIT, as derWriter.explicit returns it
	}
	macData struct {
		Mac        digestInfo
		Salt       []byte
		Iterations int
	}
	digestInfo struct {
		Algorithm pkix.AlgorithmIdentifier
		Digest    []byte
	}
	encryptedData struct {
		Version int
		Content encryptedContentInfo
	}
	encryptedContentInfo struct {
		Type      asn1.ObjectIdentifier
		Algorithm pkix.AlgorithmIdentifier
		Content   []byte `asn1:"tag:0"`
	}
	encryptedPrivateKeyInfo struct {
		Algorithm pkix.AlgorithmIdentifier
		Data      []byte
	}
	safeBag struct {
		ID         asn1.ObjectIdentifier
		Value      asn1.RawValue
		Attributes []bagAttribute `asn1:"set,omitempty"`
	}
	bagAttribute struct {
		ID     asn1.ObjectIdentifier
		Values [][]byte `asn1:"set"`
	}
	certBag struct {
		ID   asn1.ObjectIdentifier
		Data []byte `asn1:"tag:0,explicit"`
	}
	pbes2Params struct{ KDF, Scheme pkix.AlgorithmIdentifier }
	kdfParams   struct {
		Salt       []byte
		Iterations int
		PRF        pkix.AlgorithmIdentifier
	}
)

// A derWriter marshals values and collects the errors in err.
type derWriter struct{ err error }

func (d *derWriter) marshal(v any) []byte {
	b, err := asn1.Marshal(v)
	d.err = errors.Join(d.err, err)
	return b
}

// explicit returns v with the tag [0] EXPLICIT.
func (d *derWriter) explicit(v any) asn1.RawValue {
	return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: d.marshal(v)}
}

func (d *derWriter) algorithm(oid asn1.ObjectIdentifier, params any) pkix.AlgorithmIdentifier {
	if params == nil {
		return pkix.AlgorithmIdentifier{Algorithm: oid, Parameters: asn1.NullRawValue}
	}
	return pkix.AlgorithmIdentifier{Algorithm: oid, Parameters: asn1.RawValue{FullBytes: d.marshal(params)}}
}

// encodePFX returns key, which may be nil, and certificates as PKCS#12.
func encodePFX(key crypto.Signer, certs []*x509.Certificate, password string) ([]byte, error) {
	d := new(derWriter)
	safes := []contentInfo{d.certificates(key, certs, password)}
	if key != nil {
		safes = append(safes, d.shroudedKey(key, password))
	}
	safe := d.marshal(safes)
	out := d.marshal(pfxPDU{
		Version:  3,
		AuthSafe: contentInfo{oidData, d.explicit(safe)},
		MacData:  d.mac(safe, password),
	})
	if d.err != nil {
		return nil, fmt.Errorf("emulator: pkcs12: %w", d.err)
	}
	return out, nil
}

// certificates returns certs as an encrypted SafeContents of PKCS#12. If a
// certificate belongs to key, its bag has the local key id of key.
func (d *derWriter) certificates(key crypto.Signer, certs []*x509.Certificate, password string) contentInfo {
	var bags []safeBag
	for _, c := range certs {
		bag := safeBag{ID: oidCertBag, Value: d.explicit(certBag{oidX509, c.Raw})}
		if key != nil && publicKeyEqual(c, key) {
			bag.Attributes = keyID(c.RawSubjectPublicKeyInfo)
		}
		bags = append(bags, bag)
	}
	algorithm, content := d.encrypt(d.marshal(bags), password)
	return contentInfo{oidEncryptedData, d.explicit(encryptedData{0, encryptedContentInfo{oidData, algorithm, content}})}
}

func (d *derWriter) shroudedKey(key crypto.Signer, password string) contentInfo {
	plain, err := x509.MarshalPKCS8PrivateKey(key)
	d.err = errors.Join(d.err, err)
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	d.err = errors.Join(d.err, err)
	algorithm, content := d.encrypt(plain, password)
	bag := safeBag{oidShroudedKey, d.explicit(encryptedPrivateKeyInfo{algorithm, content}), keyID(public)}
	return contentInfo{oidData, d.explicit(d.marshal([]safeBag{bag}))}
}

func publicKeyEqual(c *x509.Certificate, key crypto.Signer) bool {
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(c.PublicKey)
}

func keyID(public []byte) []bagAttribute {
	id := SHA1(public)
	return []bagAttribute{{oidLocalKeyID, [][]byte{id[:]}}}
}

// encrypt implements PBES2. Its PBKDF2 uses the password unchanged, unlike the
// derivation for the MAC.
func (d *derWriter) encrypt(plain []byte, password string) (pkix.AlgorithmIdentifier, []byte) {
	salt, iv := make([]byte, 16), make([]byte, aes.BlockSize)
	rand.Read(salt)
	rand.Read(iv)
	key, err := pbkdf2.Key(sha256.New, password, salt, pfxIterations, 32)
	d.err = errors.Join(d.err, err)
	algorithm := d.algorithm(oidPBES2, pbes2Params{
		KDF:    d.algorithm(oidPBKDF2, kdfParams{salt, pfxIterations, d.algorithm(oidHMACSHA256, nil)}),
		Scheme: d.algorithm(oidAES256CBC, iv),
	})
	block, err := aes.NewCipher(key)
	if err != nil {
		d.err = errors.Join(d.err, err)
		return algorithm, nil
	}
	pad := aes.BlockSize - len(plain)%aes.BlockSize
	out := append(bytes.Clone(plain), bytes.Repeat([]byte{byte(pad)}, pad)...)
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(out, out)
	return algorithm, out
}

func (d *derWriter) mac(content []byte, password string) macData {
	salt := make([]byte, 16)
	rand.Read(salt)
	h := hmac.New(sha256.New, macKey(salt, password))
	h.Write(content)
	return macData{digestInfo{d.algorithm(oidSHA256, nil), h.Sum(nil)}, salt, pfxIterations}
}

// macKey derives the key of the MAC by RFC 7292, appendix B.2, with SHA-256 (v =
// 64) and ID 3. One block suffices for the 32 bytes that HMAC needs.
func macKey(salt []byte, password string) []byte {
	const v, macID = sha256.BlockSize, 3
	input := bytes.Repeat([]byte{macID}, v)
	input = append(input, fillBlocks(salt, v)...)
	input = append(input, fillBlocks(bmpString(password), v)...)
	sum := sha256.Sum256(input)
	for range pfxIterations - 1 {
		sum = sha256.Sum256(sum[:])
	}
	return sum[:]
}

// fillBlocks repeats b to a multiple of v bytes.
func fillBlocks(b []byte, v int) []byte {
	size := (len(b) + v - 1) / v * v
	return bytes.Repeat(b, size/len(b)+1)[:size]
}

// bmpString returns s in big-endian UTF-16 with a terminating zero.
func bmpString(s string) []byte {
	var b []byte
	for _, u := range append(utf16.Encode([]rune(s)), 0) {
		b = append(b, byte(u>>8), byte(u))
	}
	return b
}

package certsource

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"strings"
)

// maxSize limits the size of a certificate file. A PFX with a long chain has
// about 10 KB; Key Vault stores at most 25 KB.
const maxSize = 1 << 20

// Parse reads a certificate with its private key. data is the content of a PFX
// (PKCS#12) or PEM file, or the value of a Key Vault secret, in which a PFX is
// encoded in base64. Parse recognises the format by the data. password is the
// password of a PFX. PEM files with encrypted keys are refused. A UTF-8 byte
// order mark and Windows line ends are accepted.
//
// The leaf is the certificate that belongs to the private key. It may be at any
// position in data. In the result, the leaf comes first and each certificate is
// followed by its issuer. Unrelated certificates are left out. The field Leaf
// is set. The key must be an RSA key of at least 2048 bits. The dates are not
// checked.
//
// The error is an [*Error] with one of this package's codes.
func Parse(data []byte, password string) (*tls.Certificate, error) {
	b, err := read(data, password)
	if err != nil {
		return nil, err
	}
	cert, err := b.assemble()
	if err != nil {
		return nil, err
	}
	return cert, nil
}

// A bundle holds the keys and certificates of a file, in the file's order.
type bundle struct {
	keys  []any // of the types that package x509 returns
	certs []*x509.Certificate
}

// read recognises the format of data and returns the keys and certificates in it.
// The errors of read, and of the functions that it calls, do not name the source
// of the data. Callers add the source with the method "about".
func read(data []byte, password string) (bundle, *Error) {
	switch {
	case len(data) > maxSize:
		return bundle{}, parseError(CodeTooLarge)
	case isUTF16(data):
		return bundle{}, parseError(CodeUTF16)
	case isDER(data):
		return readDER(data, password)
	}
	text := bytes.TrimSpace(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")))
	if len(text) == 0 {
		return bundle{}, parseError(CodeEmpty)
	}
	if bytes.Contains(text, []byte(pemBegin)) {
		return readPEM(text)
	}
	decoded, ok := decodeBase64(text)
	switch {
	case ok && isDER(decoded):
		return readDER(decoded, password)
	case ok && bytes.Contains(decoded, []byte(pemBegin)):
		return readPEM(decoded)
	}
	return bundle{}, parseError(CodeUnknownFormat)
}

// isUTF16 recognises UTF-16 by its byte order mark or, if there is no such
// mark, by an ASCII character at the beginning that is followed or preceded by
// a zero byte.
func isUTF16(data []byte) bool {
	if len(data) < 2 {
		return false
	}
	a, b := data[0], data[1]
	return a == 0xff && b == 0xfe || a == 0xfe && b == 0xff || (a == 0) != (b == 0)
}

// isDER recognises binary data: an ASN.1 SEQUENCE of 128 bytes or more. The
// second byte is checked because text in base64 may also begin with the
// character 0, which is 0x30.
func isDER(data []byte) bool {
	return len(data) > 2 && data[0] == 0x30 && data[1] >= 0x80
}

// decodeBase64 accepts white space, missing padding and the URL-safe alphabet.
func decodeBase64(text []byte) ([]byte, bool) {
	s := bytes.Join(bytes.Fields(text), nil)
	s = bytes.TrimRight(s, "=")
	s = bytes.ReplaceAll(bytes.ReplaceAll(s, []byte("-"), []byte("+")), []byte("_"), []byte("/"))
	out, err := base64.RawStdEncoding.DecodeString(string(s))
	return out, err == nil
}

// readDER reads a PFX, or a certificate without a key. After the PFX or
// certificate, data may contain only white space.
func readDER(data []byte, password string) (bundle, *Error) {
	var whole asn1.RawValue
	rest, err := asn1.Unmarshal(data, &whole)
	if err != nil || len(bytes.TrimSpace(rest)) > 0 {
		return bundle{}, parseError(CodeDamaged)
	}
	cert, err := x509.ParseCertificate(whole.FullBytes)
	switch {
	case err == nil:
		return bundle{certs: []*x509.Certificate{cert}}, nil
	case isNegativeSerial(err):
		return bundle{}, parseError(CodeNegativeSerial)
	}
	if isPKCS7(whole.Bytes) {
		return bundle{}, parseError(CodePKCS7)
	}
	return readPFX(whole.FullBytes, password)
}

// isPKCS7 reports whether the content of a SEQUENCE begins with the type of
// signed data (RFC 2315), as in a .p7b file.
func isPKCS7(content []byte) bool {
	var kind asn1.ObjectIdentifier
	_, err := asn1.Unmarshal(content, &kind)
	return err == nil && kind.Equal(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2})
}

const pemBegin = "-----BEGIN "

func readPEM(text []byte) (bundle, *Error) {
	var b bundle
	for n, part := range splitPEM(text) {
		block, _ := pem.Decode(part)
		if block == nil {
			e := parseError(CodeDamaged)
			e.Err = fmt.Errorf("block %d%s cannot be decoded", n+1, blockType(part))
			return bundle{}, e
		}
		if e := b.add(block); e != nil {
			if e.Err == nil {
				e.Err = fmt.Errorf("block %d (%s)", n+1, strings.ToLower(line(block.Type)))
			} else {
				e.Err = fmt.Errorf("block %d (%s): %w", n+1, strings.ToLower(line(block.Type)), e.Err)
			}
			return bundle{}, e
		}
	}
	return b, nil
}

// splitPEM returns one part for each block in text. pem.Decode alone would
// silently skip blocks that it cannot decode.
func splitPEM(text []byte) (parts [][]byte) {
	for {
		begin := bytes.Index(text, []byte(pemBegin))
		if begin < 0 {
			return parts
		}
		text = text[begin:]
		next := bytes.Index(text[len(pemBegin):], []byte(pemBegin))
		if next < 0 {
			return append(parts, text)
		}
		parts = append(parts, text[:len(pemBegin)+next])
		text = text[len(pemBegin)+next:]
	}
}

// blockType returns the type in a block's first line, in lower case, as
// " (certificate)". It returns "" if the line contains no type.
func blockType(block []byte) string {
	label, _, ok := bytes.Cut(block[len(pemBegin):], []byte("-----"))
	if !ok || len(label) > 40 || bytes.ContainsAny(label, "\r\n") {
		return ""
	}
	return " (" + strings.ToLower(line(string(label))) + ")"
}

// isNegativeSerial reports whether err is crypto/x509's error about a negative
// serial number. It compares the text, because the error has no type. Since Go
// 1.23 such certificates are refused, unless GODEBUG contains
// x509negativeserial=1.
func isNegativeSerial(err error) bool { return strings.Contains(err.Error(), "negative serial number") }

// add adds the key or the certificate in a PEM block. It ignores other types of
// blocks, such as EC PARAMETERS.
func (b *bundle) add(block *pem.Block) *Error {
	if block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "" {
		return parseError(CodeEncryptedPEM)
	}
	var key any
	var err error
	switch block.Type {
	case "CERTIFICATE", "TRUSTED CERTIFICATE", "X509 CERTIFICATE":
		cert, err := x509.ParseCertificate(trusted(block))
		switch {
		case err == nil:
		case isNegativeSerial(err):
			return parseError(CodeNegativeSerial)
		default:
			e := parseError(CodeDamaged)
			e.Err = err
			return e
		}
		b.certs = append(b.certs, cert)
		return nil
	case "PKCS7", "CMS":
		return parseError(CodePKCS7)
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		return nil
	}
	if err != nil {
		return parseError(CodeDamaged)
	}
	b.keys = append(b.keys, key)
	return nil
}

// trusted returns the DER of the certificate in block. It removes the trust
// settings that OpenSSL appends to the certificate in a TRUSTED CERTIFICATE block.
func trusted(block *pem.Block) []byte {
	var cert asn1.RawValue
	if _, err := asn1.Unmarshal(block.Bytes, &cert); err != nil || block.Type != "TRUSTED CERTIFICATE" {
		return block.Bytes
	}
	return cert.FullBytes
}

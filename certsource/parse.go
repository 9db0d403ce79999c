package certsource

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
)

// maxSize bounds what is read as a certificate. A PFX with a long chain has
// some 10 KB; Key Vault stores 25 KB at most.
const maxSize = 1 << 20

// Parse reads a certificate with its private key from the content of a PFX
// (PKCS#12) or PEM file, or from the value of a Key Vault secret, where a PFX
// is in base64. Which of these it is, is found out from data. password is the
// PFX's; PEM files with encrypted keys are refused.
//
// The leaf is the certificate that belongs to the key, wherever it stands; the
// chain follows it by issuer, and unrelated certificates are left out. Leaf is
// set. The key must be RSA of at least 2048 bits. The dates are not looked at.
//
// The error is an [*Error] whose Code tells what is wrong.
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

// A bundle is what a file holds, in the file's order.
type bundle struct {
	keys  []any // as the x509 package returns them
	certs []*x509.Certificate
}

// read finds out what data is. It and all below it return *Error rather than
// error, so that callers can say where the data came from.
func read(data []byte, password string) (bundle, *Error) {
	switch {
	case len(data) > maxSize:
		return bundle{}, problem(CodeTooLarge)
	case isUTF16(data):
		return bundle{}, problem(CodeUTF16)
	case isDER(data):
		return readDER(data, password)
	}
	text := bytes.TrimSpace(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")))
	if len(text) == 0 {
		return bundle{}, problem(CodeEmpty)
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
	return bundle{}, problem(CodeUnknownFormat)
}

// isUTF16 knows UTF-16 by its byte order mark or, without one, by a first
// ASCII character with a zero byte at its side.
func isUTF16(data []byte) bool {
	if len(data) < 2 {
		return false
	}
	a, b := data[0], data[1]
	return a == 0xff && b == 0xfe || a == 0xfe && b == 0xff || (a == 0) != (b == 0)
}

// isDER tells binary data, an ASN.1 SEQUENCE of 128 bytes or more, from text in
// base64 that happens to begin with a 0.
func isDER(data []byte) bool {
	return len(data) > 2 && data[0] == 0x30 && data[1] >= 0x80
}

// decodeBase64 is lenient about white space, padding and the alphabet.
func decodeBase64(text []byte) ([]byte, bool) {
	s := bytes.Join(bytes.Fields(text), nil)
	s = bytes.TrimRight(s, "=")
	s = bytes.ReplaceAll(bytes.ReplaceAll(s, []byte("-"), []byte("+")), []byte("_"), []byte("/"))
	out, err := base64.RawStdEncoding.DecodeString(string(s))
	return out, err == nil
}

// readDER reads a PFX, with white space after it at most.
func readDER(data []byte, password string) (bundle, *Error) {
	var whole asn1.RawValue
	rest, err := asn1.Unmarshal(data, &whole)
	if err != nil || len(bytes.TrimSpace(rest)) > 0 {
		return bundle{}, problem(CodeDamaged)
	}
	if cert, err := x509.ParseCertificate(whole.FullBytes); err == nil {
		return bundle{certs: []*x509.Certificate{cert}}, nil
	}
	return readPFX(whole.FullBytes, password)
}

const pemBegin = "-----BEGIN "

func readPEM(text []byte) (bundle, *Error) {
	var b bundle
	found := 0
	for rest := text; ; found++ {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if err := b.add(block); err != nil {
			return bundle{}, err
		}
	}
	// pem.Decode skips blocks that it cannot read.
	if found != bytes.Count(text, []byte(pemBegin)) {
		return bundle{}, problem(CodeDamaged)
	}
	return b, nil
}

// add takes what a PEM block holds and skips the kinds that are of no interest,
// such as EC PARAMETERS.
func (b *bundle) add(block *pem.Block) *Error {
	if block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "" {
		return problem(CodeEncryptedPEM)
	}
	var key any
	var err error
	switch block.Type {
	case "CERTIFICATE", "TRUSTED CERTIFICATE", "X509 CERTIFICATE":
		cert, err := x509.ParseCertificate(trusted(block))
		if err != nil {
			return problem(CodeDamaged)
		}
		b.certs = append(b.certs, cert)
		return nil
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
		return problem(CodeDamaged)
	}
	b.keys = append(b.keys, key)
	return nil
}

// trusted cuts off the trust settings that OpenSSL writes after the certificate
// in its TRUSTED CERTIFICATE.
func trusted(block *pem.Block) []byte {
	var cert asn1.RawValue
	if _, err := asn1.Unmarshal(block.Bytes, &cert); err != nil || block.Type != "TRUSTED CERTIFICATE" {
		return block.Bytes
	}
	return cert.FullBytes
}

package config

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"unicode/utf8"
)

// ReadSecret reads the secret that a _FILE variable points to, at start and
// when the file may have changed. White space around the secret is dropped; an
// empty file is an error. No error holds the path or anything of the file.
func ReadSecret(readFile func(string) ([]byte, error), path Path) (Secret, error) {
	text, err := readText(readFile, path)
	if err != nil {
		return "", err
	}
	var secret Secret
	if err := secret.UnmarshalText(text); err != nil {
		return "", flaw("names a file that " + err.Error())
	}
	return secret, nil
}

// ReadMailboxes reads the allow-list that HMA_ALLOWED_MAILBOXES_FILE points to,
// at start and when the file may have changed. An empty list is an error. No
// error holds the path or anything of the file.
func ReadMailboxes(readFile func(string) ([]byte, error), path Path) (Mailboxes, error) {
	text, err := readText(readFile, path)
	if err != nil {
		return nil, err
	}
	var mailboxes Mailboxes
	if err := mailboxes.UnmarshalText(text); err != nil {
		return nil, flaw("names a file whose content " + err.Error())
	}
	return mailboxes, nil
}

// readText reads a text file without the white space around its content.
func readText(readFile func(string) ([]byte, error), path Path) ([]byte, error) {
	data, err := readContent(readFile, path)
	if err != nil {
		return nil, err
	}
	text, err := decode(data)
	if err != nil {
		return nil, flaw("names a file that " + err.Error())
	}
	text = bytes.Trim(text, space)
	if len(text) == 0 {
		return nil, flaw("names a file that is empty")
	}
	return text, nil
}

// readContent reads a file that must not be empty.
func readContent(readFile func(string) ([]byte, error), path Path) ([]byte, error) {
	data, err := readFile(string(path))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, flaw("names a file that does not exist")
	case errors.Is(err, fs.ErrPermission):
		return nil, flaw("names a file that this process is not permitted to read")
	case err != nil:
		return nil, flaw("names a file that cannot be read")
	case len(data) == 0:
		return nil, flaw("names a file that is empty")
	}
	return data, nil
}

// decode returns UTF-8 text without its byte order mark. It refuses UTF-16,
// which Windows editors and PowerShell's redirections write.
func decode(data []byte) ([]byte, error) {
	if bytes.HasPrefix(data, []byte{0xff, 0xfe}) || bytes.HasPrefix(data, []byte{0xfe, 0xff}) {
		return nil, flaw("is encoded in UTF-16; save it as UTF-8")
	}
	if bytes.IndexByte(data, 0) >= 0 {
		return nil, flaw("holds zero bytes, as UTF-16 without a byte order mark does; save it as UTF-8")
	}
	if !utf8.Valid(data) {
		return nil, flaw("is not UTF-8; save it as UTF-8")
	}
	return bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")), nil
}

// ReadKeyPair reads the certificate chain and the private key that
// HMA_TLS_CERT_FILE and HMA_TLS_KEY_FILE point to, at start and when they may
// have changed. Dates and names are for the clients to judge. No error holds a
// path or anything of the files.
func ReadKeyPair(readFile func(string) ([]byte, error), certificate, key Path) (*tls.Certificate, error) {
	chain, err := readContent(readFile, certificate)
	if err != nil {
		return nil, err
	}
	private, err := readContent(readFile, key)
	if err != nil {
		return nil, flaw("is used with HMA_TLS_KEY_FILE, which " + err.Error())
	}
	pair, err := tls.X509KeyPair(chain, private)
	if err != nil {
		return nil, flaw("names a file that does not fit HMA_TLS_KEY_FILE; expected a PEM certificate chain, and its unencrypted PEM key there")
	}
	return &pair, nil
}

// Certificates are trusted roots.
type Certificates []*x509.Certificate

// readCertificates reads a PEM file of certificates. Anything else in the file
// is an error: a private key does not belong there.
func readCertificates(readFile func(string) ([]byte, error), path Path) (Certificates, error) {
	rest, err := readContent(readFile, path)
	if err != nil {
		return nil, err
	}
	var certificates Certificates
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, flaw(fmt.Sprintf("names a file whose PEM block %d is no certificate; expected certificates only", len(certificates)+1))
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, flaw(fmt.Sprintf("names a file whose certificate %d cannot be parsed", len(certificates)+1))
		}
		certificates = append(certificates, certificate)
	}
	if len(certificates) == 0 {
		return nil, flaw("names a file without a PEM certificate; expected blocks that begin with -----BEGIN CERTIFICATE-----")
	}
	return certificates, nil
}

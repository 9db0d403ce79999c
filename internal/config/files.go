package config

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"unicode/utf8"
)

// ReadSecret reads the secret of a _FILE variable, at start and for each
// reload. White space around the secret is dropped; an empty file is an error.
// The error holds neither the path nor any content of the file.
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

// ReadMailboxes reads the allow-list of HMA_ALLOWED_MAILBOXES_FILE, at start
// and for each reload. An empty list is an error. The error holds neither the
// path nor any content of the file.
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
	case errors.Is(err, errNotRegular):
		return nil, flaw("names a pipe, socket or device; expected a regular file, which can be read again")
	case errors.Is(err, errBlocked):
		return nil, flaw("names a file that could not be read within 10 seconds: its file system does not respond (NFS, SMB)")
	case errors.Is(err, syscall.EISDIR):
		return nil, flaw("names a directory; expected a file")
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

// ReadKeyPair reads a certificate chain and its private key, at start and for
// each reload. HMA_TLS_CERT_FILE and HMA_TLS_KEY_FILE name the files.
// ReadKeyPair does not check dates and names, because clients check them. The
// error holds neither a path nor any content of the files.
func ReadKeyPair(readFile func(string) ([]byte, error), certificate, key Path) (*tls.Certificate, error) {
	chain, _, err := readPEM(readFile, certificate)
	if err != nil {
		return nil, err
	}
	private, _, err := readPEM(readFile, key)
	if err != nil {
		return nil, flaw("is used with HMA_TLS_KEY_FILE, which " + flawOf(err))
	}
	pair, err := tls.X509KeyPair(chain, private)
	if err != nil {
		return nil, flaw("names a file that does not fit HMA_TLS_KEY_FILE; expected a PEM certificate chain, and its unencrypted PEM key there")
	}
	return &pair, nil
}

// ReadKeyPairs reads the key pairs of HMA_TLS_CERT_FILE and HMA_TLS_KEY_FILE
// with ReadKeyPair.
func ReadKeyPairs(readFile func(string) ([]byte, error), certificates, keys Paths) ([]tls.Certificate, error) {
	if len(certificates) != len(keys) {
		return nil, flaw("has another number of entries than HMA_TLS_KEY_FILE; expected a key there for each certificate, in the same order")
	}
	var pairs []tls.Certificate
	for i := range certificates {
		pair, err := ReadKeyPair(readFile, certificates[i], keys[i])
		if err != nil {
			return nil, ofEntry(i, len(certificates), err)
		}
		pairs = append(pairs, *pair)
	}
	return pairs, nil
}

// ofEntry adds to err the number of the entry, if the list has more than one
// entry.
func ofEntry(i, n int, err error) error {
	if n == 1 {
		return err
	}
	return flaw(fmt.Sprintf("has entry %d, which %s", i+1, flawOf(err)))
}

// Certificates are trusted roots.
type Certificates []*x509.Certificate

// readCertificates reads a PEM file of certificates. Any other block in the file
// is an error: a private key does not belong there.
func readCertificates(readFile func(string) ([]byte, error), path Path) (Certificates, error) {
	_, blocks, err := readPEM(readFile, path)
	if err != nil {
		return nil, err
	}
	var certificates Certificates
	for i, block := range blocks {
		if block.Type != "CERTIFICATE" {
			return nil, flaw(fmt.Sprintf("names a file whose PEM block %d is not a certificate; expected certificates only", i+1))
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, flaw(fmt.Sprintf("names a file whose PEM block %d %s", i+1, whyNoCertificate(err)))
		}
		certificates = append(certificates, certificate)
	}
	return certificates, nil
}

// whyNoCertificate says why a certificate cannot be parsed. It does not return
// the text of the error, because package x509 quotes parts of the input.
func whyNoCertificate(err error) string {
	if strings.Contains(err.Error(), "negative serial number") {
		return "is a certificate with a negative serial number, which no certificate may have (RFC 5280, 4.1.2.2); have its issuer issue another"
	}
	return "cannot be parsed as a certificate; export the certificate once more"
}

// readPEM reads a file of PEM blocks. It returns the text without byte order
// marks, and the blocks. A block that cannot be read is an error: encoding/pem
// would skip it silently, and its certificate would be missing.
func readPEM(readFile func(string) ([]byte, error), path Path) (text []byte, blocks []*pem.Block, err error) {
	data, err := readContent(readFile, path)
	if err != nil {
		return nil, nil, err
	}
	switch {
	case bytes.HasPrefix(data, []byte{0xff, 0xfe}), bytes.HasPrefix(data, []byte{0xfe, 0xff}):
		return nil, nil, flaw("names a file that is encoded in UTF-16; save it as UTF-8")
	case bytes.HasPrefix(data, []byte{0x30, 0x82}):
		return nil, nil, flaw("names a binary file (DER or PFX); expected PEM, text with lines such as -----BEGIN CERTIFICATE-----")
	case bytes.IndexByte(data, 0) >= 0:
		return nil, nil, flaw("names a file that holds zero bytes, as UTF-16 without a byte order mark does; expected PEM, saved as UTF-8")
	}
	text = bytes.ReplaceAll(data, []byte("\xef\xbb\xbf-----BEGIN "), []byte("-----BEGIN ")) // concatenated files have several byte order marks
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	lines := bytes.SplitAfter(text, []byte("\n"))
	var marks []int // the index of each line that begins a block
	ends := 0
	for i, line := range lines {
		if bytes.Contains(line, []byte("-BEGIN ")) {
			marks = append(marks, i)
		} else if bytes.Contains(line, []byte("-END ")) {
			ends++
		}
	}
	if len(marks) == 0 && ends == 0 {
		return nil, nil, flaw("names a file without a PEM block; expected blocks that begin with a line such as -----BEGIN CERTIFICATE-----")
	}
	for i, first := range marks {
		next := len(lines)
		if i+1 < len(marks) {
			next = marks[i+1]
		}
		block, _ := pem.Decode(bytes.Join(lines[first:next], nil))
		if block == nil {
			return nil, nil, flaw(fmt.Sprintf("names a file whose PEM block %d (line %d) cannot be read; expected a line -----BEGIN …-----, base64, and a line -----END …----- with the same words", i+1, first+1))
		}
		blocks = append(blocks, block)
	}
	if ends != len(blocks) {
		return nil, nil, flaw(fmt.Sprintf("names a file with %d lines -----END …----- and %d blocks; expected a line -----BEGIN …----- before each", ends, len(blocks)))
	}
	return text, blocks, nil
}

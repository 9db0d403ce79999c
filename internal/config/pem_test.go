package config

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"strings"
	"testing"
)

var bom = []byte("\xef\xbb\xbf")

// utf16 encodes ASCII text in little-endian UTF-16, which Windows calls
// "Unicode". If mark is true, it adds a byte order mark.
func utf16(text []byte, mark bool) []byte {
	var out []byte
	if mark {
		out = append(out, 0xff, 0xfe)
	}
	for _, c := range text {
		out = append(out, c, 0)
	}
	return out
}

// swapped turns UTF-16 from little-endian to big-endian.
func swapped(text []byte) []byte {
	for i := 0; i+1 < len(text); i += 2 {
		text[i], text[i+1] = text[i+1], text[i]
	}
	return text
}

// readPFX returns a PFX file from the test data of package certsource.
func readPFX(t *testing.T) []byte {
	t.Helper()
	data, err := os.ReadFile("../../certsource/testdata/good/windows-3des-sha1.pfx")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestCAFilesAsTheyAreFound checks that either every certificate in the file is
// read, or the error names the cause, for example the block that cannot be read.
// No block is skipped without an error.
func TestCAFilesAsTheyAreFound(t *testing.T) {
	ca := testFiles(t)["/ca.pem"]
	bad := bytes.Replace(ca, []byte("\nMII"), []byte("\n*II"), 1)
	crlf := bytes.ReplaceAll(ca, []byte("\n"), []byte("\r\n"))
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	for _, tc := range []struct {
		name string
		data []byte
		want int
		text string
	}{
		{"as it is", ca, 1, ""},
		{"byte order mark", join(bom, ca), 1, ""},
		{"joined, each with a byte order mark", join(bom, ca, bom, ca, bom, ca), 3, ""},
		{"Windows line ends", join(bom, crlf, crlf), 2, ""},
		{"text around", join([]byte("subject=/O=M\xfcller\n"), ca, []byte("and another\n"), ca, []byte("end\n")), 2, ""},
		{"no line end at the end", bytes.TrimSpace(join(ca, ca)), 2, ""},
		{"UTF-16", utf16(ca, true), 0, "UTF-16"},
		{"UTF-16 without a mark", utf16(ca, false), 0, "UTF-16"},
		{"UTF-16, big-endian", swapped(utf16(ca, true)), 0, "UTF-16"},
		{"UTF-16, big-endian without a mark", swapped(utf16(ca, false)), 0, "UTF-16"},
		{"UTF-16 after a whole certificate", join(ca, utf16(ca, false)), 0, "UTF-16"},
		{"two byte order marks", join(bom, bom, ca), 1, ""},
		{"lines that end with CR alone", bytes.ReplaceAll(join(ca, ca), []byte("\n"), []byte("\r")), 0, "block 1 (line 1)"},
		{"the end mark of DOS", join(ca, []byte("\x1a")), 1, ""},
		{"binary bytes after the end", join(ca, []byte("\xff\xd8\xfe\x01")), 1, ""},
		{"a damaged block in the middle, with Windows line ends", join(crlf, bytes.ReplaceAll(bad, []byte("\n"), []byte("\r\n")), crlf), 0, "block 2 (line "},
		{"base64 that is cut within the block in the middle", join(ca, bytes.Replace(ca, []byte("\n-----END"), []byte("A\n-----END"), 1), ca), 0, "block 2 "},
		{"PKCS #7 as PEM", bytes.ReplaceAll(ca, []byte("CERTIFICATE-"), []byte("PKCS7-")), 0, "block 1 is not a certificate"},
		{"OpenSSL's trusted certificate", join(ca, bytes.ReplaceAll(ca, []byte(" CERTIFICATE-"), []byte(" TRUSTED CERTIFICATE-"))), 0, "block 2 is not a certificate"},
		{"a request for a certificate", bytes.ReplaceAll(ca, []byte(" CERTIFICATE-"), []byte(" CERTIFICATE REQUEST-")), 0, "block 1 is not a certificate"},
		{"HTML of a sign-in page", []byte("<html><title>Sign in</title></html>"), 0, "without a PEM block"},
		{"DER", []byte{0x30, 0x82, 0, 1}, 0, "DER"},
		{"a PFX", readPFX(t), 0, "DER"},
		{"unreadable block 1", join(bad, ca), 0, "block 1 (line 1)"},
		{"unreadable block 2", join(ca, bad, ca), 0, "block 2 (line "},
		{"unreadable last block", join(ca, ca, bad), 0, "block 3 (line "},
		{"cut off", ca[:len(ca)/2], 0, "block 1 (line 1)"},
		{"cut off, then whole", join(ca[:len(ca)/2], []byte("\n"), ca), 0, "block 1 (line 1)"},
		{"the end of another kind", bytes.Replace(ca, []byte("-----END CERTIFICATE"), []byte("-----END CERTIFICATES"), 1), 0, "block 1 (line 1)"},
		{"four hyphens", join(ca, ca[1:]), 0, "block 2 (line "},
		{"no first line", join(ca, ca[bytes.IndexByte(ca, '\n'):]), 0, "2 lines -----END"},
		{"indented, as out of YAML", bytes.ReplaceAll(join([]byte("\n"), ca), []byte("\n"), []byte("\n    ")), 0, "block 1 (line 2)"},
		{"behind a comment mark", join(ca, []byte("# "), ca), 0, "block 2 (line "},
		{"not a certificate inside", join(ca, []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")), 0, "block 2 cannot be parsed"},
		{"a key inside", join(ca, []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")), 0, "block 2 is not a certificate"},
		{"negative serial number", join(ca, negativeSerial(t)), 2, ""}, // allowed by the godebug line of go.mod
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := readCertificates(files{"/x": tc.data}.read, "/x")
			if tc.text == "" && (err != nil || len(got) != tc.want) {
				t.Errorf("%d certificates, %v; want %d", len(got), err, tc.want)
			}
			if tc.text != "" && (err == nil || got != nil || !strings.Contains(err.Error(), tc.text)) {
				t.Errorf("%d certificates, %v; want %q", len(got), err, tc.text)
			}
		})
	}
}

// TestNegativeSerialIsNamed turns off what the godebug line of go.mod permits.
// Go then refuses a negative serial number, and the error names the serial
// number as the cause.
func TestNegativeSerialIsNamed(t *testing.T) {
	t.Setenv("GODEBUG", "x509negativeserial=0")
	data := append(bytes.Clone(testFiles(t)["/ca.pem"]), negativeSerial(t)...)
	got, err := readCertificates(files{"/x": data}.read, "/x")
	if err == nil || got != nil || !strings.Contains(err.Error(), "block 2 is a certificate with a negative serial number") {
		t.Errorf("%d certificates, %v", len(got), err)
	}
}

// negativeSerial makes a certificate with the serial number -1. It flips a bit
// of the serial number 127: DER 02 01 7f becomes 02 01 ff.
func negativeSerial(t *testing.T) []byte {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(127)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	changed := bytes.Replace(der, []byte{2, 1, 0x7f}, []byte{2, 1, 0xff}, 1)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: changed})
}

func TestKeyPairsAsTheyAreFound(t *testing.T) {
	f := testFiles(t)
	certificate, key := f["/tls.pem"], f["/tls-key.pem"]
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	bad := bytes.Replace(f["/ca.pem"], []byte("\nMII"), []byte("\n*II"), 1)
	for _, tc := range []struct {
		name             string
		certificate, key []byte
		text             string
	}{
		{"as they are", certificate, key, ""},
		{"byte order marks", join(bom, certificate), join(bom, key), ""},
		{"a chain of files with byte order marks", join(bom, certificate, bom, f["/ca.pem"]), key, ""},
		{"certificate in UTF-16", utf16(certificate, true), key, "UTF-16"},
		{"key in UTF-16", certificate, utf16(key, false), "HMA_TLS_KEY_FILE, which names a file that holds zero bytes"},
		{"unreadable link of the chain", join(certificate, bad), key, "block 2 (line "},
		{"unreadable key", certificate, bytes.Replace(key, []byte("M"), []byte("*"), 1), "HMA_TLS_KEY_FILE, which names a file whose PEM block 1"},
		{"a PFX", []byte{0x30, 0x82, 1, 1}, key, "DER or PFX"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			pair, err := ReadKeyPair(files{"/c": tc.certificate, "/k": tc.key}.read, "/c", "/k")
			if tc.text == "" && (err != nil || pair == nil) {
				t.Error(err)
			}
			if tc.text != "" && (err == nil || !strings.Contains(err.Error(), tc.text)) {
				t.Errorf("%v; want %q", err, tc.text)
			}
		})
	}
}

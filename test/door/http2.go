package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
)

// http2 checks with h2spec that no listener speaks HTTP/2, in clear text or over
// TLS.
func http2(ctx context.Context) error {
	tool, err := h2spec(ctx)
	if err != nil {
		return err
	}
	plain, err := newProduct(ctx)
	if err != nil {
		return err
	}
	defer plain.close()
	if err := plain.speaksHTTP2(ctx, tool); err != nil {
		return fmt.Errorf("clear text: %w", err)
	}
	secure, err := newTLSProduct(ctx)
	if err != nil {
		return err
	}
	defer secure.close()
	if err := secure.speaksHTTP2(ctx, tool, "-t", "-k"); err != nil {
		return fmt.Errorf("TLS: %w", err)
	}
	return nil
}

var passed = regexp.MustCompile(`(\d+) tests?, (\d+) passed`)

// speaksHTTP2 runs tests that every HTTP/2 server passes: the connection
// preface, a GET, a ping. It returns an error if hmaproxy passes one of them.
func (s *product) speaksHTTP2(ctx context.Context, tool string, flags ...string) error {
	host, port, err := net.SplitHostPort(s.clients[0])
	if err != nil {
		return err
	}
	args := append([]string{"-h", host, "-p", port, "-o", "2", "generic/1", "generic/2", "generic/3.1", "generic/3.7", "http2/3.5"}, flags...)
	out, err := exec.CommandContext(ctx, tool, args...).CombinedOutput()
	m := passed.FindSubmatch(out)
	fmt.Printf("   h2spec %q: %.60q, exit %v\n", flags, append(m, nil)[0], err)
	switch {
	case err == nil:
		return errors.New("h2spec is content: HTTP/2 is spoken")
	case m != nil && string(m[2]) != "0":
		return fmt.Errorf("h2spec passes some tests:\n%s", out)
	case m == nil && !regexp.MustCompile(`(?i)error|protocol`).Match(out):
		return fmt.Errorf("h2spec did not run:\n%s", out)
	}
	return nil
}

// The function h2spec returns the path of the program h2spec. It builds the
// program from its public source if the program is not installed.
func h2spec(ctx context.Context) (string, error) {
	if path, err := exec.LookPath("h2spec"); err == nil {
		return path, nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("%w: %v", errMissing, err)
	}
	dir = filepath.Join(dir, "hmaproxy-door")
	path := filepath.Join(dir, "h2spec")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	cmd := exec.CommandContext(ctx, "go", "install", "github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible")
	cmd.Dir, cmd.Env = os.TempDir(), append(os.Environ(), "GOBIN="+dir, "GOFLAGS=-mod=mod")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: h2spec cannot be built: %v: %.300s", errMissing, err, out)
	}
	return path, nil
}

// writePair writes a certificate and its key.
func writePair(certificate, key string) error {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600),
		os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), 0o600))
}

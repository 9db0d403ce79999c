package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// tlsSetup runs the command tls-setup and returns what it prints.
func tlsSetup(t *testing.T, environ []string, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := run(t.Context(), append([]string{"tls-setup"}, args...), environ, stdio{nil, &out, &out})
	return out.String(), err
}

func TestTLSSetup(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "tls")
	out, err := tlsSetup(t, nil, "-dir", dir, "-days", "10", "Autodiscover.contoso.com", "192.0.2.7")
	if err != nil {
		t.Fatal(err)
	}
	chain, key, ca := filepath.Join(dir, "tls.pem"), filepath.Join(dir, "tls.key"), filepath.Join(dir, "ca.pem")
	for _, part := range []string{
		"HMA_TLS_CERT_FILE=" + chain + "\n", "HMA_TLS_KEY_FILE=" + key + "\n", "HMA_HOST_NAMES=autodiscover.contoso.com,192.0.2.7\n",
		`certutil -addstore Root "` + ca + `"`, `-alias hmaproxy -file "` + ca + `"`, "update-ca-certificates", "REQUESTS_CA_BUNDLE=" + ca, "valid until " + time.Now().AddDate(0, 0, 10).UTC().Format(time.DateOnly),
	} {
		if !strings.Contains(out, part) {
			t.Errorf("no %q in\n%s", part, out)
		}
	}
	pair, err := tls.LoadX509KeyPair(chain, key)
	if err != nil {
		t.Fatal(err)
	}
	authority, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	for _, name := range []string{"autodiscover.contoso.com", "192.0.2.7", "localhost", "127.0.0.1", "::1"} {
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if info, err := os.Stat(key); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("key: %v, %v", info.Mode(), err)
	}
	if strings.Contains(out, "PRIVATE KEY") {
		t.Error("the key is printed")
	}
}

func TestTLSSetupOverwritesNothing(t *testing.T) {
	for _, name := range []string{"ca.pem", "tls.pem", "tls.key"} {
		dir := t.TempDir()
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := tlsSetup(t, nil, "-dir", dir, "contoso.com")
		if err == nil || !strings.Contains(err.Error(), name+" exists and is not overwritten") || exitCode(err) != exitFailed {
			t.Errorf("%s: %v, printed %q", name, err, out)
		}
		if data, _ := os.ReadFile(file); string(data) != "precious" {
			t.Errorf("%s is now %q", name, data)
		}
		if all, _ := os.ReadDir(dir); len(all) != 1 {
			t.Errorf("%s: left behind %v", name, all)
		}
	}
}

func TestTLSSetupNames(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tls")
	out, err := tlsSetup(t, []string{"HMA_HOST_NAMES=ews-proxy.contoso.com, ::2"}, "-dir", dir)
	if err != nil || !strings.Contains(out, "HMA_HOST_NAMES=ews-proxy.contoso.com,::2\n") {
		t.Errorf("%v\n%s", err, out)
	}
	for name, args := range map[string][]string{
		"expected names": {}, "names": {"https://contoso.com"}, "underscore": {"ews_proxy"}, "-days": {"-days", "0", "contoso.com"},
		"between": {"-days", "4000", "contoso.com"},
	} {
		out, err := tlsSetup(t, nil, append([]string{"-dir", filepath.Join(t.TempDir(), "x")}, args...)...)
		if err == nil || exitCode(err) != exitUsage || !strings.Contains(err.Error(), name) {
			t.Errorf("%v: %v %s", args, err, out)
		}
	}
}

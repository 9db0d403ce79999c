package privateca

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func request(names ...string) Request {
	return Request{Names: names, Now: time.Now(), Valid: 48 * time.Hour}
}

// verify verifies a chain for a name as a client does.
func verify(t *testing.T, authority, chain []byte, name string) error {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authority) {
		t.Fatal("no authority")
	}
	block, _ := pem.Decode(chain)
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	_, err = leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name})
	return err
}

func TestIssue(t *testing.T) {
	names := []string{"autodiscover.contoso.com", "contoso.com", "localhost", "127.0.0.1", "::1"}
	b, err := Issue(request(names...))
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(b.Chain, b.Key)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if err := verify(t, b.Authority, b.Chain, name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"mail.contoso.com", "evil.example", "127.0.0.2", "10.0.0.1"} {
		if verify(t, b.Authority, b.Chain, name) == nil {
			t.Errorf("the certificate is good for %s", name)
		}
	}
	leaf := pair.Leaf
	if leaf.IsCA || leaf.Subject.CommonName != names[0] || !slices.Equal(leaf.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}) {
		t.Errorf("certificate %+v", leaf.Subject)
	}
	if !b.Expires.Equal(leaf.NotAfter) || leaf.NotBefore.After(time.Now().Add(-30*time.Minute)) {
		t.Errorf("valid from %s to %s, reported until %s", leaf.NotBefore, leaf.NotAfter, b.Expires)
	}
	if _, err := Issue(request()); err == nil {
		t.Error("a certificate without names")
	}
}

// TestAuthorityIsConstrained signs certificates with the key of an authority. It
// checks that clients accept them only for the names that the authority permits.
func TestAuthorityIsConstrained(t *testing.T) {
	for _, tc := range []struct {
		name      string
		permitted []string
		sign      string
		good      bool
	}{
		{"its name", []string{"ews.contoso.com", "127.0.0.1"}, "ews.contoso.com", true},
		{"its address", []string{"ews.contoso.com", "127.0.0.1"}, "127.0.0.1", true},
		{"another host", []string{"ews.contoso.com", "127.0.0.1"}, "mail.contoso.com", false},
		{"another domain", []string{"ews.contoso.com"}, "login.microsoftonline.com", false},
		{"another address", []string{"ews.contoso.com", "127.0.0.1"}, "127.0.0.2", false},
		{"an address where none is permitted", []string{"ews.contoso.com"}, "10.0.0.1", false},
		{"an IPv6 address where none is permitted", []string{"ews.contoso.com"}, "::1", false},
		{"a name where none is permitted", []string{"127.0.0.1"}, "login.microsoftonline.com", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a, err := newAuthority(request(tc.permitted...))
			if err != nil {
				t.Fatal(err)
			}
			chain, _, err := a.sign(request(tc.sign))
			if err != nil {
				t.Fatal(err)
			}
			authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw})
			if err := verify(t, authority, chain, tc.sign); (err == nil) != tc.good {
				t.Errorf("%s: %v", tc.sign, err)
			}
			openssl(t, authority, chain, tc.sign, tc.good)
		})
	}
}

// openssl checks that the program openssl, a second implementation, accepts the
// chain if good is true, and refuses it otherwise.
func openssl(t *testing.T, authority, chain []byte, name string, good bool) {
	t.Helper()
	program, err := exec.LookPath("openssl")
	if err != nil {
		t.Log("NOT CHECKED: openssl is not on this machine")
		return
	}
	dir := t.TempDir()
	ca, leaf := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "leaf.pem")
	for file, data := range map[string][]byte{ca: authority, leaf: chain} {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	kind := "-verify_hostname"
	if net.ParseIP(name) != nil {
		kind = "-verify_ip"
	}
	out, err := exec.Command(program, "verify", "-x509_strict", "-CAfile", ca, kind, name, leaf).CombinedOutput()
	if (err == nil) != good {
		t.Errorf("openssl: %v %s", err, out)
	}
}

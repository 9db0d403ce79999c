package certsource

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// inVault returns a source with one certificate whose key stays in the double
// of the vault.
func inVault(t *testing.T) (*testVault, *KeyVault) {
	v := ver(t, "v1", day)
	stripKey(v)
	v.kid = "https://" + vaultHost + "/keys/HMA-Cert/key-of-v1"
	f := newTestVault(t, v)
	f.key = testKey(t, "good/key-first.pem")
	return f, f.open(func(c *KeyVaultConfig) { c.KeyInVault = true })
}

func inVaultSigner(t *testing.T) (*testVault, crypto.Signer) {
	t.Helper()
	f, k := inVault(t)
	list, err := k.Certificates(t.Context())
	if err != nil || len(list) != 1 {
		t.Fatal(len(list), err)
	}
	return f, list[0].PrivateKey.(crypto.Signer)
}

func TestSignInVault(t *testing.T) {
	digest := sha256.Sum256([]byte("header.payload"))
	for name, c := range map[string]struct {
		opts   crypto.SignerOpts
		verify func(*rsa.PublicKey, []byte) error
	}{
		"RS256": {crypto.SHA256, func(pub *rsa.PublicKey, sig []byte) error {
			return rsa.VerifyPKCS1v15(pub, crypto.SHA256, digest[:], sig)
		}},
		"PS256": {&rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}, func(pub *rsa.PublicKey, sig []byte) error {
			return rsa.VerifyPSS(pub, crypto.SHA256, digest[:], sig, &rsa.PSSOptions{SaltLength: 32})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			f, s := inVaultSigner(t)
			f.take("")
			sig, err := s.Sign(nil, digest[:], c.opts)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.verify(s.Public().(*rsa.PublicKey), sig); err != nil {
				t.Error(err)
			}
			if got := f.take("/sign"); len(got) == 0 || got[0] != "POST "+vaultHost+"/keys/HMA-Cert/key-of-v1/sign" {
				t.Errorf("%q", got)
			}
		})
	}
}

func TestSignRefuses(t *testing.T) {
	_, s := inVaultSigner(t)
	for name, c := range map[string]struct {
		opts   crypto.SignerOpts
		length int
	}{
		"SHA-512":      {crypto.SHA512, 64},
		"no hash":      {crypto.Hash(0), 32},
		"short digest": {crypto.SHA256, 31},
		"other salt":   {&rsa.PSSOptions{SaltLength: 20, Hash: crypto.SHA256}, 32},
	} {
		var e *Error
		if sig, err := s.Sign(nil, make([]byte, c.length), c.opts); !errors.As(err, &e) || e.Code != CodeUnsupportedSign || sig != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSignProblems(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*testing.T, *testVault)
		code   string
		remedy string
	}{
		"another key":    {func(t *testing.T, f *testVault) { f.key = testKey(t, "bad/key-of-another.pem") }, CodeKeyMismatch, "made by Key Vault"},
		"no permission":  {func(_ *testing.T, f *testVault) { f.vault = refusal("ForbiddenByRbac") }, "ForbiddenByRbac", "Key Vault Crypto User"},
		"no policy":      {func(_ *testing.T, f *testVault) { f.vault = refusal("AccessDenied") }, "AccessDenied", "keys/sign"},
		"outage":         {func(_ *testing.T, f *testVault) { f.vault = status(500, "") }, "", "at the moment"},
		"empty response": {func(_ *testing.T, f *testVault) { f.vault = status(200, "{}") }, CodeKeyMismatch, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, s := inVaultSigner(t)
				c.change(t, f)
				sig, err := s.Sign(nil, make([]byte, 32), crypto.SHA256)
				var e *Error
				if !errors.As(err, &e) || e.Op != "sign" || e.Version != "key-of-v1" || e.Code != c.code || !strings.Contains(e.Remedy, c.remedy) || sig != nil {
					t.Errorf("%v", err)
				}
				noCanary(t, err.Error())
			})
		})
	}
}

// TestSignDeadline checks that a vault that hangs delays a signature only for a
// limited time.
func TestSignDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, s := inVaultSigner(t)
		f.vault = hang
		start := time.Now()
		_, err := s.Sign(nil, make([]byte, 32), crypto.SHA256)
		var e *Error
		if !errors.As(err, &e) || e.Code != CodeTimeout || time.Since(start) > callTimeout {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

// TestKeyInVaultSecrets tests possible contents of a certificate's secret when
// the key stays in the vault.
func TestKeyInVaultSecrets(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*testing.T, *testVault)
		list   string
		code   string
		logged string
	}{
		"no kid, same version": {func(_ *testing.T, f *testVault) { f.versions[0].kid = "" }, "v1", "", ""},
		"exportable":           {func(t *testing.T, f *testVault) { f.versions[0].value = ver(t, "v1", day).value }, "v1", "", "is exportable"},
		"EC":                   {func(t *testing.T, f *testVault) { f.versions[0].value = string(fixture(t, "bad/ec.pem")) }, "", CodeNotRSA, ""},
		"RSA 1024":             {func(t *testing.T, f *testVault) { f.versions[0].value = string(fixture(t, "bad/rsa1024.pem")) }, "", CodeWeakKey, ""},
		"key only":             {func(t *testing.T, f *testVault) { f.versions[0].value = string(fixture(t, "bad/key-only.pem")) }, "", CodeNoCertificate, ""},
		"several": {func(t *testing.T, f *testVault) {
			f.versions[0].value = string(fixture(t, "good/unrelated-and-shuffled.pem"))
		}, "", CodeAmbiguous, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, k := inVault(t)
				c.change(t, f)
				wantCode(t, k, c.list, c.code)
				if !strings.Contains(f.log.String(), c.logged) {
					t.Errorf("not logged: %s", &f.log)
				}
				list, _ := k.Certificates(context.Background())
				for _, cert := range list {
					if _, exported := cert.PrivateKey.(*rsa.PrivateKey); exported {
						t.Error("the exported key is used")
					}
				}
				if bytes.Contains(f.log.Bytes(), []byte("BEGIN")) {
					t.Error("the secret is logged")
				}
			})
		})
	}
}

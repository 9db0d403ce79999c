package app

import (
	"bytes"
	"strings"
	"testing"

	"hmaproxy/certsource"
	"hmaproxy/internal/emulator"
)

// TestKeyStaysInTheVault checks that the product reads only the certificate.
// For each assertion the vault signs with the key of the version that the
// product uses.
func TestKeyStaysInTheVault(t *testing.T) {
	o := emulator.CertOptions{NonExportable: true}
	for name, format := range map[string]emulator.Format{"PFX": emulator.PFX, "PEM": emulator.PEM} {
		t.Run(name, func(t *testing.T) {
			o.Format = format
			s := newTestProductOnSockets(t, emulator.Config{Cert: newTestCertificate(t, 0, o)})
			s.env["HMA_KEY_MODE"], s.env["HMA_CERT_POLL_INTERVAL"] = "vault", "1s"
			s.start().settle()
			defer s.close()
			renewed := newTestCertificate(t, 1, o)
			s.emu.Entra().Register(renewed)
			s.upload(renewed)
			for s.app.keeper.Status().Active.SHA1 != renewed.Thumbprint() {
				s.allSucceed(50e6, 100e6)
			}
			s.emu.Exchange().RevokeAll()
			s.allSucceed(50e6, 200e6)

			signed := map[string]int{}
			for _, h := range s.emu.KeyVault().Hops() {
				if version, ok := strings.CutPrefix(h.Path, "/keys/HMA-Cert/"); ok && h.Status == 200 {
					signed[strings.TrimSuffix(version, "/sign")]++
				}
			}
			versions := s.versions()
			if len(signed) != 2 || signed[versions[0]] != 1 || signed[versions[1]] != 2 {
				t.Errorf("the vault signed %v with the versions %v", signed, versions)
			}
			if n := len(s.tokenRequests()); n != 3 {
				t.Errorf("%d token requests", n)
			}
			s.checkNoKey(renewed)
		})
	}
}

// checkNoKey reads the vault's secret independently of the product and checks that
// it contains no key.
func (s *testProduct) checkNoKey(c *emulator.Certificate) {
	s.t.Helper()
	text, err := c.PEM()
	if err != nil || bytes.Contains(text, []byte("PRIVATE KEY")) {
		s.t.Errorf("the PEM has a key, or %v", err)
	}
	pfx, err := c.PFX()
	if err != nil {
		s.t.Fatal(err)
	}
	if cert, err := certsource.Parse(pfx, ""); err == nil || cert != nil {
		s.t.Error("the PFX has a key")
	}
	if strings.Contains(s.log.text(), "the private key is exportable") {
		s.t.Error("the product found a key")
	}
}

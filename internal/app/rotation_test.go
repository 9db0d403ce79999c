package app

import (
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"hmaproxy/internal/emulator"
)

// A rotation is a sequence of steps that bring a new certificate into service.
// No request may fail during any step.
type rotation struct {
	name string
	run  func(s *testProduct, old, renewed *emulator.Certificate)
	// renewed says that the renewed certificate must be in use at the end. If it is
	// false, the old certificate must be in use.
	renewed bool
}

const (
	pollTime    = 12 * time.Minute // the vault is polled at least once in this time
	refreshTime = 50 * time.Minute // longest time between two refreshes of the token
)

var rotations = []rotation{
	{"uploaded before registered", func(s *testProduct, _, renewed *emulator.Certificate) {
		s.upload(renewed)
		s.pass(2 * refreshTime)
		s.wantLog("certificate refused by Entra: register it on the application (Certificates & secrets) under this thumbprint",
			renewed.Thumbprint(), renewed.ThumbprintSHA256(), "AADSTS700027")
		s.emu.Entra().Register(renewed)
		s.pass(16 * time.Minute) // after an hour without success, the product tries a new certificate every 15 minutes
		s.wantLog("certificate accepted by Entra and in use", renewed.Thumbprint())
	}, true},
	{"registered before uploaded", func(s *testProduct, _, renewed *emulator.Certificate) {
		s.emu.Entra().Register(renewed)
		s.pass(time.Hour)
		s.upload(renewed)
		s.pass(pollTime)
		s.wantLog("certificate accepted by Entra and in use", renewed.Thumbprint())
	}, true},
	{"Entra's replicas disagree for an hour", func(s *testProduct, _, renewed *emulator.Certificate) {
		flips := 0
		until := time.Now().Add(time.Hour)
		s.emu.Entra().RegisterWhile(renewed, func() bool { flips++; return flips%2 == 1 || time.Now().After(until) })
		s.upload(renewed)
		s.pass(time.Hour + refreshTime)
	}, true},
	{"accepted once and then refused for long", func(s *testProduct, _, renewed *emulator.Certificate) {
		requests := 0
		until := time.Now().Add(2 * time.Hour)
		s.emu.Entra().RegisterWhile(renewed, func() bool { requests++; return requests == 1 || time.Now().After(until) })
		s.upload(renewed)
		s.pass(2*time.Hour + refreshTime)
	}, true},
	{"the old one is removed at once, everywhere", func(s *testProduct, old, renewed *emulator.Certificate) {
		s.emu.Entra().Register(renewed)
		s.upload(renewed)
		s.emu.KeyVault().Disable(s.versions()[0])
		s.emu.Entra().Unregister(old)
		s.pass(refreshTime + pollTime)
	}, true},
	{"the old one is removed from Entra before the new one is seen", func(s *testProduct, old, renewed *emulator.Certificate) {
		s.emu.Entra().Unregister(old)
		s.emu.Entra().Register(renewed)
		s.pass(30 * time.Minute) // the refused refresh causes another poll of the vault
		s.upload(renewed)
		s.pass(refreshTime + pollTime)
	}, true},
	{"restart between upload and registration", func(s *testProduct, _, renewed *emulator.Certificate) {
		s.upload(renewed)
		s.pass(pollTime)
		s.restart()
		s.pass(refreshTime + pollTime)
		s.emu.Entra().Register(renewed)
		s.pass(16 * time.Minute)
	}, true},
	{"restart between registration and upload", func(s *testProduct, _, renewed *emulator.Certificate) {
		s.emu.Entra().Register(renewed)
		s.restart()
		s.upload(renewed)
		s.restart()
		s.pass(time.Hour)
	}, true},
	{"restart while replicas disagree", func(s *testProduct, _, renewed *emulator.Certificate) {
		flips := 0
		until := time.Now().Add(time.Hour)
		s.emu.Entra().RegisterWhile(renewed, func() bool { flips++; return flips%3 == 0 || time.Now().After(until) })
		s.upload(renewed)
		for range 4 {
			s.pass(10 * time.Minute)
			s.restart()
		}
		s.pass(refreshTime + pollTime)
	}, true},
	{"withdrawn: disabled again before it was registered", func(s *testProduct, _, renewed *emulator.Certificate) {
		s.upload(renewed)
		s.pass(time.Hour)
		s.emu.KeyVault().Disable(s.versions()[1])
		s.pass(2 * refreshTime)
		s.restart()
		s.pass(time.Hour)
	}, false},
	{"withdrawn: disabled again after it was in use", func(s *testProduct, _, renewed *emulator.Certificate) {
		s.emu.Entra().Register(renewed)
		s.upload(renewed)
		s.pass(time.Hour)
		s.emu.KeyVault().Disable(s.versions()[1])
		s.emu.Entra().Unregister(renewed)
		s.pass(2 * refreshTime)
		s.restart()
		s.pass(time.Hour)
	}, false},
}

func TestRotation(t *testing.T) {
	for _, mode := range []string{"memory", "vault"} {
		for _, r := range rotations {
			t.Run(mode+"/"+r.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					o := emulator.CertOptions{NonExportable: mode == "vault"}
					old, renewed := newTestCertificate(t, 0, o), newTestCertificate(t, 1, o)
					s := newTestProduct(t, emulator.Config{Cert: old})
					s.env["HMA_KEY_MODE"] = mode
					s.start().settle()
					defer s.close()
					s.pass(20 * time.Minute)
					r.run(s, old, renewed)
					s.pass(refreshTime)
					want := old
					if r.renewed {
						want = renewed
					}
					if active := s.app.keeper.Status().Active; active == nil || active.SHA1 != want.Thumbprint() {
						t.Errorf("in use at the end: %+v\n%s", active, s.log)
					}
				})
			})
		}
	}
}

// TestRestartNeedsEitherListOrPreviousVersion checks a start during a rotation
// with minimal permissions. In one case the vault names the previous version,
// in the other case it permits listing the versions.
func TestRestartNeedsEitherListOrPreviousVersion(t *testing.T) {
	for _, previous := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			s := newTestProduct(t, emulator.Config{})
			defer s.close()
			s.emu.KeyVault().SetPreviousVersion(previous)
			permissions := []emulator.Permission{emulator.GetSecrets}
			if !previous {
				permissions = append(permissions, emulator.ListSecrets)
			}
			s.emu.KeyVault().Permit(s.emu.Config().VaultAppID, permissions...)
			time.Sleep(time.Hour) // versions must differ in age
			s.upload(newTestCertificate(t, 1, emulator.CertOptions{}))
			s.start().settle()
			s.pass(2 * time.Hour)
		})
	}
}

// TestNewVersionIsUnusable checks that no request fails while the newest version in the
// vault cannot be used, and that the log says why. A usable version that is uploaded
// later must be used.
func TestNewVersionIsUnusable(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(s *testProduct)
		says []string // text in the alarm
	}{
		{"broken", func(s *testProduct) {
			s.emu.KeyVault().PutSecret("HMA-Cert", "bm90IGEgY2VydGlmaWNhdGU=", "application/x-pkcs12")
		}, []string{"HMA-Cert"}},
		{"not exportable", func(s *testProduct) {
			s.upload(newTestCertificate(s.t, 1, emulator.CertOptions{NonExportable: true}))
		}, []string{"NoPrivateKey", "not exportable"}},
		{"of another kind", func(s *testProduct) {
			s.upload(newTestCertificate(s.t, 1, emulator.CertOptions{EC: true}))
		}, []string{"NotRSA"}},
		{"disabled", func(s *testProduct) {
			s.emu.KeyVault().Disable(s.upload(newTestCertificate(s.t, 1, emulator.CertOptions{})))
		}, []string{"SecretDisabled"}},
		{"expired", func(s *testProduct) {
			now := time.Now()
			s.upload(newTestCertificate(s.t, 1, emulator.CertOptions{NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.AddDate(0, 0, -1)}))
		}, []string{"Expired"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newTestProduct(t, emulator.Config{}).start().settle()
				defer s.close()
				s.pass(20 * time.Minute)
				c.make(s)
				s.pass(refreshTime + pollTime)
				s.wantLog("certificate look-up failed", c.says...)
				s.restart()
				s.pass(refreshTime + pollTime)
				good := newTestCertificate(t, 1, emulator.CertOptions{})
				s.emu.Entra().Register(good)
				s.upload(good)
				s.pass(pollTime)
				s.wantLog("certificate accepted by Entra and in use", good.Thumbprint())
				s.wantLog("certificates are readable again")
			})
		})
	}
}

func TestNewVersionIsNotYetValid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestProduct(t, emulator.Config{}).start().settle()
		defer s.close()
		early := newTestCertificate(t, 1, emulator.CertOptions{NotBefore: time.Now().Add(5 * time.Hour)})
		s.emu.Entra().Register(early)
		s.upload(early)
		s.pass(4 * time.Hour)
		s.wantLog("certificate look-up failed", "NotYetValid")
		s.pass(time.Hour + pollTime)
		s.wantLog("certificate accepted by Entra and in use", early.Thumbprint())
	})
}

func TestCertificateFileChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := t.TempDir() + "/hma.pem"
		write := func(text []byte, err error) {
			t.Helper()
			if err == nil {
				err = os.WriteFile(file, text, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		s := newTestProduct(t, emulator.Config{})
		for name := range s.env {
			if len(name) > 14 && name[:14] == "HMA_KEY_VAULT_" {
				delete(s.env, name)
			}
		}
		s.env["HMA_CERT_FILE"] = file
		write(s.emu.Certificate().PEM())
		s.start().settle()
		defer s.close()
		s.pass(time.Hour)
		write([]byte("-----BEGIN CERTIFICATE-----\nhalf of it"), nil)
		s.pass(2 * time.Hour)
		s.wantLog("certificate look-up failed", file)
		renewed := newTestCertificate(t, 1, emulator.CertOptions{})
		write(renewed.PFX())
		s.pass(2 * time.Hour) // Entra ID does not know the certificate yet
		s.wantLog("certificates are readable again")
		s.emu.Entra().Register(renewed)
		s.pass(16 * time.Minute)
		s.wantLog("certificate accepted by Entra and in use", renewed.Thumbprint())
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		s.pass(3 * time.Hour)
		if s.emu.KeyVault().Count() != 0 {
			t.Error("the vault got a request")
		}
	})
}

// pass lets the time d pass, in which all requests must succeed. Requests are
// frequent until the next poll of the vault is over, because a change takes effect
// at that poll.
func (s *testProduct) pass(d time.Duration) {
	s.t.Helper()
	s.allSucceed(often, min(d, pollTime))
	s.allSucceed(seldom, d-min(d, pollTime))
}

// restart stops the product and starts it again, without its state.
func (s *testProduct) restart() {
	s.t.Helper()
	s.stop()
	s.start().settle()
}

func (s *testProduct) upload(c *emulator.Certificate) (version string) {
	return s.emu.KeyVault().Upload(s.emu.Config().CertName, c)
}

func (s *testProduct) versions() []string { return s.emu.KeyVault().Versions(s.emu.Config().CertName) }

// wantLog checks that the log has a line with that message and all of the parts.
func (s *testProduct) wantLog(message string, parts ...string) {
	s.t.Helper()
	lines := s.log.lines(message)
	if !slices.ContainsFunc(lines, func(l logLine) bool { return l.says(parts...) }) {
		s.t.Fatalf("no line %q has all of %q:\n%s", message, parts, s.log)
	}
}

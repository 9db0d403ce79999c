package token

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"testing"
	"testing/synctest"
	"time"
)

// TestRotation checks that no request fails during a certificate rotation. The cases
// perform the steps of a rotation in different orders, with refusals and outages of
// Entra in between.
func TestRotation(t *testing.T) {
	type scene struct {
		*testKeeper
		old, new *tls.Certificate
	}
	tests := []struct {
		name   string
		rotate func(s scene)
	}{
		{"uploaded before registered", func(s scene) {
			s.vault.set(nil, s.new, s.old)
			s.mustUse(6 * time.Hour)
			if s.activeName() != "CN=old" || s.Status().Candidate == nil || s.Status().CandidateErr.AADSTS != 700027 {
				s.t.Errorf("before registration: %+v", s.Status())
			}
			if n := s.logs.lines("register it", s.Status().Candidate.SHA1, s.Status().Candidate.SHA256, testClient); n < 5 || n > 8 {
				s.t.Errorf("asked %d times in 6 h to register it", n)
			}
			if n := s.count(Probe); n < 20 || n > 36 {
				s.t.Errorf("%d probes in 6 h, want one in 5, later 15 minutes", n)
			}
			if n := s.count(Scheduled); n > 12 {
				s.t.Errorf("%d refreshes: a refused probe must not cause one", n)
			}
			s.entra.register(s.new)
			s.mustUse(16 * time.Minute)
		}},
		{"registered before uploaded", func(s scene) {
			s.entra.register(s.new)
			s.mustUse(time.Hour)
			s.vault.set(nil, s.new, s.old)
			s.mustUse(12 * time.Minute)
		}},
		{"registered minutes after upload", func(s scene) {
			s.vault.set(nil, s.new, s.old)
			s.mustUse(12 * time.Minute)
			s.entra.register(s.new)
			s.mustUse(6 * time.Minute)
		}},
		{"old removed at once", func(s scene) {
			s.vault.set(nil, s.new)
			s.entra.register(s.new)
			s.entra.unregister(s.old)
			s.mustUse(12 * time.Minute)
		}},
		{"old removed, vault polled too late", func(s scene) {
			s.vault.set(nil, s.new, s.old)
			s.mustUse(20 * time.Minute) // by now the keeper has found the new certificate, and Entra has refused it
			s.entra.unregister(s.old)
			s.entra.register(s.new)
			s.mustUse(10 * time.Minute)
		}},
		{"accepted, refused and accepted again", func(s scene) {
			s.entra.register(s.new)
			s.vault.set(nil, s.new, s.old)
			s.mustUse(12 * time.Minute)
			s.entra.unregister(s.new) // like a server of Entra that does not know the certificate yet
			s.mustUse(time.Hour)
			if s.activeName() != "CN=old" {
				s.t.Errorf("active %q while the new one is refused", s.activeName())
			}
			s.entra.register(s.new)
			s.mustUse(6 * time.Minute)
		}},
		{"accepted after hours, then refused and accepted again", func(s scene) {
			s.vault.set(nil, s.new, s.old)
			s.mustUse(3 * time.Hour)
			s.entra.register(s.new)
			s.mustUse(16 * time.Minute)
			s.entra.unregister(s.new)
			for s.activeName() == "CN=new" {
				s.mustUse(10 * time.Second)
			}
			s.entra.register(s.new)
			s.mustUse(5*time.Minute + 10*time.Second)
		}},
		{"flapping every seven minutes", func(s scene) {
			s.vault.set(nil, s.new, s.old)
			for range 40 {
				s.entra.register(s.new)
				s.mustUse(7 * time.Minute)
				s.entra.unregister(s.new)
				s.mustUse(7 * time.Minute)
			}
			s.entra.register(s.new)
			s.mustUse(16 * time.Minute)
		}},
		{"old removed, and refused in a way that is not known to mean the certificate", func(s scene) {
			s.entra.mu.Lock()
			s.entra.refusal = 50012
			s.entra.mu.Unlock()
			s.vault.set(nil, s.new, s.old)
			s.mustUse(20 * time.Minute)
			s.entra.unregister(s.old)
			s.mustUse(12 * time.Minute)
			if e := s.Status().Err; e == nil || e.Class != Configuration {
				s.t.Errorf("the refresh must have failed by now: %v", e)
			}
			s.entra.register(s.new)
			s.mustUse(time.Hour)
		}},
		{"valid from tomorrow", func(s scene) {
			tomorrow := newCertAt(s.t, 1, "new", time.Now().Add(24*time.Hour), time.Now().AddDate(2, 0, 0))
			s.entra.register(tomorrow)
			s.vault.set(nil, tomorrow, s.old)
			s.mustUse(23 * time.Hour)
			if s.activeName() != "CN=old" || s.count(Probe) != 0 {
				s.t.Errorf("active %q, %d probes before its time", s.activeName(), s.count(Probe))
			}
			s.mustUse(70 * time.Minute)
		}},
		{"Entra down at the moment of the probe", func(s scene) {
			s.entra.register(s.new)
			s.entra.respondWith(&response{status: 503})
			s.vault.set(nil, s.new, s.old)
			s.mustUse(12 * time.Minute)
			s.entra.respondWith(nil)
			s.mustUse(5 * time.Minute)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				old, fresh := newCert(t, 0, "old"), newCert(t, 1, "new")
				w := newTestKeeper(t, old).run()
				defer w.close()
				w.mustUse(15 * time.Minute)
				tt.rotate(scene{w, old, fresh})
				if w.activeName() != "CN=new" {
					t.Errorf("active %q at the end", w.activeName())
				}
				w.mustUse(3 * time.Hour)
				if w.activeName() != "CN=new" || w.Status().Candidate != nil || w.Status().CandidateErr != nil {
					t.Errorf("three hours on: %+v", w.Status())
				}
				if f := w.Status().Fallback; f == nil || f.Subject != "CN=old" {
					t.Errorf("fallback %+v", f)
				}
			})
		})
	}
}

func TestRestartInRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, fresh := newCert(t, 0, "old"), newCert(t, 1, "new")
		w := newTestKeeper(t, old)
		w.vault.set(nil, fresh, old)
		w.run()
		defer w.close()
		w.mustUse(time.Hour)
		if w.activeName() != "CN=old" || w.Status().Candidate == nil {
			t.Errorf("status %+v", w.Status())
		}
		w.entra.register(fresh)
		w.mustUse(16 * time.Minute)
		if w.activeName() != "CN=new" {
			t.Errorf("active %q", w.activeName())
		}
	})
}

// TestAllRefused checks that the keeper reads the vault again, but at most once in
// 30 s, while every certificate is refused. The keeper uses a good certificate as
// soon as the vault contains one.
func TestAllRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, fresh := newCert(t, 0, "old"), newCert(t, 1, "new")
		w := newTestKeeper(t, old)
		w.entra.unregister(old)
		w.run()
		defer w.close()
		w.use(10 * time.Minute)
		if n := w.vault.count(); n < 15 || n > 21 {
			t.Errorf("%d looks into the vault in ten minutes, want about one in 30 s", n)
		}
		if s := w.Status(); s.Err == nil || s.Err.AADSTS != 700027 || s.Err.Class != Certificate {
			t.Errorf("error %v", s.Err)
		}
		w.entra.register(fresh)
		w.vault.set(nil, fresh, old)
		time.Sleep(31 * time.Second)
		w.mustUse(time.Hour)
	})
}

// TestOtherErrorsTryNoOtherCertificate checks that the keeper does not try a
// different certificate after an error that no certificate can resolve.
func TestOtherErrorsTryNoOtherCertificate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTestKeeper(t, newCert(t, 1, "new"), newCert(t, 0, "old"))
		w.entra.respondWith(&response{status: 400, body: aadsts(500011, "invalid_resource")})
		w.run()
		defer w.close()
		synctest.Wait()
		if n, polls := w.entra.requests(), w.vault.count(); n != 1 || polls != 1 {
			t.Errorf("%d token requests and %d polls", n, polls)
		}
	})
}

// TestFallbackExpires checks that the previous version is the fallback until it
// expires.
func TestFallbackExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := newCertAt(t, 0, "old", time.Now(), time.Now().Add(3*time.Hour))
		fresh := newCert(t, 1, "new")
		w := newTestKeeper(t, old)
		w.entra.register(fresh)
		w.run()
		defer w.close()
		w.mustUse(time.Minute)
		w.vault.set(nil, fresh)
		w.mustUse(2 * time.Hour)
		if f := w.Status().Fallback; f == nil || f.Subject != "CN=old" {
			t.Errorf("fallback %+v", f)
		}
		w.mustUse(2 * time.Hour)
		if f := w.Status().Fallback; f != nil {
			t.Errorf("fallback %+v", f)
		}
		w.entra.unregister(fresh)
		before := w.entra.requests()
		token, _ := w.Token(t.Context())
		if _, err := w.Replace(t.Context(), token); err == nil || w.entra.requests() != before+1 {
			t.Errorf("%d requests, error %v: the expired one was tried", w.entra.requests()-before, err)
		}
	})
}

// TestNoProbesDuringAnOutage checks that a candidate causes no additional
// requests while Entra is down.
func TestNoProbesDuringAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, fresh := newCert(t, 0, "old"), newCert(t, 1, "new")
		w := newTestKeeper(t, old)
		w.vault.set(nil, fresh, old)
		w.run()
		defer w.close()
		w.mustUse(2 * time.Minute)
		w.entra.respondWith(&response{status: 503})
		for w.Status().Failures == 0 {
			w.mustUse(10 * time.Second)
		}
		before := w.count(Probe)
		w.use(3 * time.Hour)
		if n := w.count(Probe) - before; n != 0 {
			t.Errorf("%d probes", n)
		}
	})
}

// TestNewCertificateEndsBackoff checks that a new certificate ends the back-off
// after failures.
func TestNewCertificateEndsBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, fresh := newCert(t, 0, "old"), newCert(t, 1, "new")
		w := newTestKeeper(t, old)
		w.entra.unregister(old)
		w.entra.refusal = 50012
		w.run()
		defer w.close()
		time.Sleep(time.Hour)
		w.entra.register(fresh)
		w.vault.set(nil, fresh)
		for polls := w.vault.count(); w.vault.count() == polls; synctest.Wait() {
			time.Sleep(time.Second)
		}
		if !w.Status().Usable || w.activeName() != "CN=new" {
			t.Errorf("status %+v", w.Status())
		}
	})
}

// TestUnusableNewest checks that a newest version that can never work is reported,
// and that the older versions stay in use.
func TestUnusableNewest(t *testing.T) {
	good, other := newCert(t, 0, "old"), newCert(t, 1, "new")
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]*tls.Certificate{
		"elliptic curve":  {Certificate: [][]byte{der}, PrivateKey: key},
		"another's key":   {Certificate: other.Certificate, PrivateKey: good.PrivateKey},
		"no key":          {Certificate: other.Certificate},
		"no leaf":         {PrivateKey: good.PrivateKey},
		"leaf is garbage": {Certificate: [][]byte{[]byte("garbage")}, PrivateKey: good.PrivateKey},
		"nil":             nil,
	}
	for name, bad := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newTestKeeper(t, newCert(t, 0, "old"))
				w.vault.set(nil, bad, w.vault.certs[0])
				w.run()
				defer w.close()
				w.mustUse(time.Hour)
				if w.Status().CertificatesErr == nil || w.logs.lines("level=ERROR", "certificate 1 of 2") == 0 {
					t.Errorf("status %+v", w.Status())
				}
			})
		})
	}
}

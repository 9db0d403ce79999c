package token

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestFederatedCredential checks that a federated credential keeps a token usable.
// The credential is read for every request, and failures to read it are retried.
// After a refusal by Entra, a person must correct the configuration.
func TestFederatedCredential(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTestKeeper(t)
		w.entra.federated = "e30.e30.CANARY-first"
		assertion, failure := w.entra.federated, error(nil) // guarded by w.entra.mu
		cfg := testConfig(w.entra)
		cfg.ExperimentalAssertion = func(context.Context) (string, error) {
			w.entra.mu.Lock()
			defer w.entra.mu.Unlock()
			return assertion, failure
		}
		set := func(change func()) {
			w.entra.mu.Lock()
			defer w.entra.mu.Unlock()
			change()
		}
		cfg.Log = slog.New(slog.NewTextHandler(w.logs, nil))
		k, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		w.Keeper = k
		w.run()
		defer w.close()
		w.mustUse(3 * time.Hour)
		s := w.Status()
		if s.Active != nil || s.Candidate != nil || s.Fallback != nil || s.CertificatesErr != nil || s.Failures != 0 || s.NextRefresh.IsZero() {
			t.Errorf("status %+v", s)
		}
		if w.logs.lines("level=WARN", "experimental") != 1 || w.logs.lines("level=ERROR") != 0 {
			t.Error("the log does not say once that this is experimental")
		}

		set(func() { // the platform has replaced the token
			assertion, w.entra.federated = "e30.e30.CANARY-second", "e30.e30.CANARY-second"
		})
		w.mustUse(3 * time.Hour)

		refused := errors.New("certsource: read service account token: NAMED")
		set(func() { failure = refused })
		w.mustUse(15 * time.Minute)
		w.use(2 * time.Hour)
		if s := w.Status(); s.Usable || s.Err == nil || s.Err.Class != Transient || !errors.Is(s.Err, refused) || !strings.Contains(s.Err.Error(), "federated credential (experimental)") {
			t.Errorf("status %+v, %v", s, s.Err)
		}
		set(func() { failure = nil })
		time.Sleep(20 * time.Second)
		w.mustUse(time.Hour)

		w.entra.mu.Lock()
		w.entra.federated = ""
		w.entra.mu.Unlock()
		w.entra.respondWith(&response{status: 401, body: aadsts(700213, "invalid_client")})
		w.use(2 * time.Hour)
		if s := w.Status(); s.Err == nil || s.Err.AADSTS != 700213 || s.Err.Class != Configuration || !strings.Contains(s.Err.Error(), "subject") {
			t.Errorf("error %v", s.Err)
		}
		if w.logs.lines("certificate") > w.logs.lines("takes the certificate's place") {
			t.Errorf("a line speaks of certificates:\n%s", w.logs)
		}
	})
}

func TestAcquireByFederatedCredential(t *testing.T) {
	e := newEntra()
	e.federated = "a.b.c"
	cfg := testConfig(e)
	cfg.ExperimentalAssertion = func(context.Context) (string, error) { return "a.b.c", nil }
	if g, err := Acquire(t.Context(), cfg, nil); err != nil || g.Claims.AuthKind != "2" {
		t.Errorf("%+v, %v", g, err)
	}
	cfg.ExperimentalAssertion = func(context.Context) (string, error) { return "", nil }
	if _, err := Acquire(t.Context(), cfg, nil); err == nil || !strings.Contains(err.Error(), "it is empty") {
		t.Errorf("empty assertion: %v", err)
	}
}

func TestNewWantsOneIdentity(t *testing.T) {
	cfg := testConfig(newEntra())
	cfg.ExperimentalAssertion = func(context.Context) (string, error) { return "", nil }
	cfg.Certificates = func(context.Context) ([]*tls.Certificate, error) { return nil, nil }
	if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), "exactly one") {
		t.Errorf("both: %v", err)
	}
}

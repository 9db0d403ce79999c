package token

import (
	"context"
	"crypto"
	"crypto/tls"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestDayWithoutFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTestKeeper(t, newCert(t, 0, "one")).run()
		defer w.close()
		w.mustUse(24 * time.Hour)
		if n := w.entra.requests(); n > 40 || n < 24 {
			t.Errorf("%d token requests in a day, want 24 to 40", n)
		}
		if w.entra.metadataRequests != 1 {
			t.Errorf("%d metadata requests, want 1", w.entra.metadataRequests)
		}
		s := w.Status()
		if !s.Usable || s.Err != nil || s.Failures != 0 || s.CertificatesErr != nil || s.Active == nil || s.Candidate != nil || s.Fallback != nil {
			t.Errorf("status %+v", s)
		}
		if !s.Claims.FullAccess() || s.Claims.Audience != testResource || s.LastToken.IsZero() || time.Since(s.LastCertificate) > 12*time.Minute {
			t.Errorf("status %+v", s)
		}
		if w.logs.lines("level=WARN")+w.logs.lines("level=ERROR") != 0 {
			t.Error("a good day has no warnings")
		}
	})
}

func TestRefreshIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTestKeeper(t, newCert(t, 0, "one"))
		w.entra.life, w.entra.refreshIn = 24*time.Hour, 12*time.Hour
		w.run()
		defer w.close()
		w.mustUse(48 * time.Hour)
		if n := w.entra.requests(); n < 4 || n > 5 {
			t.Errorf("%d token requests in 48 h, want 4 or 5", n)
		}
	})
}

func TestOutageWithinLifetime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTestKeeper(t, newCert(t, 0, "one")).run()
		defer w.close()
		w.mustUse(35 * time.Minute) // the refresh is due after 40 ± 2 minutes
		w.entra.respondWith(&response{status: 503})
		w.mustUse(15 * time.Minute)
		if s := w.Status(); s.Failures == 0 || s.Err == nil || s.Err.Class != Transient || !s.Usable {
			t.Errorf("during the outage: %+v", s)
		}
		w.entra.respondWith(nil)
		w.mustUse(3 * time.Hour)
		if n := w.logs.lines("token refresh"); n != 1 {
			t.Errorf("one outage made %d lines", n)
		}
	})
}

func TestOutageBeyondLifetime(t *testing.T) {
	for name, a := range map[string]*response{
		"503": {status: 503}, "no route": {err: io.ErrUnexpectedEOF},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newTestKeeper(t, newCert(t, 0, "one")).run()
				defer w.close()
				w.mustUse(30 * time.Minute)
				w.entra.respondWith(a)
				failed := w.use(160 * time.Minute)
				if len(failed) == 0 || failed[0] < 59*time.Minute {
					t.Fatalf("failures from %v on, want none before 59m (60m less the margin)", failed)
				}
				if n := w.entra.requests(); n > 1000 {
					t.Errorf("%d token requests during the outage", n)
				}
				w.entra.respondWith(nil)
				back := time.Now()
				for w.request() != nil {
					time.Sleep(time.Second)
				}
				if took := time.Since(back); took > 20*time.Second {
					t.Errorf("recovery took %v", took)
				}
				w.mustUse(2 * time.Hour)
			})
		})
	}
}

// TestEndpointThatDoesNotRespond checks that a request to an endpoint that does
// not respond ends after at most 15 s, and that callers get the old token during
// this time.
func TestEndpointThatDoesNotRespond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTestKeeper(t, newCert(t, 0, "one")).run()
		defer w.close()
		w.mustUse(30 * time.Minute)
		w.entra.respondWith(&response{hang: true})
		w.mustUse(25 * time.Minute)
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, a := range w.attempts {
			if a.Duration > attemptTimeout {
				t.Errorf("an attempt took %v", a.Duration)
			}
		}
		// The error must not wrap context.DeadlineExceeded: a caller would conclude
		// that its own context has ended.
		if s := w.Status(); s.Err == nil || errors.Is(s.Err, context.DeadlineExceeded) || s.Err.Class != Transient {
			t.Errorf("error %v", s.Err)
		}
	})
}

// TestRetryAfterIsHonouredWithToken checks that Retry-After, as seconds or as a
// date, is respected while a token is usable. Reload does not shorten this wait.
func TestRetryAfterIsHonouredWithToken(t *testing.T) {
	for name, value := range map[string]func() string{
		"seconds": func() string { return "300" },
		"date":    func() string { return time.Now().Add(5 * time.Minute).UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newTestKeeper(t, newCert(t, 0, "one")).run()
				defer w.close()
				first, err := w.Token(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				w.entra.respondWith(&response{status: 429, header: map[string][]string{"Retry-After": {value()}}})
				if _, err := w.Replace(t.Context(), first); err == nil {
					t.Fatal("no error")
				}
				w.entra.respondWith(nil)
				w.mustUse(4 * time.Minute)
				w.Reload()
				w.mustUse(50 * time.Second)
				if n := w.entra.requests(); n != 2 {
					t.Errorf("%d requests before Retry-After had passed, want 2", n)
				}
				w.mustUse(20 * time.Second)
				if n := w.entra.requests(); n != 3 {
					t.Errorf("%d requests after Retry-After had passed, want 3", n)
				}
			})
		})
	}
}

// TestRetryAfterIsCappedWithoutToken checks that, without a token, Retry-After
// is respected for at most a minute, and that Reload ends the wait.
func TestRetryAfterIsCappedWithoutToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTestKeeper(t, newCert(t, 0, "one"))
		w.entra.respondWith(&response{status: 429, header: map[string][]string{"Retry-After": {"300"}}})
		w.run()
		defer w.close()
		w.use(50 * time.Second)
		if n := w.entra.requests(); n != 1 {
			t.Errorf("%d requests in the first 50 s, want 1", n)
		}
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if n := w.entra.requests(); n != 2 {
			t.Errorf("%d requests after 61 s, want 2", n)
		}
		w.entra.respondWith(nil)
		w.Reload()
		synctest.Wait()
		if err := w.request(); err != nil {
			t.Errorf("after Reload: %v", err)
		}
	})
}

// TestRetryAfterAcrossTokenExpiry receives a Retry-After of 15 minutes while a
// token is usable. After the token has expired, the Retry-After must delay requests
// by at most a minute.
func TestRetryAfterAcrossTokenExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTestKeeper(t, newCert(t, 0, "one")).run()
		defer w.close()
		w.mustUse(30 * time.Minute)
		w.entra.respondWith(&response{status: 503})
		w.mustUse(28 * time.Minute)
		w.entra.respondWith(&response{status: 429, header: map[string][]string{"Retry-After": {"900"}}})
		time.Sleep(2*time.Minute + 30*time.Second) // the token has expired by now
		synctest.Wait()
		w.entra.respondWith(nil)
		time.Sleep(time.Minute)
		if err := w.request(); err != nil {
			t.Errorf("a minute after the token's end: %v", err)
		}
	})
}

// TestReloadIsLimited checks that reloads are limited to one per 10 s. A call
// within the 10 s is delayed, not dropped.
func TestReloadIsLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTestKeeper(t, newCert(t, 0, "one")).run()
		defer w.close()
		synctest.Wait()
		before := w.vault.count()
		for range 95 {
			w.Reload()
			time.Sleep(100 * time.Millisecond)
		}
		synctest.Wait()
		if n := w.vault.count() - before; n != 1 {
			t.Errorf("%d look-ups within the first 10 s, want 1", n)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if n := w.vault.count() - before; n != 2 {
			t.Errorf("%d look-ups after 10 s, want 2", n)
		}
		time.Sleep(time.Minute)
		if n := w.vault.count() - before; n != 2 {
			t.Errorf("%d look-ups a minute later, want 2", n)
		}
	})
}

func TestRunTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTestKeeper(t, newCert(t, 0, "one")).run()
		defer w.close()
		w.mustUse(time.Minute)
		if err := w.Run(t.Context()); !errors.Is(err, ErrRunTwice) {
			t.Errorf("second Run: %v", err)
		}
		w.mustUse(2 * time.Hour)
		w.stopRun()
		if err := w.Run(t.Context()); !errors.Is(err, ErrRunTwice) {
			t.Errorf("Run after the end: %v", err)
		}
	})
}

// TestPanicIsAFailedAttempt checks that a panic below MSAL, here in the transport,
// is a failed attempt.
func TestPanicIsAFailedAttempt(t *testing.T) {
	tests := map[string]struct {
		value any
		text  string
	}{
		"runtime error": {nil, "index out of range"},
		"text":          {"CANARY", "string"},
		"error":         {errors.New("CANARY"), "*errors.errorString"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newTestKeeper(t, newCert(t, 0, "one"))
				w.entra.token = func() *response {
					if tt.value == nil {
						var empty []int
						_ = empty[w.entra.requests()]
					}
					panic(tt.value)
				}
				w.run()
				defer w.close()
				err := w.request()
				var e *Error
				if !errors.As(err, &e) || e.Class != Transient || !strings.Contains(err.Error(), tt.text) || strings.Contains(err.Error(), "CANARY") {
					t.Errorf("error %v", err)
				}
				w.entra.respondWith(nil)
				time.Sleep(30 * time.Second)
				w.mustUse(time.Hour)
			})
		})
	}
}

// TestColdStartWithoutCertificate checks the log if every look-up since the start
// has failed. The log must say that requests fail because there is no certificate.
func TestColdStartWithoutCertificate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTestKeeper(t, newCert(t, 0, "one"))
		w.cfg.Certificates = func(context.Context) ([]*tls.Certificate, error) { return nil, errors.New("key vault: 403") }
		w.run()
		defer w.close()
		time.Sleep(time.Minute)
		synctest.Wait()
		if w.logs.lines("certificate look-up failed", "requests fail: there is no certificate to obtain a token with") != 1 {
			t.Errorf("log:\n%s", w.logs)
		}
	})
}

func TestHangingLookUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cert := newCert(t, 0, "one")
		w := newTestKeeper(t, cert)
		calls, release := 0, make(chan struct{})
		w.cfg.Certificates = func(context.Context) ([]*tls.Certificate, error) {
			if calls++; calls == 2 {
				<-release // like a read from a hanging file system, which ignores the context
			}
			return []*tls.Certificate{cert}, nil
		}
		w.run()
		defer w.close()
		w.mustUse(14 * time.Minute)
		if s := w.Status(); s.CertificatesErr == nil || !strings.Contains(s.CertificatesErr.Error(), "did not return within 1m0s") {
			t.Errorf("status %+v", s)
		}
		w.mustUse(3 * time.Hour)
		if calls != 2 || w.logs.lines("certificate look-up failed", "a renewed certificate goes unnoticed") != 1 {
			t.Errorf("%d calls; log:\n%s", calls, w.logs)
		}
		close(release)
		w.mustUse(time.Minute)
		if s := w.Status(); s.CertificatesErr != nil || w.logs.lines("readable again") != 1 {
			t.Errorf("status after the return: %+v", s)
		}
		w.mustUse(time.Hour)
		if calls < 5 {
			t.Errorf("%d calls in the hour after the return", calls)
		}
	})
}

func TestColdHerd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTestKeeper(t, newCert(t, 0, "one"))
		w.entra.respondWith(&response{delay: time.Second})
		w.run()
		defer w.close()
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
				if i%5 == 0 { // every fifth caller gives up; the other callers must not fail
					time.AfterFunc(100*time.Millisecond, cancel)
				}
				token, err := w.Token(ctx)
				if i%5 == 0 {
					if !errors.Is(err, context.Canceled) {
						t.Errorf("gave up: %v", err)
					}
				} else if err != nil || !w.entra.valid(token) {
					t.Errorf("waited: %v", err)
				}
			})
		}
		wg.Wait()
		if n := w.entra.requests(); n != 1 {
			t.Errorf("%d token requests for 50 callers", n)
		}
	})
}

// TestWaitersDuringBackoff checks that waiting callers do not shorten the
// back-off, and that a caller whose deadline is before the next attempt does
// not wait.
func TestWaitersDuringBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTestKeeper(t, newCert(t, 0, "one"))
		w.entra.respondWith(&response{status: 400, body: aadsts(700016, "unauthorized_client")})
		w.run()
		defer w.close()
		for time.Until(w.Status().NextRefresh) < 10*time.Second {
			time.Sleep(time.Minute)
			synctest.Wait()
		}
		before := w.entra.requests()
		for range 1000 {
			start := time.Now()
			var e *Error
			if err := w.request(); !errors.As(err, &e) || e.AADSTS != 700016 || e.Class != Configuration {
				t.Fatalf("error %v", err)
			}
			if d := time.Since(start); d != 0 {
				t.Fatalf("the error came after %v", d)
			}
		}
		if n := w.entra.requests(); n != before {
			t.Errorf("1000 callers caused %d requests", n-before)
		}
		// An administrator corrects the configuration.
		w.entra.respondWith(nil)
		w.Reload()
		synctest.Wait()
		if err := w.request(); err != nil {
			t.Errorf("after Reload: %v", err)
		}
	})
}

// TestWaiterOutlastsShortBackoff checks that a caller waits if the next attempt is
// due before the caller's deadline.
func TestWaiterOutlastsShortBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTestKeeper(t, newCert(t, 0, "one"))
		w.entra.respondWith(&response{status: 503})
		w.run()
		defer w.close()
		synctest.Wait()
		w.entra.respondWith(nil)
		if err := w.request(); err != nil {
			t.Error(err)
		}
	})
}

func TestVaultDownForADay(t *testing.T) {
	for _, mode := range []string{"error", "error and list", "hang"} {
		t.Run(mode, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cert := newCert(t, 0, "one")
				w := newTestKeeper(t, cert).run()
				defer w.close()
				w.mustUse(time.Hour)
				good := w.Status().LastCertificate
				down := errors.New("key vault: secret HMA-Cert: 403\nForbidden")
				switch mode {
				case "error":
					w.vault.set(down)
				case "error and list":
					w.vault.set(down, cert)
				case "hang":
					w.vault.mu.Lock()
					w.vault.hang = true
					w.vault.mu.Unlock()
				}
				w.mustUse(24 * time.Hour)
				s := w.Status()
				if s.CertificatesErr == nil || s.LastCertificate.Sub(good) > 11*time.Minute {
					t.Errorf("status %+v", s)
				}
				if n := w.logs.lines("level=ERROR", "certificate look-up"); n < 12 || n > 30 {
					t.Errorf("%d alarms in a day, want about one an hour", n)
				}
				w.vault.mu.Lock()
				w.vault.hang = false
				w.vault.mu.Unlock()
				w.vault.set(nil, cert)
				w.mustUse(15 * time.Minute)
				if w.Status().CertificatesErr != nil || w.logs.lines("readable again") != 1 {
					t.Error("the vault's return was not noticed")
				}
			})
		})
	}
}

func TestVaultDownAtStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTestKeeper(t)
		down := errors.New("key vault: no route")
		w.vault.set(down)
		w.run()
		defer w.close()
		w.use(5 * time.Minute)
		err := w.request()
		var e *Error
		if !errors.As(err, &e) || e.Class != Certificate || !errors.Is(err, down) {
			t.Errorf("error %v", err)
		}
		if n := w.vault.count(); n < 20 || n > 60 {
			t.Errorf("%d polls in five minutes", n)
		}
		cert := newCert(t, 0, "one")
		w.entra.register(cert)
		w.vault.set(nil, cert)
		time.Sleep(16 * time.Second)
		w.mustUse(time.Hour)
	})
}

// remoteSigner signs over a network that may be down or slow.
type remoteSigner struct {
	crypto.Signer
	mu    sync.Mutex
	err   error
	delay time.Duration
}

func (s *remoteSigner) Sign(r io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	s.mu.Lock()
	err, delay := s.err, s.delay
	s.mu.Unlock()
	time.Sleep(delay)
	if err != nil {
		return nil, err
	}
	return s.Signer.Sign(r, digest, opts)
}

func (s *remoteSigner) set(err error, delay time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err, s.delay = err, delay
}

func TestSigningInTheVault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cert := newCert(t, 0, "one")
		signer := &remoteSigner{Signer: cert.PrivateKey.(crypto.Signer)}
		remote := &tls.Certificate{Certificate: cert.Certificate, PrivateKey: signer} // Leaf is nil
		w := newTestKeeper(t, cert)
		w.vault.set(nil, remote)
		w.run()
		defer w.close()
		w.mustUse(2 * time.Hour)
		signer.set(nil, 10*time.Second) // the request takes long; callers get the old token
		w.mustUse(2 * time.Hour)

		down := errors.New("key vault: sign: 503")
		signer.set(down, 10*time.Second)
		cut, last := time.Since(w.begun), w.Status().LastToken.Sub(w.begun)
		failed := w.use(2 * time.Hour)
		if len(failed) == 0 || failed[0] < last+59*time.Minute || failed[0] < cut {
			t.Errorf("failures from %v on, vault cut at %v, token of %v", failed[0], cut, last)
		}
		if s := w.Status(); s.Err == nil || s.Err.Class != Certificate || !errors.Is(s.Err, down) {
			t.Errorf("error %v", s.Err)
		}
		signer.set(nil, 0)
		time.Sleep(30 * time.Second)
		w.mustUse(time.Hour)
	})
}

// TestSignerIsReplaced checks that the keeper uses the signer of the latest
// look-up, even if the certificate is unchanged. A new client of the vault returns
// a new signer.
func TestSignerIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cert := newCert(t, 0, "one")
		broken := &remoteSigner{Signer: cert.PrivateKey.(crypto.Signer), err: errors.New("key vault: sign: 401")}
		w := newTestKeeper(t, cert)
		w.vault.set(nil, &tls.Certificate{Certificate: cert.Certificate, PrivateKey: broken})
		w.run()
		defer w.close()
		time.Sleep(5 * time.Minute)
		w.vault.set(nil, cert)
		time.Sleep(time.Minute) // the certificates are looked up after 30 s, and the request is retried within 15 s
		w.mustUse(time.Hour)
	})
}

func TestHangingVaultDelaysNoRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTestKeeper(t, newCert(t, 0, "one")).run()
		defer w.close()
		first, err := w.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		w.vault.mu.Lock()
		w.vault.hang = true
		w.vault.mu.Unlock()
		for polls := w.vault.count(); w.vault.count() == polls; synctest.Wait() {
			time.Sleep(time.Second)
		}
		start := time.Now()
		if token, err := w.Replace(t.Context(), first); err != nil || token == first || time.Since(start) > time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

func TestMissingRoleIsWarnedAbout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTestKeeper(t, newCert(t, 0, "one"))
		w.entra.roles = nil
		w.run()
		defer w.close()
		w.mustUse(10 * time.Minute)
		if w.logs.lines("level=WARN", "full_access_as_app") != 1 {
			t.Error("no warning")
		}
	})
}

// TestClockSkew checks that the times in assertions follow Entra's clock once
// Entra has refused the times of an assertion.
func TestClockSkew(t *testing.T) {
	tests := []struct {
		name    string
		clock   time.Duration // Entra's clock minus the local clock
		refused bool          // Entra refuses the times of the first assertion
		warning bool
	}{
		{"equal", 0, false, false},
		{"a little ahead", -25 * time.Second, false, false},
		{"too far ahead", -2 * time.Minute, true, true},
		{"days ahead", -72 * time.Hour, true, true},
		{"behind, and still accepted", 8 * time.Minute, false, true},
		{"too far behind", 11 * time.Minute, true, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newTestKeeper(t, newCert(t, 0, "one"))
				w.entra.clock = tt.clock
				w.run()
				defer w.close()
				synctest.Wait()
				want := 1
				if tt.refused {
					want = 2
				}
				if n := w.entra.requests(); n != want || !w.Status().Usable {
					t.Errorf("%d requests, want %d; status %+v", n, want, w.Status())
				}
				time.Sleep(3 * time.Hour)
				synctest.Wait()
				s := w.Status()
				if !s.Usable || s.Failures != 0 || (s.ClockSkew+tt.clock).Abs() > time.Second {
					t.Errorf("usable %v, %d failures, skew %v", s.Usable, s.Failures, s.ClockSkew)
				}
				if n := w.entra.requests(); n > want+6 {
					t.Errorf("%d requests in three hours: the correction is not kept", n)
				}
				if w.logs.lines("register it") != 0 {
					t.Error("a wrong clock is not a reason to register anything")
				}
				want = 0
				if tt.warning {
					want = 1
				}
				if n := w.logs.lines("level=WARN", "clock differs"); n != want {
					t.Errorf("%d warnings, want %d", n, want)
				}
				// An administrator corrects the local clock: the difference to Entra's is now 0.
				w.entra.mu.Lock()
				w.entra.clock = 0
				w.entra.mu.Unlock()
				w.mustUse(3 * time.Hour)
				if w.Status().Failures != 0 || w.logs.lines("clock agrees") != want {
					t.Errorf("after the clock was set: %+v", w.Status())
				}
			})
		})
	}
}

// TestTimeRangeRefusalWithEqualClock checks that a refusal of an assertion's times
// does not cause an immediate second request if the clocks are equal. In this case
// the clock is not the cause of the refusal.
func TestTimeRangeRefusalWithEqualClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTestKeeper(t, newCert(t, 0, "one"))
		w.entra.respondWith(&response{status: 401, body: aadsts(aadstsTimeRange, "invalid_client"), header: map[string][]string{"Date": {time.Now().UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")}}})
		w.run()
		defer w.close()
		synctest.Wait()
		if n := w.entra.requests(); n != 1 {
			t.Errorf("%d requests, want 1", n)
		}
		if s := w.Status(); s.Err == nil || s.Err.AADSTS != aadstsTimeRange || !strings.Contains(s.Err.Error(), "clock") {
			t.Errorf("error %v", s.Err)
		}
	})
}

func TestStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTestKeeper(t, newCert(t, 0, "one"))
		w.entra.respondWith(&response{hang: true})
		w.run()
		defer w.close()
		errs := make(chan error)
		go func() { _, err := w.Token(t.Context()); errs <- err }()
		time.Sleep(time.Second)
		w.stopRun()
		if err := <-errs; !errors.Is(err, ErrStopped) {
			t.Errorf("a waiter got %v", err)
		}
		if _, err := w.Token(t.Context()); !errors.Is(err, ErrStopped) {
			t.Errorf("a late caller got %v", err)
		}
	})
}

func TestNewReportsEverything(t *testing.T) {
	_, err := New(Config{TenantID: "common", Resource: "a b", PollInterval: -1})
	for _, field := range []string{"Authority", "TenantID", "ClientID", "Resource", "PollInterval", "Certificates"} {
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%v lacks %s", err, field)
		}
	}
}

func TestTokenAllocatesNothing(t *testing.T) {
	k := heldKeeper()
	ctx := t.Context()
	if n := testing.AllocsPerRun(10_000, func() { k.Token(ctx) }); n != 0 {
		t.Errorf("%v allocations per call", n)
	}
}

func heldKeeper() *Keeper {
	k := &Keeper{}
	k.rounds.token.Store(&servedToken{"token", wall().Add(time.Hour)})
	return k
}

func BenchmarkToken(b *testing.B) {
	k, ctx := heldKeeper(), b.Context()
	b.ReportAllocs()
	for b.Loop() {
		k.Token(ctx)
	}
}

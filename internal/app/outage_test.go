package app

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"hmaproxy/internal/emulator"
)

func TestADay(t *testing.T) {
	for _, c := range []struct {
		name        string
		refreshIn   bool
		interval    time.Duration
		least, most int // bounds of the number of token requests
	}{
		{"without refresh_in", false, seldom, 24, 40},
		{"with refresh_in at half the lifetime", true, 30 * time.Minute, 44, 52},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newTestProduct(t, emulator.Config{RefreshIn: c.refreshIn}).start()
				defer s.close()
				s.allSucceed(c.interval, 24*time.Hour)
				if n := len(s.tokenRequests()); n > c.most || n < c.least {
					t.Errorf("%d token requests in 24 hours with tokens of one hour", n)
				}
				if n := s.emu.Exchange().Executed("GetFolder"); n != int(24*time.Hour/c.interval) {
					t.Errorf("Exchange executed %d requests", n)
				}
			})
		})
	}
}

// An outage is a way in which a service fails.
type outage struct {
	name     string
	fault    emulator.Fault // the zero value closes the listener
	recovers time.Duration  // longest time from the end of the outage until requests succeed
}

var outages = []outage{
	{"responds with 503", emulator.Fault{Status: http.StatusServiceUnavailable}, 20 * time.Second},
	{"refuses connections", emulator.Fault{}, 20 * time.Second},
	{"drops connections", emulator.Fault{Drop: true}, 20 * time.Second},
	// A request that begins just before the end of the outage may hang until
	// its timeout.
	{"hangs", emulator.Fault{Hang: true}, 35 * time.Second},
}

// begin starts the outage of a service; the returned function ends it.
func (o outage) begin(t *testing.T, service *emulator.Service) (back func()) {
	if o.fault.Status == 0 && !o.fault.Drop && !o.fault.Hang {
		service.Stop()
		return func() {
			if err := service.Restart(); err != nil {
				t.Fatal(err)
			}
		}
	}
	service.InjectWhile(func() bool { return true }, o.fault)
	return service.ClearFaults
}

func TestEntraAwayForAQuarterOfAnHour(t *testing.T) {
	for _, o := range outages {
		t.Run(o.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newTestProduct(t, emulator.Config{}).start().settle()
				defer s.close()
				// The outage begins at different ages of the token.
				for range 6 {
					s.allSucceed(seldom, 31*time.Minute)
					back := o.begin(t, s.emu.Entra().Service)
					s.allSucceed(often, 15*time.Minute)
					back()
				}
			})
		})
	}
}

func TestEntraAwayBeyondTheTokensLife(t *testing.T) {
	const away = 90 * time.Minute
	for _, o := range outages {
		t.Run(o.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newTestProduct(t, emulator.Config{}).start().settle()
				defer s.close()
				s.allSucceed(often, 20*time.Minute)
				back := o.begin(t, s.emu.Entra().Service)
				s.checkOutage(away, o.recovers, back)
				// The product waits between its attempts. The count also includes
				// the request for the metadata before the first token request.
				if n := s.emu.Entra().Count(); n > 600 {
					t.Errorf("Entra got %d requests", n)
				}
			})
		})
	}
}

// checkOutage checks an outage that is longer than the lifetime of the token.
// Requests fail only after the token has expired. They fail fast, with a fault
// that has a back-off time. Soon after the outage they succeed again.
func (s *testProduct) checkOutage(away, recovers time.Duration, back func()) {
	s.t.Helper()
	const near, step = time.Minute, 5 * time.Second
	last := s.expiry().Add(-time.Minute - time.Second) // a token is used until one minute before its end; expires_in is rounded down
	ends := time.Now().Add(away)
	s.allSucceed(often, time.Until(last.Add(-near)))
	_, failed := s.every(step, time.Until(last.Add(near)))
	_, more := s.every(30*time.Second, time.Until(ends))
	failed = append(failed, more...)
	if len(failed) == 0 || failed[0].at.Before(last) || failed[0].at.After(last.Add(step+time.Second)) {
		s.t.Fatalf("%d requests failed, the first not at the token's last moment %v but: %+v\n%s", len(failed), last, failed[:min(1, len(failed))], s.log)
	}
	for _, m := range failed {
		if m.err != nil || m.status != 500 || m.header.Get("X-Hmaproxy-Error") != "no-token" || m.header.Get("Retry-After") == "" ||
			!strings.Contains(m.text, "ErrorServerBusy") || m.took > 5*time.Second {
			s.t.Fatalf("the client got %+v", m.response)
		}
	}
	if a := s.probe("/ready"); a.status != http.StatusServiceUnavailable || !strings.Contains(a.text, "no access token") {
		s.t.Errorf("readiness says %d %s", a.status, a.text)
	}
	if now := time.Now(); now.Before(ends) {
		time.Sleep(ends.Sub(now))
	}
	back()
	time.Sleep(recovers)
	s.allSucceed(5*time.Second, 3*time.Minute)
	if a := s.probe("/ready"); a.status != http.StatusOK {
		s.t.Errorf("readiness says %d %s", a.status, a.text)
	}
}

// expiry returns the expiry of the latest token that Exchange received.
func (s *testProduct) expiry() time.Time {
	s.t.Helper()
	parts := strings.Split(s.emu.Exchange().LastHop().Header.Get("Authorization"), ".")
	var claims struct{ Exp int64 }
	if len(parts) == 3 {
		if payload, err := base64.RawURLEncoding.DecodeString(parts[1]); err == nil && json.Unmarshal(payload, &claims) == nil && claims.Exp > 0 {
			return time.Unix(claims.Exp, 0)
		}
	}
	s.t.Fatal("Exchange saw no token")
	return time.Time{}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestProduct(t, emulator.Config{}).start().settle()
		defer s.close()
		var requests atomic.Int32
		throttled := emulator.Fault{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"300"}}, Match: s.forMailboxes}
		s.emu.Entra().InjectWhile(func() bool { requests.Add(1); return true }, throttled)
		s.allSucceed(often, 58*time.Minute)
		// The product refreshes the token at two thirds of its lifetime. Then
		// at most 20 minutes of the lifetime remain, in which Retry-After
		// permits one request every 5 minutes.
		if n := requests.Load(); n < 3 || n > 5 {
			t.Errorf("Entra got %d requests despite Retry-After of 5 minutes", n)
		}
		s.emu.Entra().ClearFaults()
		time.Sleep(5*time.Minute + 5*time.Second) // the product obeys the last Retry-After even if its token has expired
		s.allSucceed(often, time.Hour)
	})
}

// forMailboxes reports whether r is a token request of the application that opens
// mailboxes.
func (s *testProduct) forMailboxes(r *http.Request) bool {
	return r.ParseForm() == nil && r.PostForm.Get("client_id") == s.emu.Config().HMAAppID
}

func TestKeyVaultAwayForADayInMemoryMode(t *testing.T) {
	for _, o := range outages {
		t.Run(o.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newTestProduct(t, emulator.Config{}).start().settle()
				defer s.close()
				back := o.begin(t, s.emu.KeyVault().Service)
				began := time.Now()
				const hours = 24
				s.allSucceed(seldom, hours*time.Hour)
				alarms := s.log.lines("certificate look-up failed")
				if len(alarms) < hours*5/6 || len(alarms) > hours+1 { // the alarm is repeated at the first poll after each hour, and polls begin up to 11 minutes apart
					t.Fatalf("%d alarms in %d hours", len(alarms), hours)
				}
				if wait := alarms[0].Time.Sub(began); wait > 13*time.Minute || alarms[0].Level != "ERROR" {
					t.Errorf("the first alarm came after %v: %v", wait, alarms[0])
				}
				if s.app.keeper.Status().CertificatesErr == nil {
					t.Error("the status shows no alarm")
				}
				back()
				s.allSucceed(often, 12*time.Minute)
				if s.app.keeper.Status().CertificatesErr != nil || len(s.log.lines("certificates are readable again")) != 1 {
					t.Error("the alarm has not ended")
				}
			})
		})
	}
}

func TestKeyVaultAwayForADayInVaultMode(t *testing.T) {
	for _, o := range outages {
		away := 70 * time.Minute             // longer than the token's lifetime
		if o.name == "refuses connections" { // this outage takes the least time to simulate
			away = 24 * time.Hour
		}
		t.Run(o.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newTestProductWithKeyInVault(t).start().settle()
				defer s.close()
				s.allSucceed(often, 20*time.Minute)
				back := o.begin(t, s.emu.KeyVault().Service)
				s.checkOutage(away, o.recovers+10*time.Second, back) // 10 s more, because the product also waits before it requests a signature from the vault again
			})
		})
	}
}

// newTestProductWithKeyInVault returns a product that signs with a
// non-exportable key in the vault.
func newTestProductWithKeyInVault(t *testing.T) *testProduct {
	s := newTestProduct(t, emulator.Config{Cert: newTestCertificate(t, 0, emulator.CertOptions{NonExportable: true})})
	s.env["HMA_KEY_MODE"] = "vault"
	return s
}

func TestVaultsClientSecretExpires(t *testing.T) {
	for _, mode := range []string{"memory", "vault"} {
		t.Run(mode, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				file := t.TempDir() + "/secret"
				renew := func(value string) {
					if err := os.WriteFile(file, []byte(value+"\n"), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				renew("first~secret")
				s := newTestProduct(t, emulator.Config{VaultSecret: "first~secret", Cert: newTestCertificate(t, 0, emulator.CertOptions{NonExportable: mode == "vault"})})
				delete(s.env, "HMA_KEY_VAULT_CLIENT_SECRET")
				s.env["HMA_KEY_VAULT_CLIENT_SECRET_FILE"], s.env["HMA_KEY_MODE"] = file, mode
				s.start().settle()
				defer s.close()
				s.allSucceed(often, 15*time.Minute)

				app := s.emu.Config().VaultAppID
				s.emu.Entra().AddSecret(app, "first~secret", time.Now().Add(-time.Second))
				s.allSucceed(often, 11*time.Minute+10*time.Second) // until the next poll is over: polls begin up to 11 minutes apart
				alarms := s.log.lines("certificate look-up failed")
				if len(alarms) != 1 || alarms[0].Level != "ERROR" || !alarms[0].says("AADSTS7000222", "client secret") {
					t.Fatalf("after the next poll the log has %v", alarms)
				}
				s.emu.Entra().AddSecret(app, "second~secret", time.Now().AddDate(1, 0, 0))
				renew("second~secret")
				s.allSucceed(often, 11*time.Minute+10*time.Second)
				if len(s.log.lines("certificates are readable again")) != 1 || s.app.keeper.Status().CertificatesErr != nil {
					t.Fatalf("the new secret is not used:\n%s", s.log)
				}
				s.allSucceed(seldom, 3*time.Hour)
			})
		})
	}
}

package certsource

import (
	"context"
	"crypto"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const day = 24 * time.Hour

// wantCode polls k once and checks the result. list is the names of the
// certificates, separated by spaces. code is the code of the error, "" for no
// error. wantCode returns the error, never nil.
func wantCode(t *testing.T, k *KeyVault, list, code string) *Error {
	t.Helper()
	got, err := names(t, k)
	var e *Error
	if err != nil && !errors.As(err, &e) {
		t.Fatalf("not an *Error: %v", err)
	}
	if e == nil {
		e = &Error{}
	}
	if got != list || e.Code != code {
		t.Errorf("got [%s], %v; want [%s], %q", got, err, list, code)
	}
	return e
}

func TestVersions(t *testing.T) {
	for name, c := range map[string]struct {
		change   func(f *testVault) // changes a vault with the versions v3, v2 and v1, made one day apart; no version names the previous version
		list     string
		code     string
		requests int // number of requests to the vault, including the request that gets the challenge
	}{
		"previous is named":                 {func(f *testVault) { f.versions[0].previous = "v2" }, "v3 v2", "", 3},
		"previous is found by list":         {func(f *testVault) { f.mayList = true }, "v3 v2", "", 4},
		"list is not permitted":             {func(f *testVault) {}, "v3", "", 3},
		"only one":                          {func(f *testVault) { f.versions = f.versions[:1]; f.mayList = true }, "v3", "", 3},
		"newest disabled, listed":           {func(f *testVault) { f.versions[0].disabled = true; f.mayList = true }, "v2 v1", "SecretDisabled", 5},
		"newest disabled, not listed":       {func(f *testVault) { f.versions[0].disabled = true }, "", "SecretDisabled", 3},
		"previous disabled, not listed":     {func(f *testVault) { f.versions[0].previous = "v2"; f.versions[1].disabled = true }, "v3", "", 4},
		"previous disabled, listed":         {func(f *testVault) { f.versions[1].disabled = true; f.mayList = true }, "v3 v1", "", 4},
		"newest broken":                     {func(f *testVault) { f.versions[0].value = "oops"; f.versions[0].previous = "v2" }, "v2", CodeUnknownFormat, 4},
		"newest broken, listed":             {func(f *testVault) { f.versions[0].value = ""; f.mayList = true }, "v2 v1", CodeEmpty, 5},
		"newest not exportable":             {func(f *testVault) { stripKey(f.versions[0]); f.mayList = true }, "v2 v1", CodeNoPrivateKey, 5},
		"names itself":                      {func(f *testVault) { f.versions[0].previous = "v3" }, "v3", "", 2},
		"previous is gone":                  {func(f *testVault) { f.versions[0].previous = "v0" }, "v3", "", 3},
		"all disabled":                      {func(f *testVault) { disable(f.versions...); f.mayList = true }, "", "SecretDisabled", 3},
		"name is of no certificate at all":  {func(f *testVault) { f.versions = nil; f.mayList = true }, "", "SecretNotFound", 2},
		"newest's previous is broken, list": {func(f *testVault) { f.versions[0].previous = "v2"; f.versions[1].value = "x"; f.mayList = true }, "v3 v1", "", 5},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newTestVault(t, ver(t, "v3", day), ver(t, "v2", 2*day), ver(t, "v1", 3*day))
				c.change(f)
				k := f.open()
				e := wantCode(t, k, c.list, c.code)
				if c.code != "" && (e.Remedy == "" || e.Name != "HMA-Cert" || e.Op != "get secret") {
					t.Errorf("unhelpful: %v", e)
				}
				if got := f.take(vaultHost); len(got) != c.requests {
					t.Errorf("%d requests, want %d: %q", len(got), c.requests, got)
				}
				wantCode(t, k, c.list, c.code) // the second poll has the same result
			})
		})
	}
}

func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func disable(versions ...*testVersion) {
	for _, v := range versions {
		v.disabled = true
	}
}

func stripKey(v *testVersion) {
	v.value, _, _ = strings.Cut(v.value, "-----BEGIN PRIVATE")
}

// TestListRefused checks that, after a refused listing, a listing is requested
// again only when there is a new version. The missing permission must be logged
// once.
func TestListRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newTestVault(t, ver(t, "v1", day))
		k := f.open()
		for range 3 {
			wantCode(t, k, "v1", "")
		}
		if got := f.take("/versions"); len(got) != 1 {
			t.Errorf("%q", got)
		}
		f.versions = append([]*testVersion{ver(t, "v2", 0)}, f.versions...)
		wantCode(t, k, "v2 v1", "") // v1 is still known
		if got := f.take("/versions"); len(got) != 1 {
			t.Errorf("%q", got)
		}
		f.versions = append([]*testVersion{ver(t, "v3", 0)}, f.versions...)
		wantCode(t, k, "v3 v2", "")
		if n := strings.Count(f.log.String(), "secrets/list"); n != 1 {
			t.Errorf("said %d times:\n%s", n, &f.log)
		}
	})
}

func TestDates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newTestVault(t, ver(t, "v2", -day), ver(t, "v1", 300*day))
		f.mayList = true
		k := f.open()
		e := wantCode(t, k, "v1", CodeNotYetValid)
		if !e.NotBefore.Equal(f.versions[0].created.Truncate(time.Second)) || !strings.Contains(e.Error(), "2000-01-02T00:00:00Z") {
			t.Error(e)
		}
		wantCode(t, k, "v1", CodeNotYetValid)
		if n := strings.Count(f.log.String(), "certificate read"); n != 2 {
			t.Errorf("%d certificates logged as new, want 2", n)
		}
		time.Sleep(day + time.Second)
		wantCode(t, k, "v2 v1", "")
		time.Sleep(65 * day)
		wantCode(t, k, "v2", "")
		time.Sleep(365 * day)
		if e := wantCode(t, k, "", CodeExpired); e.Remedy == "" {
			t.Error(e)
		}
	})
}

func TestOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newTestVault(t, ver(t, "v2", day), ver(t, "v1", 2*day))
		f.mayList = true
		k := f.open()
		before, err := k.Certificates(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		f.vault = status(503, "")
		wantCode(t, k, "v2 v1", "")
		f.vault = nil
		after, err := k.Certificates(t.Context())
		if err != nil || before[0] != after[0] || before[1] != after[1] {
			t.Error("an unchanged certificate has to be the identical one", err)
		}
		if n := strings.Count(f.log.String(), "certificate read"); n != 2 {
			t.Errorf("%d certificates logged as new, want 2", n)
		}
	})
}

// TestOutageInBetween checks that a poll ends even if the vault stops
// responding during the poll.
func TestOutageInBetween(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newTestVault(t, ver(t, "v2", day), ver(t, "v1", 2*day))
		f.versions[0].previous = "v1"
		k := f.open()
		wantCode(t, k, "v2 v1", "")
		f.vault = func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.Path, "v1") {
				hang(w, r)
			}
			f.serveVault(w, r)
		}
		start := time.Now()
		wantCode(t, k, "v2 v1", "")
		if took := time.Since(start); took > callTimeout || !strings.Contains(f.log.String(), "could not be read") {
			t.Errorf("%v:\n%s", took, &f.log)
		}
	})
}

// TestWalkIsBounded checks that a poll reads at most maxLook versions, even if
// all versions are broken.
func TestWalkIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newTestVault(t)
		f.mayList = true
		for i := range 9 {
			f.versions = append(f.versions, &testVersion{id: fmt.Sprintf("v%d", 9-i), value: "oops", created: time.Now().Add(-time.Duration(i) * day)})
		}
		wantCode(t, f.open(), "", CodeUnknownFormat)
		if got := f.take("/secrets/HMA-Cert/v"); len(got) != maxLook { // four versions by their ids, and the listing; the newest version is requested without its id
			t.Errorf("%q", got)
		}
	})
}

// TestVaultInAnotherTenant checks that the log-in uses the tenant in the
// vault's challenge and not the configured tenant.
func TestVaultInAnotherTenant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newTestVault(t, ver(t, "v1", day))
		k := f.open(func(c *KeyVaultConfig) { c.TenantID = "99999999-2222-3333-4444-555555555555" })
		wantCode(t, k, "v1", "")
		if got := f.take("POST " + loginHost); len(got) != 1 || !strings.Contains(got[0], tenant) {
			t.Errorf("%q", got)
		}
	})
}

// TestDisabledInUse disables a version that is in use. The version stays in use
// if no other version can be found. It is dropped if a listing shows that the
// version is disabled.
func TestDisabledInUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newTestVault(t, ver(t, "v2", day), ver(t, "v1", 2*day))
		k := f.open()
		wantCode(t, k, "v2", "")
		f.versions[0].disabled = true
		wantCode(t, k, "v2", "SecretDisabled")
		f.mayList = true
		k.versions.unlisted = nil // causes a new listing, as a new version would
		wantCode(t, k, "v1", "SecretDisabled")
	})
}

func TestRetryAndDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newTestVault(t, ver(t, "v1", day))
		k := f.open()
		failures := 2
		f.vault = func(w http.ResponseWriter, r *http.Request) {
			if failures--; failures >= 0 {
				respond(w, 503, "")
				return
			}
			f.serveVault(w, r)
		}
		wantCode(t, k, "v1", "")

		f.vault = hang
		start := time.Now()
		e := wantCode(t, k, "v1", CodeTimeout)
		if took := time.Since(start); took < tryTimeout || took > callTimeout || e.Host != vaultHost {
			t.Errorf("after %v: %v", took, e)
		}

		failures = 1 // the vault fails once and then hangs; the error must be about the failure
		f.vault = func(w http.ResponseWriter, r *http.Request) {
			if failures--; failures >= 0 {
				respond(w, 503, "")
				return
			}
			hang(w, r)
		}
		if e := wantCode(t, k, "v1", CodeTimeout); e.Status != 503 {
			t.Errorf("%+v", e)
		}

		// Each response is slow and asks for a wait of 5 seconds, so callTimeout
		// passes during the second try.
		f.vault = func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-time.After(tryTimeout - time.Millisecond):
			case <-r.Context().Done():
			}
			w.Header().Set("Retry-After", "5")
			respond(w, 503, "")
		}
		start = time.Now()
		if e := wantCode(t, k, "v1", CodeTimeout); e.Status != 503 || time.Since(start) != callTimeout {
			t.Errorf("after %v: %+v", time.Since(start), e)
		}

		f.vault = hang
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		list, err := k.Certificates(ctx)
		if len(list) != 1 || !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("%d, %v after %v", len(list), err, time.Since(start))
		}
	})
}

// TestSlowWayOut checks that polls succeed through a corporate proxy that takes
// two seconds for each request.
func TestSlowWayOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newTestVault(t, ver(t, "v1", day))
		slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-time.After(2 * time.Second):
				f.ServeHTTP(w, r)
			case <-r.Context().Done():
			}
		})
		k := f.open(func(c *KeyVaultConfig) { c.HTTPClient = &http.Client{Transport: inProcess{slow}} })
		wantCode(t, k, "v1", "")
	})
}

// TestPollsTakeTurns checks that a poll that waits for the end of another poll
// returns when its own context ends. It then returns the list of an earlier poll.
func TestPollsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newTestVault(t, ver(t, "v1", day))
		k := f.open()
		wantCode(t, k, "v1", "")
		asked := 0
		f.vault = func(w http.ResponseWriter, r *http.Request) {
			asked++
			hang(w, r)
		}
		go func() { _, _ = k.Certificates(t.Context()) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		list, err := k.Certificates(ctx)
		if len(list) != 1 || !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("%d certificates, %v after %v", len(list), err, time.Since(began))
		}
		if asked != 1 {
			t.Errorf("%d requests to the vault, want that of the first poll", asked)
		}
	})
}

func TestClientSecretIsReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newTestVault(t, ver(t, "v1", day))
		secret, failure := "old-"+canarySecret, error(nil)
		k := f.open(func(c *KeyVaultConfig) { c.Secret = func() (string, error) { return secret, failure } })
		if e := wantCode(t, k, "", "AADSTS7000215"); e.Op != "log in" || e.Name != app || e.Host != loginHost {
			t.Errorf("%+v", e)
		}
		secret = canarySecret
		wantCode(t, k, "v1", "")
		secret = ""
		wantCode(t, k, "v1", CodeEmpty)
		failure = errors.New("no such file")
		if e := wantCode(t, k, "v1", CodeUnreadable); !errors.Is(e, failure) {
			t.Error(e)
		}
	})
}

// TestClientSecretExpires checks that an expired client secret causes an error
// at the next poll, although the access token that was obtained with the secret
// is valid for an hour. Signatures use the token for that hour.
func TestClientSecretExpires(t *testing.T) {
	f, k := inVault(t)
	list, err := k.Certificates(t.Context())
	if err != nil || len(list) != 1 {
		t.Fatal(len(list), err)
	}
	f.take("")
	f.secret = "another one"
	if e := wantCode(t, k, "v1", "AADSTS7000215"); e.Op != "log in" {
		t.Errorf("%+v", e)
	}
	if got := f.take(loginHost); len(got) != 2 {
		t.Errorf("the poll logged in by %q", got)
	}
	if _, err := list[0].PrivateKey.(crypto.Signer).Sign(nil, make([]byte, 32), crypto.SHA256); err != nil {
		t.Error(err)
	}
	if got := f.take(loginHost); len(got) != 0 {
		t.Errorf("the signature logged in by %q", got)
	}
}

// TestConcurrentUse polls and signs concurrently, for the race detector.
func TestConcurrentUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, k := inVault(t)
		list, err := k.Certificates(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				if got, err := k.Certificates(t.Context()); err != nil || len(got) != 1 || got[0] != list[0] {
					t.Error(len(got), err)
				}
				if _, err := list[0].PrivateKey.(crypto.Signer).Sign(nil, make([]byte, 32), crypto.SHA256); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	})
}

func TestNothingPrintsTheSecret(t *testing.T) {
	f := newTestVault(t, &testVersion{id: "v1", value: string(fixture(t, "good/key-first.pem"))})
	k := f.open()
	wantCode(t, k, "HMA-Cert", "")
	noCanary(t, fmt.Sprintf("%v %+v %#v %+v %#v", k, k, k, *k.client.session, *k.client.session))
}

func TestConfig(t *testing.T) {
	f := newTestVault(t)
	for name, change := range map[string]func(*KeyVaultConfig){
		"no vault":         func(c *KeyVaultConfig) { c.Vault = nil },
		"vault by http":    func(c *KeyVaultConfig) { c.Vault.Scheme = "http" },
		"vault with path":  func(c *KeyVaultConfig) { c.Vault.Path = "/secrets/HMA-Cert" },
		"name with slash":  func(c *KeyVaultConfig) { c.Name = "HMA-Cert/versions" },
		"no name":          func(c *KeyVaultConfig) { c.Name = "" },
		"long name":        func(c *KeyVaultConfig) { c.Name = strings.Repeat("a", 128) },
		"no secret":        func(c *KeyVaultConfig) { c.Secret = nil },
		"no tenant":        func(c *KeyVaultConfig) { c.TenantID = "" },
		"unknown auth":     func(c *KeyVaultConfig) { c.Auth = "Secret" },
		"authority by ftp": func(c *KeyVaultConfig) { c.Authority = &url.URL{Scheme: "ftp", Host: loginHost} },
	} {
		cfg := f.config()
		change(&cfg)
		if k, err := NewKeyVault(cfg); err == nil || k != nil || !strings.HasPrefix(err.Error(), "certsource: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	longest := f.config()
	longest.Name = strings.Repeat("a", 127)
	if _, err := NewKeyVault(longest); err != nil {
		t.Errorf("longest name: %v", err)
	}
	if got := f.take(""); got != nil {
		t.Errorf("requests: %q", got)
	}
}

// TestBlockedClientSecret checks that polls and signatures fail in time when
// the read of the client secret blocks.
func TestBlockedClientSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newTestVault(t, ver(t, "v1", day))
		release := make(chan struct{})
		k := f.open(func(c *KeyVaultConfig) {
			c.Secret = func() (string, error) { <-release; return canarySecret, nil }
		})
		start := time.Now()
		wantCode(t, k, "", CodeBlocked)
		if took := time.Since(start); took != readTimeout {
			t.Errorf("the poll took %v", took)
		}
		if _, failure := k.client.open(context.Background()); failure == nil || failure.Code != CodeBlocked {
			t.Errorf("open: %v", failure)
		}
		close(release)
		synctest.Wait()
		wantCode(t, k, "v1", "")
	})
}

// TestOwnHTTPClient checks that the package's own HTTP client does not use a
// proxy for the log-in of a managed identity.
func TestOwnHTTPClient(t *testing.T) {
	k, err := NewKeyVault(KeyVaultConfig{Vault: &url.URL{Scheme: "https", Host: vaultHost}, Name: "HMA-Cert", Auth: AuthManaged})
	if err != nil {
		t.Fatal(err)
	}
	transport := k.client.cfg.HTTPClient.Transport.(*http.Transport)
	req, err := http.NewRequest(http.MethodGet, "http://169.254.169.254/metadata/identity/oauth2/token", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("HTTP_PROXY", "http://proxy.contoso.com:3128")
	if proxy, err := transport.Proxy(req); proxy != nil || err != nil {
		t.Errorf("proxy %v, %v", proxy, err)
	}
	if transport.TLSClientConfig.MinVersion < tls.VersionTLS12 || transport.MaxResponseHeaderBytes == 0 {
		t.Error("the client's bounds are missing")
	}
}

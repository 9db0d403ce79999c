package app

import (
	"log/slog"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"hmaproxy/internal/config"
	"hmaproxy/internal/filewatch"
)

func TestReloadOnRequestReadsEveryFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newIdleApp(t)
		var loads atomic.Int64
		for range 2 {
			a.files.watchers = append(a.files.watchers, filewatch.New(filewatch.Config{
				Log: slog.New(slog.DiscardHandler), Load: func() (bool, error) { loads.Add(1); return false, nil },
			}))
		}
		requests := make(chan struct{})
		a.options.Reload = requests
		go a.reloadOnRequest(t.Context())
		requests <- struct{}{}
		time.Sleep(time.Second)
		if loads.Load() != 2 {
			t.Errorf("%d loads of 2 files", loads.Load())
		}
		a.state.draining.Store(true)
		requests <- struct{}{}
		time.Sleep(time.Second)
		if loads.Load() != 2 {
			t.Errorf("%d loads after a request during the drain", loads.Load())
		}
	})
}

// newIdleApp returns a product that is not running.
func newIdleApp(t *testing.T) *app {
	t.Helper()
	const guid = "6a1de0b4-41c7-4c2f-8f5d-93f0b7a2d611"
	c, err := config.Load([]string{
		"HMA_EWS_URL=https://mail.contoso.com", "HMA_TENANT_ID=contoso.com", "HMA_APP_ID=" + guid,
		"HMA_KEY_VAULT_URI=https://contoso.vault.azure.net", "HMA_KEY_VAULT_CERT_NAME=HMA-Cert",
		"HMA_KEY_VAULT_APP_ID=" + guid, "HMA_KEY_VAULT_CLIENT_SECRET=secret",
	}, os.ReadFile)
	if err != nil {
		t.Fatal(err)
	}
	a, err := newApp(Options{Config: c})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestReloadsOnRequestAreLimited checks that the first request for a reload is
// served immediately. If further requests follow without a pause, there is one
// reload in each reloadInterval.
func TestReloadsOnRequestAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newIdleApp(t)
		var loads atomic.Int64
		a.files.watchers = append(a.files.watchers, filewatch.New(filewatch.Config{
			Log: slog.New(slog.DiscardHandler), Load: func() (bool, error) { loads.Add(1); return false, nil },
		}))
		requests := make(chan struct{})
		a.options.Reload = requests
		go a.reloadOnRequest(t.Context())
		go func() {
			for {
				select {
				case requests <- struct{}{}:
				case <-t.Context().Done():
					return
				}
			}
		}()
		synctest.Wait()
		if n := loads.Load(); n != 1 {
			t.Errorf("%d reloads at once", n)
		}
		time.Sleep(5*reloadInterval - time.Nanosecond)
		if n := loads.Load(); n != 5 {
			t.Errorf("%d reloads in %v", n, 5*reloadInterval)
		}
	})
}
